// A contract that is made as the program runs: a service with one method, which fails.
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, file_google_protobuf_empty } from "@bufbuild/protobuf/wkt";

const method = { name: "Fail", inputType: ".google.protobuf.Empty", outputType: ".google.protobuf.Empty" };
const file = create(FileDescriptorProtoSchema, {
  name: "failing.proto",
  package: "failing",
  syntax: "proto3",
  dependency: ["google/protobuf/empty.proto"],
  service: [{ name: "FailingService", method: [method] }],
});

export const FailingService = createFileRegistry(file, () => file_google_protobuf_empty).getService(
  "failing.FailingService",
);
