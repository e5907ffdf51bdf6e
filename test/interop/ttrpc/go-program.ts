import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { buildGo } from "../build-go.ts";

/** The program beside this file, built. */
export interface GoProgram extends AsyncDisposable {
  readonly command: string;
  /** Path of the descriptors that it needs. */
  readonly descriptors: string;
}

/** A process of it that serves. */
export interface GoServer extends AsyncDisposable {
  /** Its Unix socket. */
  readonly path: string;
  readonly process: ChildProcess;
}

/** Builds the program, and writes the descriptors into a folder of their own. */
export async function buildGoProgram(): Promise<GoProgram> {
  const command = await buildGo(fileURLToPath(new URL(".", import.meta.url)), ".");
  const directory = await mkdtemp(join(tmpdir(), "ttrpc-go-"));
  const descriptors = join(directory, "behaviour.binpb");
  const set = create(FileDescriptorSetSchema, { file: [BehaviourService.file.proto] });
  await writeFile(descriptors, toBinary(FileDescriptorSetSchema, set));
  return {
    command,
    descriptors,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Starts a server and waits until it listens. */
export async function startGoServer({ command, descriptors }: GoProgram): Promise<GoServer> {
  const directory = await mkdtemp(join(tmpdir(), "ttrpc-go-"));
  const path = join(directory, "s.sock");
  const server = spawn(command, ["server", descriptors, path], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(server, "exit").then(() => {
    throw new Error("the Go server has ended");
  });
  exited.catch(() => undefined);
  await Promise.race([once(server.stdout, "data"), exited]);
  return {
    path,
    process: server,
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await exited.catch(() => undefined);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
