// The contract of the markdown plugin, with what reads and writes its messages in binary and in JSON.
import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { MarkdownConfigSchema, MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

export default { MarkdownConfigSchema, MarkdownService, create, fromBinary, fromJson, toBinary, toJson };
