import type { DescFile } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { untilAborted } from "../base/async/until-aborted.ts";
import { withDependencies } from "../call/messages/type-registry.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { StandardRoutes } from "../plugin/service-table.ts";
import { indexDescriptors } from "./descriptor-index.ts";
import type { StandardService } from "./standard-service.ts";

/** A request of either version. */
interface ReflectionRequest {
  readonly host: string;
  readonly messageRequest: Question | { readonly case: undefined };
}

type Question =
  | { readonly case: "fileByFilename" | "fileContainingSymbol"; readonly value: string }
  | { readonly case: "allExtensionNumbersOfType" | "listServices"; readonly value: string }
  | {
      readonly case: "fileContainingExtension";
      readonly value: { readonly containingType: string; readonly extensionNumber: number };
    };

/** The content of a response of either version. */
type MessageResponse =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** Longest name that is looked up, as responses repeat it; the longest of a contract are far below that. */
const maxNameLength = 1024;

/**
 * Serves grpc.reflection.v1.ServerReflection, and v1alpha: what can be called here, as descriptors, for grpcurl, buf and
 * their like. It tells strangers as much as you. Its streams end when the plugin is told to stop.
 *
 * ```ts
 * await serve(plugin, { services: [health(), reflection()] });
 * ```
 */
export function reflection(): StandardService {
  return { routes: ({ draining }) => reflectionRoutes(draining) };
}

function reflectionRoutes(draining: AbortSignal): StandardRoutes {
  return (router, table) => {
    let descriptors: Descriptors | undefined;

    async function* serverReflectionInfo<Request extends ReflectionRequest>(requests: AsyncIterable<Request>) {
      const sent = new Set<string>();
      for await (const request of untilDraining(requests, draining)) {
        if (longestText(request) > maxNameLength) {
          yield { messageResponse: failure(Code.InvalidArgument, `a name is longer than ${maxNameLength} characters`) };
        } else {
          // When the first call comes, everything has been registered.
          descriptors ??= createDescriptors(table.services);
          const messageResponse = descriptors.respond(request.messageRequest, sent);
          yield { validHost: request.host, originalRequest: request, messageResponse };
        }
      }
    }

    router.service(ServerReflection, { serverReflectionInfo });
    router.service(ServerReflectionAlpha, { serverReflectionInfo });
  };
}

type Descriptors = ReturnType<typeof createDescriptors>;

/** Finds the descriptors of services, for requests. */
function createDescriptors(services: Parameters<typeof indexDescriptors>[0]) {
  const index = indexDescriptors(services);
  const encoded = new Map<DescFile, Uint8Array>();

  function encode(file: DescFile): Uint8Array {
    const known = encoded.get(file);
    const bytes = known ?? toBinary(FileDescriptorProtoSchema, file.proto);
    encoded.set(file, bytes);
    return bytes;
  }

  /** The file that was asked for, always, and what it imports, unless the stream has had it. */
  function sendFile(file: DescFile | undefined, what: string, sent: Set<string>): MessageResponse {
    if (file === undefined) {
      return failure(Code.NotFound, `there is no ${what}`);
    }
    const fileDescriptorProto: Uint8Array[] = [];
    for (const each of withDependencies([file])) {
      const { name } = each.proto;
      if (each === file || !sent.has(name)) {
        sent.add(name);
        fileDescriptorProto.push(encode(each));
      }
    }
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
  }

  return {
    /**
     * Responds to one request.
     * @param sent The names of the files that the stream has had; those that go with the response are added.
     */
    respond(question: ReflectionRequest["messageRequest"], sent: Set<string>): MessageResponse {
      switch (question.case) {
        case "listServices": {
          const names = services.map(({ typeName }) => typeName).sort();
          return { case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
        }
        case "fileByFilename":
          return sendFile(index.file(question.value), `file ${question.value}`, sent);
        case "fileContainingSymbol":
          return sendFile(index.fileOfSymbol(question.value), `symbol ${question.value}`, sent);
        case "fileContainingExtension": {
          const { containingType, extensionNumber } = question.value;
          const what = `extension ${extensionNumber} of ${containingType}`;
          return sendFile(index.fileOfExtension(containingType, extensionNumber), what, sent);
        }
        case "allExtensionNumbersOfType": {
          const baseTypeName = question.value;
          const numbers = index.extensionNumbers(baseTypeName);
          return numbers === undefined
            ? failure(Code.NotFound, `there is no message ${baseTypeName}`)
            : { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber: [...numbers] } };
        }
        default:
          return failure(Code.InvalidArgument, "the request asks nothing that is known here");
      }
    },
  };
}

function longestText({ host, messageRequest: question }: ReflectionRequest): number {
  if (question.case === undefined) {
    return host.length;
  }
  const name = question.case === "fileContainingExtension" ? question.value.containingType : question.value;
  return Math.max(host.length, name.length);
}

/** Connect's codes are gRPC's. */
function failure(errorCode: Code, errorMessage: string): MessageResponse {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/**
 * Passes on the messages of a caller. Ends when the plugin is told to stop, so that a stream whose caller keeps it open for
 * further messages does not hold the stop up.
 */
async function* untilDraining<T>(messages: AsyncIterable<T>, draining: AbortSignal): AsyncGenerator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const result = await untilAborted(draining, iterator.next());
      if (result.done === true) {
        return;
      }
      yield result.value;
    }
  } catch (error) {
    if (!draining.aborted) {
      throw error;
    }
  } finally {
    // It may be waiting for a message that never comes, so this does not wait for that.
    iterator.return?.().catch(() => undefined);
  }
}
