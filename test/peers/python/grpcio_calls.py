"""Calls the behaviour contract over a channel of grpcio."""

import grpc
from behaviour import check, messages, stubs


def drain(stub, request):
    """How many messages a stream has, and what ended it."""
    count = 0
    try:
        for message in stub.Produce(request, timeout=10):
            if message.index != count:
                return count, "out of order"
            count += 1
    except grpc.RpcError as error:
        return count, error.code()
    return count, None


def call(channel: grpc.Channel) -> None:
    stub = stubs.BehaviourServiceStub(channel)

    data = bytes(range(256)) * 2000
    response = stub.Echo(messages.EchoRequest(text="grüße", data=data), timeout=10)
    check("a unary call carries 512 kB", response.text == "grüße" and response.data == data)

    for number in range(1, 17):
        try:
            stub.Fail(messages.FailRequest(code=number, message="grüße"), timeout=10)
            check(f"error code {number} arrives", False, "the call did not fail")
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            ok = error.code().value[0] == number and error.details() == "grüße" and trailers.get("x-error") == "metadata"
            check(f"error code {number} arrives with message and metadata", ok, error)

    metadata = [("x-behaviour", "one"), ("x-behaviour", "two"), ("x-behaviour-bin", bytes([0, 1, 255]))]
    response, inspected = stub.Inspect.with_call(messages.InspectRequest(), metadata=metadata, timeout=10)
    seen = response.header == "one, two" and response.binary_header == bytes([0, 1, 255]) and 0 < response.timeout_ms
    check("metadata and the deadline arrive", seen, response)
    check("response headers arrive", dict(inspected.initial_metadata()).get("x-response") == "header")

    try:
        stub.Hang(messages.HangRequest(id="grpcio"), timeout=0.2)
        check("a call ends at its deadline", False, "the call did not fail")
    except grpc.RpcError as error:
        check("a call ends at its deadline", error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error)

    whole = drain(stub, messages.ProduceRequest(count=300, size=5000))
    check("a server stream arrives whole", whole == (300, None), whole)
    failed = drain(stub, messages.ProduceRequest(count=3, fail_code=9))
    check("a server stream fails after its messages", failed == (3, grpc.StatusCode.FAILED_PRECONDITION), failed)

    total = stub.Collect((messages.CollectRequest(data=bytes(1000)) for _ in range(100)), timeout=10)
    check("a client stream arrives whole", total.messages == 100, total)
    texts = [f"text {number}" for number in range(20)]
    answers = [each.text for each in stub.Converse((messages.ConverseRequest(text=text) for text in texts), timeout=10)]
    check("both sides converse", answers == texts, answers)

    codes = []
    for _ in range(120):
        try:
            stub.Echo(messages.EchoRequest(data=bytes(5 << 20)), timeout=10)
        except grpc.RpcError as error:
            codes.append(error.code())
    check("120 messages over the limit are refused", codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 120, set(codes))
    calls = [stub.Echo.future(messages.EchoRequest(text=str(number)), timeout=20) for number in range(300)]
    good = sum(each.exception() is None and each.result().text == str(number) for number, each in enumerate(calls))
    check("then three hundred calls run at once", good == 300, [each.exception() for each in calls if each.exception()][:1])
