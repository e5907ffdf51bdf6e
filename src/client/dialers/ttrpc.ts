import type { Address } from "../../address/endpoint.ts";
import { detectRuntime } from "../../address/runtime.ts";
import { setDeadlineTimer } from "../../base/async/within.ts";
import { bearerAuthorization } from "../../call/messages/bearer-token.ts";
import { keepaliveOn, openingTimeoutMs, withKeepalive } from "../../call/time/keepalive.ts";
import { PluginService } from "../../gen/plugboard/plugin/v1/plugin_pb.ts";
import { methodPath } from "../../plugin/method-path.ts";
import type { CarrierConnection } from "../../ttrpc/carrier.ts";
import { isClosedPort, messagePortCarrier } from "../../ttrpc/carriers/message-port.ts";
import type { WebSocketLike } from "../../ttrpc/carriers/websocket.ts";
import { webSocketCarrier, webSocketProtocol } from "../../ttrpc/carriers/websocket.ts";
import { tokenProtocol } from "../../ttrpc/carriers/websocket-token.ts";
import { createTtrpcClient } from "../../ttrpc/client/client.ts";
import { chunkExtension, streamExtension } from "../../ttrpc/endpoint.ts";
import { clientError } from "../errors.ts";
import type { Dialer, DialOptions } from "./dialer.ts";
import { dialFailed } from "./dialer.ts";
import { callerRefused } from "./failures/caller-refused.ts";

/** The cure for a port that has closed. */
const newPort = "A port can't be opened again: give connect() a new one.";

/** Calls over ttrpc: on message ports, WebSockets and carriers that others wrote. */
export const ttrpcDialers: readonly Dialer[] = [
  { protocol: "ttrpc", carrier: "message-port", dial: dialTtrpc(openMessagePort, newPort) },
  { protocol: "ttrpc", carrier: "custom", dial: dialTtrpc(openCustom) },
  webSocketDialer((url, token) => ({ socket: new WebSocket(url, upgradeInit(token)) })),
];

/**
 * Makes a dialer of WebSockets.
 * @param create Begins to open one that offers `webSocketProtocol`, authorized by a token.
 */
export function webSocketDialer(
  create: (url: string, token: string | undefined) => OpeningWebSocket | Promise<OpeningWebSocket>,
): Dialer {
  return {
    protocol: "ttrpc",
    carrier: "websocket",
    dial: dialTtrpc((address, signal, options) => openWebSocket(address, signal, options, create)),
  };
}

/** A WebSocket that is about to open. */
export interface OpeningWebSocket {
  readonly socket: WebSocketLike & { addEventListener(type: "open", listener: () => void): void };
  /** The HTTP status that it was refused with, if it was. Left out where it is not told, as in browsers. */
  readonly refusedWith?: () => number | undefined;
}

/**
 * Makes the `dial` of a ttrpc dialer.
 * @param open Opens a connection to an address, unless the signal is aborted before. If it rejects, nothing was sent.
 * @param again The cure for a lost connection, where it can't be opened again.
 */
export function dialTtrpc(
  open: (address: Address, signal: AbortSignal, options: DialOptions) => Promise<CarrierConnection>,
  again?: string,
): Dialer["dial"] {
  return (address, options) => {
    const { plain, knowing, close } = createTtrpcClient({
      address: address.text,
      maxMessageBytes: options.maxMessageBytes,
      keepalive: withKeepalive(options.keepalive, keepaliveOn(address.carrier)),
      ...(again !== undefined && { again }),
      open: (signal) =>
        open(address, signal, options).catch((error: unknown) => {
          throw dialFailed(address, error);
        }),
    });
    return {
      transport: plain,
      knowing: ({ extensions, limits }) =>
        knowing({
          extended: extensions.includes(streamExtension),
          chunked: extensions.includes(chunkExtension),
          maxRequestBytes: limits.maxMessageBytes,
          maxConcurrentCalls: limits.maxConcurrentStreams,
        }),
      close,
    };
  };
}

async function openMessagePort(address: Address): Promise<CarrierConnection> {
  if (address.carrier !== "message-port") {
    throw new TypeError(`${address.text} is not a message port`);
  }
  if (isClosedPort(address.port)) {
    const options = { hint: newPort };
    throw clientError("PB-DIAL-FAILED", `${address.text} has closed`, options);
  }
  return messagePortCarrier(address.port);
}

async function openCustom(address: Address): Promise<CarrierConnection> {
  if (address.carrier !== "custom") {
    throw new TypeError(`${address.text} is not a carrier`);
  }
  return address.open();
}

async function openWebSocket(
  address: Address,
  signal: AbortSignal,
  { token, keepalive, fetch }: DialOptions,
  create: Parameters<typeof webSocketDialer>[0],
): Promise<CarrierConnection> {
  if (address.carrier !== "websocket") {
    throw new TypeError(`${address.text} is not a URL`);
  }
  const authorizedBy = await token?.();
  signal.throwIfAborted();
  const { socket, refusedWith } = await create(address.url, authorizedBy);
  const { promise: opened, resolve, reject } = Promise.withResolvers<void>();
  socket.addEventListener("open", () => resolve());
  // Browsers don't tell why.
  socket.addEventListener("error", () => reject(new Error("the WebSocket can't be opened")));
  socket.addEventListener("close", ({ code }) => reject(new Error(`the WebSocket was closed with code ${code}`)));
  const giveUp = (reason: Error) => {
    reject(reason);
    socket.close();
  };
  const onAbort = () => giveUp(signal.reason);
  const openingMs = openingTimeoutMs(withKeepalive(keepalive));
  const late = new Error(`the WebSocket was not opened within ${openingMs} ms`);
  const timer = setDeadlineTimer(() => giveUp(late), openingMs);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) {
    onAbort();
  }
  try {
    await opened;
  } catch (error) {
    if (error === late || signal.aborted) {
      throw error;
    }
    const ask = () => (authorizedBy === undefined ? undefined : askStatus(address, authorizedBy, signal, fetch));
    const status = await (refusedWith ?? ask)();
    if (authorizedBy !== undefined && status === 401) {
      throw callerRefused(`${address.text} does not accept the token`);
    }
    throw refusedWith === undefined || status === undefined
      ? error
      : new Error(`the WebSocket was refused with HTTP status ${status}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
  return webSocketCarrier(socket, "client");
}

/** Longest wait for why a WebSocket was refused, in milliseconds. */
const patienceMs = 5_000;

/** The status that the token gets by HTTP, as WebSockets don't tell their status. */
async function askStatus(
  { url }: Extract<Address, { carrier: "websocket" }>,
  token: string,
  signal: AbortSignal,
  fetch: typeof globalThis.fetch = globalThis.fetch,
): Promise<number | undefined> {
  try {
    const { status, body } = await fetch(url.replace(/^ws/, "http") + methodPath(PluginService.method.describe), {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: bearerAuthorization(token) },
      body: "{}",
      // The token is for this place alone.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
    });
    await body?.cancel();
    return status;
  } catch {
    return undefined;
  }
}

/** The headers or subprotocols that open a WebSocket: the protocol, and the token where it can be said. */
function upgradeInit(token: string | undefined): string | string[] {
  if (token === undefined) {
    return webSocketProtocol;
  }
  if (detectRuntime() !== "node") {
    return [webSocketProtocol, tokenProtocol(token)];
  }
  const init = { protocols: webSocketProtocol, headers: { Authorization: bearerAuthorization(token) } };
  // Node's own takes headers, which the type of the web's does not know.
  return init as unknown as string;
}
