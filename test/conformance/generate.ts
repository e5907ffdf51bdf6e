import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { lacksGo } from "../interop/build-go.ts";

const run = promisify(execFile);
const suite = "connectrpc.com/conformance";
const cwd = import.meta.dirname;

/** Generates the code for the suite's messages, which the programs need, from where Go keeps the suite. */
export default async function setup() {
  if (lacksGo) {
    console.warn("go is not on PATH: the conformance suite is skipped");
    return;
  }
  const env = { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly" };
  const { stdout } = await run("go", ["mod", "download", "-json", suite], { cwd, env }).catch((cause: unknown) => {
    throw new Error("go, which the conformance suite needs, is not on PATH or could not get the suite", { cause });
  });
  const { Dir: folder }: { Dir: string } = JSON.parse(stdout);
  const plugin = {
    local: "protoc-gen-es",
    out: "gen",
    opt: ["target=ts", "import_extension=ts", "erasable_syntax=true"],
  };
  const template = JSON.stringify({ version: "v2", clean: true, plugins: [plugin] });
  await run("buf", ["generate", join(folder, "proto"), "--template", template], { cwd });
}
