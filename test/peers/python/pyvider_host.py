"""Starts a plugin by pyvider-rpcplugin and calls it: pyvider_host.py COMMAND [ARGUMENT…]

Automatic mutual TLS is pyvider's default.
"""

import asyncio
import sys

import grpc
from behaviour import check, messages, stubs
from pyvider.rpcplugin import plugin_client


async def main() -> None:
    async with plugin_client(command=sys.argv[1:]) as client:
        stub = stubs.BehaviourServiceStub(client.grpc_channel)
        response = await stub.Echo(messages.EchoRequest(text="grüße"), timeout=10)
        check("a unary call carries its message", response.text == "grüße", response)
        for number in range(1, 17):
            try:
                await stub.Fail(messages.FailRequest(code=number, message="grüße"), timeout=10)
                check(f"error code {number} arrives", False, "the call did not fail")
            except grpc.RpcError as error:
                check(f"error code {number} arrives", error.code().value[0] == number, error)
        produced = stub.Produce(messages.ProduceRequest(count=100, size=1000), timeout=10)
        indices = [message.index async for message in produced]
        check("a server stream arrives whole", indices == list(range(100)))
        total = await stub.Collect(iter([messages.CollectRequest(data=bytes(10))] * 10), timeout=10)
        check("a client stream arrives whole", total.messages == 10, total)
        requests = [messages.ConverseRequest(text=text) for text in ("one", "two")]
        answers = [message.text async for message in stub.Converse(iter(requests), timeout=10)]
        check("both sides converse", answers == ["one", "two"], answers)
        await client.shutdown_plugin()


asyncio.run(main())
