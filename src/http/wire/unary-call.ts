import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AnyMessage } from "../../call/invoke/handler-output.ts";
import { callUnary, isPromise } from "../../call/invoke/invoke.ts";
import type { CallParts } from "./carried-call.ts";
import { CarriedCall } from "./carried-call.ts";
import type { CallResponse } from "./carrier.ts";
import type { Format } from "./codec.ts";
import { requestCompression, responseCompression } from "./compression.ts";
import { errorJson, httpStatus } from "./connect-error.ts";
import { readConnectTimeout } from "./timeout.ts";

const contentTypes: Readonly<Record<Format, string>> = { json: "application/json", proto: "application/proto" };
const fields = { name: "connect", timeoutField: "Connect-Timeout-Ms", readTimeout: readConnectTimeout };

/** A unary call of Connect's, by POST or by GET; see https://connectrpc.com/docs/protocol/#unary-rpcs. */
export class UnaryCall extends CarriedCall {
  readonly #format: Format;
  /** The query of a GET. */
  readonly #query: URLSearchParams | undefined;

  constructor(parts: CallParts, format: Format, query?: URLSearchParams) {
    super(parts, fields);
    this.#format = format;
    this.#query = query;
  }

  async respond(): Promise<CallResponse> {
    const { entry, codecs } = this.parts.method;
    let input: AnyMessage;
    try {
      input = await this.#receive();
    } catch (error) {
      return this.#fail(this.refusal(error));
    }
    try {
      const given = this.run(() => callUnary(entry, this.context, input));
      const output = isPromise(given) ? await this.untilHandled(given) : given;
      const body = codecs[this.#format].write(output);
      return await this.#send(200, contentTypes[this.#format], body, undefined);
    } catch (error) {
      return this.#fail(this.conceal(error));
    }
  }

  async #receive(): Promise<AnyMessage> {
    const { method, request } = this.parts;
    const query = this.#query;
    await this.admit(Number(request.header.get("Content-Length") ?? 0));
    if (method.requireConnectProtocolHeader) {
      this.#checkVersion();
    }
    const encoding = query === undefined ? request.header.get("Content-Encoding") : query.get("compression");
    const compression = requestCompression(method.acceptCompression, encoding, "Accept-Encoding");
    let data = query === undefined ? await this.#readBody() : readQuery(query);
    if (compression !== undefined) {
      data = await this.untilEnd(compression.decompress(data, method.readMaxBytes));
    }
    return method.codecs[this.#format].read(data);
  }

  async #readBody(): Promise<Uint8Array> {
    const { whole, body } = this.parts.request;
    if (whole !== undefined) {
      return this.readWhole(whole);
    }
    const pieces = body === null ? undefined : this.openBody(body, "body");
    // Of a body that is not too long there is one.
    const piece = pieces && (await this.untilEnd(pieces.next()));
    return piece?.value ?? new Uint8Array();
  }

  #checkVersion() {
    const { header } = this.parts.request;
    const version = this.#query === undefined ? header.get("Connect-Protocol-Version") : this.#query.get("connect");
    const wanted = this.#query === undefined ? "1" : "v1";
    if (version !== wanted) {
      const where = this.#query === undefined ? "header Connect-Protocol-Version" : "parameter connect";
      throw new ConnectError(`the ${where} has to be "${wanted}"`, Code.InvalidArgument);
    }
  }

  #fail(error: ConnectError): Promise<CallResponse> {
    const body = new TextEncoder().encode(JSON.stringify(errorJson(error)));
    return this.#send(httpStatus(error.code), contentTypes.json, body, error);
  }

  async #send(
    status: number,
    contentType: string,
    body: Uint8Array<ArrayBuffer>,
    error: ConnectError | undefined,
  ): Promise<CallResponse> {
    const trailer = this.sendableTrailer();
    let header = this.sendableHeader();
    let sent = body;
    const { method, request } = this.parts;
    if (body.byteLength >= method.compressMinBytes) {
      const { header: asked } = request;
      const compression = responseCompression(
        method.acceptCompression,
        asked.get("Accept-Encoding"),
        asked.get("Content-Encoding"),
      );
      if (compression !== undefined) {
        sent = new Uint8Array(await compression.compress(body));
        header ??= new Headers();
        header.set("Content-Encoding", compression.name);
      }
    }
    if (error !== undefined || trailer !== undefined) {
      header ??= new Headers();
      addFields(header, error?.metadata, "");
      addFields(header, trailer, "trailer-");
    }
    header?.set("Content-Type", contentType);
    header?.set("Content-Length", String(sent.byteLength));
    this.responseBytes = sent.byteLength;
    this.finish(error);
    return { status, header, contentType, body: sent };
  }
}

function readQuery(query: URLSearchParams): Uint8Array {
  const message = query.get("message") ?? "";
  if (query.get("base64") !== "1") {
    return new TextEncoder().encode(message);
  }
  try {
    return base64Decode(message);
  } catch {
    throw new ConnectError("the message in the URL is not base64", Code.InvalidArgument);
  }
}

function addFields(header: Headers, more: Headers | undefined, prefix: string) {
  more?.forEach((value, name) => {
    header.append(prefix + name, value);
  });
}
