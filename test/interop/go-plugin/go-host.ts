import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { goProgram } from "./go-programs.ts";

/** A line of the Go host's output. */
export interface HostEvent {
  readonly event: "started" | "failed" | "log" | "stdout" | "stderr" | "served";
  readonly error?: string;
  /** Base64. */
  readonly data?: string;
  readonly record?: Readonly<Record<string, unknown>>;
  readonly version?: number;
  readonly method?: string;
  readonly reattach?: Readonly<Record<string, unknown>>;
}

interface Reply {
  readonly id: number;
  readonly data?: string;
  readonly messages?: readonly string[];
  readonly broker?: number;
  readonly exited?: boolean;
  readonly error?: { readonly code: number; readonly message: string };
}

/** Our host that is written in Go, with one plugin. */
export interface GoHost extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly started: HostEvent;
  readonly events: readonly HostEvent[];
  /** Does one of the things that programs/host/commands.go lists. */
  tell(op: string, more?: Readonly<Record<string, unknown>>): Promise<Reply>;
  /** Makes a unary call; of the plugin, or of what it serves at an id of the broker. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethod & { readonly input: I; readonly output: O },
    message: MessageInitShape<I>,
    broker?: number,
  ): Promise<MessageShape<O>>;
  /** All that came of a kind, as text. */
  printed(event: "stdout" | "stderr"): string;
}

/**
 * Starts the host.
 * @param args Its flags, then "--" and the plugin's command.
 */
export async function startGoHost(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<GoHost> {
  const child = spawn(await goProgram("./host"), args, {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  // One that has gone sends nothing, which is no reason to wait for ever.
  const gone = exited.then(() => Promise.reject(new Error("the Go host has ended")));
  gone.catch(() => {});
  child.stdin.on("error", () => {});
  const events: HostEvent[] = [];
  const waiting = new Map<number, (response: Reply) => void>();
  const { promise: started, resolve: onStart } = Promise.withResolvers<HostEvent>();
  createInterface(child.stdout).on("line", (line) => {
    const message: HostEvent | Reply = JSON.parse(line);
    if ("id" in message) {
      waiting.get(message.id)?.(message);
      waiting.delete(message.id);
      return;
    }
    events.push(message);
    if (message.event === "started" || message.event === "failed") {
      onStart(message);
    }
  });
  let lastId = 0;
  const host: GoHost = {
    process: child,
    started: await Promise.race([started, gone]),
    events,
    tell(op, more = {}) {
      lastId += 1;
      const id = lastId;
      child.stdin.write(`${JSON.stringify({ id, op, ...more })}\n`);
      return Promise.race([new Promise<Reply>((resolve) => waiting.set(id, resolve)), gone]);
    },
    async call(method, message, broker = 0) {
      const { data = "", error } = await host.tell("call", {
        method: `/${method.parent.typeName}/${method.name}`,
        data: Buffer.from(toBinary(method.input, create(method.input, message))).toString("base64"),
        broker,
      });
      if (error !== undefined) {
        throw Object.assign(new Error(error.message), { code: error.code });
      }
      return fromBinary(method.output, Buffer.from(data, "base64"));
    },
    printed: (event) =>
      Buffer.concat(
        events.filter((each) => each.event === event).map(({ data = "" }) => Buffer.from(data, "base64")),
      ).toString(),
    async [Symbol.asyncDispose]() {
      if (host.started.event === "started" && child.exitCode === null && child.signalCode === null) {
        await host.tell("kill");
      }
      child.stdin.end();
      await exited;
    },
  };
  return host;
}
