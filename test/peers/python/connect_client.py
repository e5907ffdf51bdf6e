"""Calls the behaviour contract by connectrpc: connect_client.py http://host:port connect|grpc-web"""

import asyncio
import os
import sys

import connect_endpoints as methods
from behaviour import check, messages
from connectrpc.client import ConnectClient
from connectrpc.compat import google_protobuf_binary_codec
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType


async def stream(requests):
    for request in requests:
        yield request


async def drain(client: ConnectClient, request):
    """How many messages a stream has, and what ended it."""
    count = 0
    try:
        async for message in client.execute_server_stream(method=methods.produce, request=request):
            if message.index != count:
                return count, "out of order"
            count += 1
    except ConnectError as error:
        return count, error.code.name
    return count, None


async def main() -> None:
    protocol = ProtocolType.CONNECT if sys.argv[2] == "connect" else ProtocolType.GRPC_WEB
    client = ConnectClient(
        sys.argv[1], protocol=protocol, codec=google_protobuf_binary_codec(), timeout_ms=20_000
    )

    echo = messages.EchoRequest(text="grüße", data=bytes(500_000))
    response = await client.execute_unary(method=methods.echo, request=echo)
    check("a unary call carries 500 kB", response.text == echo.text and response.data == echo.data)
    if protocol is ProtocolType.CONNECT:
        request = messages.EchoRequest(text="by GET")
        response = await client.execute_unary(method=methods.echo, request=request, use_get=True)
        check("a side-effect-free call is made by GET", response.text == "by GET")

    for number in range(1, 17):
        try:
            await client.execute_unary(method=methods.fail, request=messages.FailRequest(code=number, message="grüße"))
            check(f"error code {number} arrives", False, "the call did not fail")
        except ConnectError as error:
            check(f"error code {number} arrives with its message", error.message == "grüße", repr(error))

    response = await client.execute_unary(
        method=methods.inspect, request=messages.InspectRequest(), headers={"x-behaviour": "one"}, timeout_ms=10_000
    )
    check("metadata and the deadline arrive", response.header == "one" and response.timeout_ms > 0, response)
    try:
        await client.execute_unary(method=methods.hang, request=messages.HangRequest(id="connectrpc"), timeout_ms=200)
        check("a call ends at its deadline", False, "the call did not fail")
    except ConnectError as error:
        check("a call ends at its deadline", error.code.name == "DEADLINE_EXCEEDED", repr(error))

    whole = await drain(client, messages.ProduceRequest(count=300, size=5000))
    check("a server stream arrives whole", whole == (300, None), whole)
    failed = await drain(client, messages.ProduceRequest(count=3, fail_code=9))
    check("a server stream fails after its messages", failed == (3, "FAILED_PRECONDITION"), failed)
    requests = stream(messages.CollectRequest(data=bytes(1000)) for _ in range(100))
    total = await client.execute_client_stream(method=methods.collect, request=requests)
    check("a client stream arrives whole", total.messages == 100, total)

    calls = [client.execute_unary(method=methods.echo, request=messages.EchoRequest(text=str(n))) for n in range(100)]
    texts = [response.text for response in await asyncio.gather(*calls)]
    check("a hundred calls run at once", texts == [str(number) for number in range(100)])


asyncio.run(main())
# Its HTTP client, pyqwest, can abort the process while Python shuts down.
os._exit(0)
