"""The behaviour contract as connectrpc describes methods."""

from behaviour import messages
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType

service = "plugboard.test.v1.BehaviourService"


def method(name: str, stream_type: StreamType = StreamType.UNARY) -> MethodInfo:
    return MethodInfo(
        name=name,
        service_name=service,
        input=getattr(messages, f"{name}Request"),
        output=getattr(messages, f"{name}Response"),
        idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS if name == "Echo" else IdempotencyLevel.UNKNOWN,
        stream_type=stream_type,
    )


echo, inspect, fail, hang = (method(name) for name in ("Echo", "Inspect", "Fail", "Hang"))
produce = method("Produce", StreamType.SERVER_STREAM)
collect = method("Collect", StreamType.CLIENT_STREAM)
converse = method("Converse", StreamType.BIDI_STREAM)
