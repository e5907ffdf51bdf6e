import type { DescMethodUnary } from "@bufbuild/protobuf";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { AnySchema, FileDescriptorProtoSchema, file_google_protobuf_any } from "@bufbuild/protobuf/wkt";
import { definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import { EchoRequestSchema, file_plugboard_test_v1_behaviour } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

const file = create(FileDescriptorProtoSchema, {
  name: "wrapping.proto",
  package: "wrapping",
  syntax: "proto3",
  dependency: [file_google_protobuf_any.proto.name, file_plugboard_test_v1_behaviour.proto.name],
  service: [
    {
      name: "WrapService",
      method: [{ name: "Wrap", inputType: `.${AnySchema.typeName}`, outputType: `.${AnySchema.typeName}` }],
    },
  ],
});
const imported = [file_google_protobuf_any, file_plugboard_test_v1_behaviour];
const service = createFileRegistry(file, (name) => imported.find(({ proto }) => proto.name === name)).getService(
  "wrapping.WrapService",
);
// That is what was declared above.
const wrap = service?.methods[0] as DescMethodUnary<typeof AnySchema, typeof AnySchema>;

test("what a google.protobuf.Any holds travels as JSON, if the service's file or one that it imports declares it", async () => {
  const plugin = definePlugin({
    name: "wrapping",
    version: "1.0.0",
    routes(router) {
      router.rpc(wrap, (any) => any);
    },
  });
  const message = { "@type": `type.googleapis.com/${EchoRequestSchema.typeName}`, text: "hi" };
  const response = await edge(plugin).request("/wrapping.WrapService/Wrap", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(message),
  });
  expect(await response.json()).toEqual(message);
});
