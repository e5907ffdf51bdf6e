"""The behaviour contract, served by grpcio's asyncio half."""

import asyncio

import grpc
from behaviour import messages, stubs

codes = {code.value[0]: code for code in grpc.StatusCode}


class Behaviour(stubs.BehaviourServiceServicer):
    """Does what the contract says, but keeps no record for Watch."""

    async def Echo(self, request, context):
        return messages.EchoResponse(text=request.text, data=request.data)

    async def Inspect(self, request, context):
        values = [value for key, value in context.invocation_metadata() if key == "x-behaviour"]
        left = context.time_remaining()
        return messages.InspectResponse(header=", ".join(values), timeout_ms=-1 if left is None else left * 1000)

    async def Fail(self, request, context):
        await context.abort(codes[request.code], request.message)

    async def Hang(self, request, context):
        await asyncio.sleep(60)

    async def Produce(self, request, context):
        index = 0
        while request.count == 0 or index < request.count:
            yield messages.ProduceResponse(index=index, data=bytes(request.size))
            index += 1
        if request.fail_code:
            await context.abort(codes[request.fail_code], "as asked")

    async def Collect(self, requests, context):
        total = messages.CollectResponse()
        async for request in requests:
            total.messages += 1
            total.bytes += len(request.data)
        return total

    async def Converse(self, requests, context):
        index = 0
        async for request in requests:
            yield messages.ConverseResponse(text=request.text, index=index)
            index += 1
