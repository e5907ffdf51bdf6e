// Prepares the foreign peers that `npm run test:interop` calls: builds and installs what test/peers/ has, into test/peers/build/.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";

const peers = resolve("test/peers");
const build = resolve(peers, "build");

function run(command: string, args: readonly string[], cwd = ".", env: NodeJS.ProcessEnv = {}) {
  execFileSync(command, args, { cwd, env: { ...process.env, ...env }, stdio: "inherit" });
}

const preparations: Record<string, () => void> = {
  rust() {
    const descriptors = resolve(build, "behaviour.binpb");
    const contract = "proto/plugboard/test/v1/behaviour.proto";
    run("buf", ["build", "--path", contract, "--output", descriptors]);
    run("cargo", ["build", "--quiet"], resolve(peers, "rust"), {
      CARGO_TARGET_DIR: resolve(build, "rust"),
      BEHAVIOUR_PROTO: resolve(contract),
      BEHAVIOUR_DESCRIPTORS: descriptors,
    });
  },
  python() {
    const folder = resolve(build, "python");
    const python = resolve(folder, "bin/python");
    run("python3", ["-m", "venv", folder]);
    run(python, ["-m", "pip", "install", "--quiet", "--requirement", resolve(peers, "python/requirements.txt")]);
    const generated = resolve(build, "python-generated");
    mkdirSync(generated, { recursive: true });
    const protos = ["plugboard/test/v1/behaviour.proto"];
    const out = ["python_out", "grpc_python_out"].map((name) => `--${name}=${generated}`);
    run(python, ["-m", "grpc_tools.protoc", "--proto_path=proto", ...out, ...protos]);
  },
  "nice-grpc": () => run("npm", ["ci"], resolve(peers, "nice-grpc")),
  "grpc-web": () => run("npm", ["ci"], resolve(peers, "grpc-web")),
};

const wanted = process.argv.slice(2);
mkdirSync(build, { recursive: true });
for (const [name, prepare] of Object.entries(preparations)) {
  if (wanted.length === 0 || wanted.includes(name)) {
    console.log(`preparing ${name}`);
    prepare();
  }
}
