"""Serves the behaviour contract by grpcio: grpcio_server.py unix:/path"""

import asyncio
import sys

import grpc
from behaviour import ready, stubs
from grpcio_servicer import Behaviour


async def main() -> None:
    server = grpc.aio.server()
    stubs.add_BehaviourServiceServicer_to_server(Behaviour(), server)
    server.add_insecure_port(sys.argv[1])
    await server.start()
    ready()
    await server.wait_for_termination()


asyncio.run(main())
