import { Code } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { connect, health, reflection } from "plugboard";
import type { EdgeOptions } from "plugboard/edge";
import { edge } from "plugboard/edge";
import { describe, expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as V1 } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import plugin from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

const protocols = ["connect", "grpc-web"] as const;

/** Connects to a Worker with these options, as by a service binding. */
function connectTo(options: EdgeOptions, protocol: (typeof protocols)[number]): Promise<Connection> {
  const app = edge(plugin, options);
  const fetch: typeof globalThis.fetch = async (input, init) => app.fetch(new Request(input, init), {});
  return connect({ fetch }, { require: { protocols: [protocol] } });
}

async function listServices(connection: Connection, service: typeof V1 | typeof V1Alpha): Promise<readonly string[]> {
  async function* questions() {
    yield { messageRequest: { case: "listServices", value: "" } as const };
  }
  // The versions differ by the names of their messages only.
  const [response] = await Array.fromAsync(connection.client(service as typeof V1).serverReflectionInfo(questions()));
  return response?.messageResponse.case === "listServicesResponse"
    ? response.messageResponse.value.service.map(({ name }) => name)
    : [];
}

describe.each(protocols)("a Worker, over %s,", (protocol) => {
  test("says how it is", async () => {
    await using connection = await connectTo({}, protocol);
    const health = connection.client(Health);
    for (const service of ["", "plugin", BehaviourService.typeName]) {
      expect((await health.check({ service })).status).toBe(Status.SERVING);
      for await (const { status } of health.watch({ service })) {
        expect(status).toBe(Status.SERVING);
        break;
      }
    }
    await expect(health.check({ service: "no.such.Service" })).rejects.toMatchObject({ code: Code.NotFound });
  });

  test.each([V1, V1Alpha])("serves no $typeName unless told to", async (service) => {
    await using closed = await connectTo({}, protocol);
    await expect(listServices(closed, service)).rejects.toMatchObject({ code: Code.Unimplemented });
    await using open = await connectTo({ services: [health(), reflection()] }, protocol);
    expect(await listServices(open, service)).toEqual(
      expect.arrayContaining([BehaviourService.typeName, Health.typeName, service.typeName]),
    );
  });
});
