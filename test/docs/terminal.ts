import { spawn } from "node:child_process";
import { once } from "node:events";

/** Commands that run in a shell of their own, in a process group that ends with this. */
export interface Terminal extends AsyncDisposable {
  /** Resolves to what was printed on stdout when the shell has ended with 0; rejects with all output if it failed. */
  readonly ended: Promise<string>;
  /** Resolves when each of the lines was printed, on stdout or stderr; rejects if the shell ends before. */
  printed(lines: readonly string[]): Promise<void>;
}

/** The environment of a reader's shell: nothing that npm or the test's own package put there. */
function freshEnvironment(): NodeJS.ProcessEnv {
  const { PATH = "", ...rest } = process.env;
  const kept = Object.entries(rest).filter(([name]) => !/^(npm_|NODE_|VITEST|PLUG)/.test(name));
  return {
    ...Object.fromEntries(kept),
    PATH: PATH.split(":")
      .filter((folder) => !folder.includes("node_modules"))
      .join(":"),
    CI: "true",
    NO_COLOR: "1",
    WRANGLER_SEND_METRICS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
}

export function openTerminal(commands: string, cwd: string): Terminal {
  const shell = spawn("bash", ["-euo", "pipefail", "-c", commands], {
    cwd,
    detached: true,
    env: freshEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let all = "";
  const watchers = new Set<() => void>();
  const take = (text: string) => {
    all += text;
    for (const look of watchers) {
      look();
    }
  };
  shell.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    take(text);
  });
  shell.stderr.setEncoding("utf8").on("data", take);
  const failure = () => new Error(`these commands failed:\n${commands}\nand printed:\n${all}`);
  const ended = once(shell, "close").then(([code]) => {
    if (code !== 0) {
      throw failure();
    }
    return stdout;
  });
  // A terminal that is closed on purpose ends with a signal.
  ended.catch(() => undefined);
  return {
    ended,
    async printed(lines) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => {
        if (lines.every((line) => all.includes(line))) {
          resolve();
        }
      };
      watchers.add(look);
      look();
      await Promise.race([
        promise,
        ended.then(() => {
          throw failure();
        }),
      ]);
      watchers.delete(look);
    },
    async [Symbol.asyncDispose]() {
      if (shell.exitCode === null && shell.signalCode === null && shell.pid !== undefined) {
        process.kill(-shell.pid, "SIGTERM");
        await once(shell, "close");
      }
    },
  };
}
