import { once } from "node:events";
import * as net from "node:net";
import type { CallLimits } from "../../src/call/call-policy.ts";
import { startWorker } from "../support/local-worker.ts";
import { startStandalone } from "../support/standalone.ts";

/** The attacked plugin, as everybody can reach it. */
export interface Attacked {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<unknown>;
}

/** The runtimes of the attacked plugin. */
export const runtimes = ["node", "workerd"] as const;

/** Starts the attacked plugin: in a process by `serve`, or in workerd by `edge`. */
export async function startAttacked(
  runtime: (typeof runtimes)[number],
  limits: Partial<CallLimits> = {},
): Promise<Attacked> {
  const options = { ATTACKED: JSON.stringify({ limits }) };
  if (runtime === "workerd") {
    const { url, stop } = await startWorker("test/attacks/worker.ts", options);
    return { url, port: Number(new URL(url).port), stop };
  }
  const command = ["node", "--conditions=plugboard-source", "test/attacks/serve.ts"] as const;
  const { address, stop } = await startStandalone(command, "tcp:127.0.0.1:0", options);
  const url = address.replace("tcp:", "http://");
  return { url, port: Number(new URL(url).port), stop: () => stop("SIGKILL") };
}

export const service = "/plugboard.test.v1.BehaviourService";
export const nest = "/plugboard.test.v1.NestingService/Nest";

/** Posts to a method. */
export function call(
  { url }: Attacked,
  method: string,
  body: string | Uint8Array<ArrayBuffer> = "{}",
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const path = method.startsWith("/") ? method : `${service}/${method}`;
  return fetch(url + path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
}

/** How often the handler of Echo has run. */
export async function echoes(attacked: Attacked): Promise<number> {
  const { messages = 0 } = (await (await call(attacked, "Watch")).json()) as { messages?: number };
  return messages;
}

/** Waits until the handler of a call with that id runs, or does no more. */
export async function untilOpen(attacked: Attacked, id: string, open: boolean): Promise<void> {
  for (;;) {
    const { started = false } = (await (await call(attacked, "Watch", JSON.stringify({ id }))).json()) as {
      started?: boolean;
    };
    if (started === open) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Opens a connection and sends bytes as they are. */
export async function dial({ port }: Attacked, bytes: string | Uint8Array): Promise<net.Socket> {
  const socket = net.connect({ host: "127.0.0.1", port });
  // Whether it is reset or ended is up to the other side.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(bytes);
  return socket;
}

/** Sends bytes as they are and collects what comes until the other side closes the connection. */
export async function exchange(attacked: Attacked, ...bytes: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = await dial(attacked, Buffer.concat(bytes.map((each) => Buffer.from(each as string))));
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

/** The head of a request that posts JSON, with further lines of headers. */
export function head(path: string, ...fields: readonly string[]): string {
  return [`POST ${path} HTTP/1.1`, "Host: localhost", "Content-Type: application/json", ...fields, "", ""].join("\r\n");
}

/** A message in an envelope, as in streams of Connect and in gRPC. */
export function envelope(message: string | Uint8Array, flags = 0): Buffer<ArrayBuffer> {
  const header = Buffer.alloc(5);
  header.writeUInt8(flags);
  header.writeUInt32BE(Buffer.byteLength(message), 1);
  return Buffer.concat([header, Buffer.from(message as string)]);
}
