import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Readable, Writable } from "node:stream";
import { within } from "../../base/async/within.ts";
import type { PlugboardError } from "../../base/errors.ts";
import { withoutHandshake } from "../../go-plugin/handshake.ts";
import { createLineSplitter, createOutputTail, maxLineBytes } from "../../go-plugin/process-output.ts";
import { makeSocketDirectory } from "../../go-plugin/socket-directory.ts";
import { removeStaleSocket } from "../../node/listen/stale-socket.ts";
import { compileCacheEnvironment } from "./compile-cache.ts";
import { childError } from "./errors.ts";
import { inheritedEnvironment } from "./inherited-environment.ts";
import { signalGroup, untilGroupEnds } from "./process-group.ts";

/** Options for starting a process. */
export interface SpawnOptions {
  readonly command: readonly [string, ...string[]];
  readonly cwd?: string;
  /** Added to what is inherited of the host's environment, in place of variables of the same name. */
  readonly env: Readonly<Record<string, string>>;
  /** See inheritedEnvironment. */
  readonly inheritEnv: true | readonly string[];
  /** The file to start, if that is settled; the command is what it is told that it was started as. */
  readonly file?: string;
  /** The process's own directory, if there is one already. It is removed, whatever becomes of the process. */
  readonly directory?: string;
  /** True if Node keeps what it compiles of the plugin. */
  readonly compileCache: boolean;
  /** Gets each line of stdout after the first. */
  readonly onStdout: (line: string) => void;
  readonly onStderr: (line: string) => void;
}

/** The end of a process. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that was started, with a directory of its own for its socket. */
export interface PluginProcess {
  /**
   * Its process id, once it runs. Until then, too, it can be killed.
   * @throws PlugboardError PB-LAUNCH-NOT-FOUND, PB-LAUNCH-NOT-EXECUTABLE, PB-LAUNCH-DIRECTORY or PB-LAUNCH-FAILED
   */
  readonly started: Promise<number>;
  /** The directory for its socket. Only this user can enter it. */
  readonly directory: string;
  /** The first line on stdout; rejects with PB-HANDSHAKE-TOO-LONG if there is no end to it. */
  readonly firstLine: Promise<string>;
  readonly exited: Promise<ProcessExit>;
  /** Names the Unix socket that it listens at: if it leaves that behind, it is removed when the process has been stopped. */
  listensAt(path: string): void;
  /**
   * The end of what it printed after its first line on stdout, as an indented block to append to a message; empty if that
   * line is all.
   */
  printed(): string;
  /**
   * Ends it and its children, and removes its directory: by SIGTERM, and after the grace period, in milliseconds, by
   * SIGKILL.
   * @param wasAsked It was told to end in another way, and SIGTERM comes only after the grace period.
   */
  stop(graceMs: number, wasAsked?: boolean): Promise<void>;
  /** Kills it with all its children and removes its directory, at once and without waiting. */
  kill(): void;
}

/** Longest first line that is taken for a handshake. With a certificate one has about 1,200 bytes. */
const maxHandshakeBytes = 16 * 1024;
/** Bytes of the output that are kept for error messages. */
const maxTailBytes = 8 * 1024;
/** Milliseconds that output may come after the process that printed it has ended. */
const lateOutputMs = 200;
/** Milliseconds after SIGTERM for a process that did not end when it was asked. */
const lastChanceMs = 1_000;

/**
 * Starts a process.
 * @throws PlugboardError PB-LAUNCH-FAILED, PB-SOCKET-DIRECTORY or PB-SOCKET-PATH if it can't even be tried; see
 * `started` for all else.
 */
export function startProcess(options: SpawnOptions): PluginProcess {
  const { command, cwd, env, inheritEnv, file: settled, onStdout, onStderr } = options;
  // Made by the host and not by the plugin, so that it is known, and can be removed, whatever becomes of the plugin.
  const directory = options.directory ?? makeSocketDirectory();
  const removeDirectory = () => {
    try {
      fs.rmSync(directory, { recursive: true, force: true });
    } catch {
      // allowed empty-catch: the plugin has left something that this user can't remove. That must not end the host.
    }
  };
  const [file, ...args] = command;
  const unfit = Object.keys(env).find((name) => env[name]?.includes("\0"));
  if (unfit !== undefined) {
    removeDirectory();
    throw childError("PB-LAUNCH-FAILED", `the environment variable ${unfit} contains a zero byte`);
  }
  const given = { ...inheritedEnvironment(withoutHandshake(process.env), inheritEnv), ...env };
  const cache = options.compileCache ? compileCacheEnvironment(given, command, path.resolve(cwd ?? "")) : {};
  let child: ChildProcessByStdio<Writable, Readable, Readable>;
  try {
    child = spawn(settled ?? file, args, {
      argv0: file,
      ...(cwd !== undefined && { cwd }),
      env: { ...given, ...cache, PLUGIN_UNIX_SOCKET_DIR: directory },
      stdio: ["pipe", "pipe", "pipe"],
      // A process group of its own: it can be killed with all its children, and Ctrl-C reaches only the host.
      detached: true,
    });
  } catch (error) {
    removeDirectory();
    throw launchError(error, file, cwd);
  }
  const { pid } = child;
  const { promise: started, resolve: onStart, reject: onStartError } = Promise.withResolvers<number>();
  child.once("spawn", () => onStart(child.pid ?? 0));
  child.on("error", (error) => onStartError(launchError(error, file, cwd)));

  const { promise: exited, resolve: onExit } = Promise.withResolvers<ProcessExit>();
  const closed = once(child, "close");
  // No process to close at all; `started` tells.
  closed.catch(() => undefined);
  child.once("exit", (code, signal) => {
    const tell = () => onExit({ code, signal });
    untilRead(closed).then(tell, tell);
  });
  // allowed empty-catch: nothing is ever written; the end of this pipe tells the plugin that its host is gone.
  child.stdin.on("error", () => {});

  const tail = createOutputTail(maxTailBytes);
  const firstLine = readOutput(child, tail.add, onStdout, onStderr);
  let hasFirstLine = false;
  firstLine.then(
    () => {
      hasFirstLine = true;
    },
    () => undefined,
  );

  const kill = () => {
    if (pid !== undefined) {
      signalGroup(pid, "SIGKILL");
    }
    removeDirectory();
  };
  let socket: string | undefined;
  let stopping: Promise<void> | undefined;
  const stop = async (graceMs: number, wasAsked: boolean) => {
    if (pid !== undefined) {
      if (wasAsked) {
        await within(graceMs, exited);
      }
      // To all of it: the command may be no more than a shell or a package runner around the plugin.
      signalGroup(pid, "SIGTERM");
      await untilGroupEnds(pid, wasAsked ? lastChanceMs : graceMs);
      signalGroup(pid, "SIGKILL");
      await exited;
      await untilRead(closed);
    }
    removeDirectory();
    if (socket !== undefined) {
      // It is gone already, or this user can't remove it.
      await removeStaleSocket(socket).catch(() => undefined);
    }
    child.stdin.destroy();
    child.stdout.destroy();
    child.stderr.destroy();
  };
  return {
    started,
    directory,
    firstLine,
    exited,
    listensAt(path) {
      socket = path;
    },
    printed() {
      const text = tail.text();
      if (text === "") {
        return hasFirstLine ? "" : "; it printed nothing";
      }
      return `; it printed:\n${text.replace(/^/gm, "  | ")}`;
    },
    stop(graceMs, wasAsked = false) {
      stopping ??= stop(graceMs, wasAsked);
      return stopping;
    },
    kill,
  };
}

/** The end of a process in words that go on after "the process ended". */
export function describeExit({ code, signal }: ProcessExit): string {
  return signal === null ? `with code ${code}` : `by ${signal}`;
}

/** Waits until the output was read to its end, though not for long: a process that left the group can hold it open. */
async function untilRead(closed: Promise<unknown>): Promise<void> {
  await within(lateOutputMs, closed);
}

function readOutput(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
  keep: (chunk: Buffer) => void,
  onStdout: (line: string) => void,
  onStderr: (line: string) => void,
): Promise<string> {
  const { promise: firstLine, resolve, reject } = Promise.withResolvers<string>();
  // A caller that waits for it also waits for the exit and a timeout, and may have gone when it fails.
  firstLine.catch(() => undefined);
  const stdout = createLineSplitter(maxLineBytes, onStdout);
  const stderr = createLineSplitter(maxLineBytes, onStderr);
  let head: Buffer | undefined = Buffer.alloc(0);
  child.stdout.on("data", (chunk: Buffer) => {
    if (head === undefined) {
      keep(chunk);
      stdout.add(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.subarray(0, maxHandshakeBytes).indexOf("\n");
    if (end === -1 && head.byteLength < maxHandshakeBytes) {
      return;
    }
    if (end === -1) {
      keep(head);
      reject(
        childError(
          "PB-HANDSHAKE-TOO-LONG",
          `the command wrote ${maxHandshakeBytes} bytes to stdout without an end of line`,
        ),
      );
    } else {
      resolve(head.subarray(0, end).toString("utf8"));
      stdout.add(head.subarray(end + 1));
    }
    head = undefined;
  });
  child.stdout.on("end", () => {
    if (head !== undefined) {
      keep(head);
    }
    stdout.end();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    keep(chunk);
    stderr.add(chunk);
  });
  child.stderr.on("end", () => stderr.end());
  return firstLine;
}

function launchError(error: unknown, file: string, cwd: string | undefined): PlugboardError {
  const { code = "no code" } = error as NodeJS.ErrnoException;
  if (cwd !== undefined && (code === "ENOENT" || code === "ENOTDIR") && !isDirectory(cwd)) {
    return childError("PB-LAUNCH-DIRECTORY", `there is no directory ${cwd}`, { cause: error });
  }
  if (code === "ENOENT" && file.includes("/") && fs.existsSync(path.resolve(cwd ?? ".", file))) {
    const hint = "Check the interpreter that its first line names, and for what system it was built.";
    return childError("PB-LAUNCH-NOT-EXECUTABLE", `${file} exists, but its interpreter does not`, {
      cause: error,
      hint,
    });
  }
  if (code === "ENOENT") {
    return childError("PB-LAUNCH-NOT-FOUND", `there is no command ${file}`, { cause: error });
  }
  if (code === "EACCES" || code === "ENOEXEC" || code === "ENOTDIR") {
    return childError("PB-LAUNCH-NOT-EXECUTABLE", `${file} can't be executed (${code})`, { cause: error });
  }
  if (code === "E2BIG") {
    return childError("PB-LAUNCH-FAILED", `${file} can't be started: its environment or command line is too long`, {
      hint:
        "The configuration travels in one environment variable, which holds no more than 128 KiB as JSON on Linux. " +
        "Put what is longer into a file, and its path into the configuration.",
    });
  }
  // Not the error itself: Node quotes the environment in some.
  return childError("PB-LAUNCH-FAILED", `${file} can't be started (${code})`);
}

function isDirectory(name: string): boolean {
  return fs.statSync(name, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
