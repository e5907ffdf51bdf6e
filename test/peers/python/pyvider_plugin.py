"""A plugin made with pyvider-rpcplugin, which serves the behaviour contract."""

import asyncio

from behaviour import stubs
from grpcio_servicer import Behaviour
from pyvider.rpcplugin import plugin_server
from pyvider.rpcplugin.protocol.base import RPCPluginProtocol


class Protocol(RPCPluginProtocol):
    service_name = "plugboard.test.v1.BehaviourService"

    async def get_grpc_descriptors(self):
        return None, self.service_name

    async def add_to_server(self, server, handler) -> None:
        stubs.add_BehaviourServiceServicer_to_server(handler, server)

    def get_method_type(self, method_name: str) -> str:
        return "unary_unary"


async def main() -> None:
    await plugin_server(protocol=Protocol(), handler=Behaviour()).serve()


asyncio.run(main())
