// The contract served over Connect and gRPC-Web by Connect's own handlers.
import { createServiceImplSpec } from "@connectrpc/connect";
import {
  createUniversalServiceHandlers,
  universalServerRequestFromFetch,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { createHandlerFactory as connect } from "@connectrpc/connect/protocol-connect";
import { createHandlerFactory as grpcWeb } from "@connectrpc/connect/protocol-grpc-web";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

const spec = createServiceImplSpec(MarkdownService, {});
const handlers = createUniversalServiceHandlers(spec, [grpcWeb({}), connect({})]);

export default { handlers, universalServerRequestFromFetch, universalServerResponseToFetch };
