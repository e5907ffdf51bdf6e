import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Amount, Contender } from "../contender.ts";
import { goProgram } from "../server-program.ts";

/** grpc-go on both sides, as between a Go host and its go-plugin plugin. Its client is a process of its own. */
export const grpcGo: Contender = {
  name: "grpc-go",
  title: "grpc-go on both sides",
  server: [goProgram, "serve"],
  async connect(path) {
    const child = spawn(goProgram, ["drive", path], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    const ask = async (question: string): Promise<Amount> => {
      child.stdin.write(`${question}\n`);
      const { value } = await lines.next();
      const [done, seconds] = String(value).split(" ").map(Number);
      if (done === undefined || seconds === undefined) {
        throw new Error(`grpc-go ended at: ${question}`);
      }
      return { done, seconds };
    };
    return {
      unary: (...numbers) => ask(`unary ${numbers.join(" ")}`),
      stream: (...numbers) => ask(`stream ${numbers.join(" ")}`),
      async close() {
        child.stdin.end();
        await once(child, "exit");
      },
    };
  },
};
