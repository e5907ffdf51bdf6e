"""Serves the behaviour contract by connectrpc on hypercorn: connect_server.py 127.0.0.1:PORT"""

import asyncio
import sys

import connect_endpoints as methods
from behaviour import messages, ready
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_codecs
from connectrpc.errors import ConnectError
from connectrpc.server import ConnectASGIApplication, Endpoint
from hypercorn.asyncio import serve
from hypercorn.config import Config

# In the order of their numbers.
codes = [
    Code.CANCELED, Code.UNKNOWN, Code.INVALID_ARGUMENT, Code.DEADLINE_EXCEEDED, Code.NOT_FOUND, Code.ALREADY_EXISTS,
    Code.PERMISSION_DENIED, Code.RESOURCE_EXHAUSTED, Code.FAILED_PRECONDITION, Code.ABORTED, Code.OUT_OF_RANGE,
    Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS, Code.UNAUTHENTICATED,
]  # fmt: skip


def failure(code: int, message: str) -> ConnectError:
    return ConnectError(codes[code - 1], message)


class Behaviour:
    """Does what the contract says, but keeps no record for Watch."""

    async def echo(self, request, context):
        return messages.EchoResponse(text=request.text, data=request.data)

    async def inspect(self, request, context):
        return messages.InspectResponse(header=context.request_headers.get("x-behaviour", ""))

    async def fail(self, request, context):
        raise failure(request.code, request.message)

    async def hang(self, request, context):
        await asyncio.sleep(60)

    async def produce(self, request, context):
        for index in range(request.count):
            yield messages.ProduceResponse(index=index, data=bytes(request.size))
        if request.fail_code:
            raise failure(request.fail_code, "as asked")

    async def collect(self, requests, context):
        total = messages.CollectResponse()
        async for request in requests:
            total.messages += 1
            total.bytes += len(request.data)
        return total

    async def converse(self, requests, context):
        index = 0
        async for request in requests:
            yield messages.ConverseResponse(text=request.text, index=index)
            index += 1


class Application(ConnectASGIApplication):
    path = f"/{methods.service}"

    def __init__(self) -> None:
        super().__init__(service=Behaviour(), endpoints=self.endpoints, codecs=google_protobuf_codecs())

    def endpoints(self, service: Behaviour):
        all_endpoints = [
            Endpoint.unary(methods.echo, service.echo),
            Endpoint.unary(methods.inspect, service.inspect),
            Endpoint.unary(methods.fail, service.fail),
            Endpoint.unary(methods.hang, service.hang),
            Endpoint.server_stream(methods.produce, service.produce),
            Endpoint.client_stream(methods.collect, service.collect),
            Endpoint.bidi_stream(methods.converse, service.converse),
        ]
        return {f"{self.path}/{endpoint.method.name}": endpoint for endpoint in all_endpoints}


async def main() -> None:
    config = Config()
    config.bind = [sys.argv[1]]
    config.accesslog = config.errorlog = None
    serving = asyncio.create_task(serve(Application(), config))
    host, port = sys.argv[1].rsplit(":", 1)
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.05)
    ready()
    await serving


asyncio.run(main())
