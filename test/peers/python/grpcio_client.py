"""Calls the behaviour contract by grpcio: grpcio_client.py unix:/path | host:port [ROOTS CERTIFICATE KEY]

The certificates are PEM files, for TLS on both sides.
"""

import sys
from pathlib import Path

import grpc
from behaviour import check
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpcio_calls import call

target, *files = sys.argv[1:]
if files:
    roots, certificate, key = (Path(file).read_bytes() for file in files)
    credentials = grpc.ssl_channel_credentials(roots, key, certificate)
    channel = grpc.secure_channel(target, credentials, options=[("grpc.ssl_target_name_override", "localhost")])
else:
    channel = grpc.insecure_channel(target)

with channel:
    status = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="plugin"), timeout=10)
    check("the plugin is healthy", status.status == health_pb2.HealthCheckResponse.SERVING, status)
    call(channel)
