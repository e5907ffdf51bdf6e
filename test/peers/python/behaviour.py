"""What the programs of this folder share: the contract's code, and how a check is printed."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "build/python-generated"))

from plugboard.test.v1 import behaviour_pb2 as messages  # noqa: E402
from plugboard.test.v1 import behaviour_pb2_grpc as stubs  # noqa: E402

__all__ = ["check", "messages", "ready", "stubs"]


def check(name: str, ok: bool, detail: object = "") -> None:
    """Prints whether something holds, for the test that runs the program: one JSON object a line."""
    print(json.dumps({"name": name, "ok": bool(ok), "detail": str(detail)[:300]}), flush=True)


def ready() -> None:
    """Tells the test that a server takes connections."""
    print("ready", flush=True)
