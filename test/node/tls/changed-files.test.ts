import { once } from "node:events";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import { pathToFileURL } from "node:url";
import { connect } from "plugboard/node";
import type { MockInstance } from "vitest";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Identity } from "../../support/tls/certificates.ts";
import { makeCertificate } from "../../support/tls/certificates.ts";
import { startListener } from "../../support/tls/start-listener.ts";

const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);

let directory: string;
let logged: MockInstance<typeof console.error>;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tls-changed-"));
  logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
});
afterEach(async () => {
  logged.mockRestore();
  await rm(directory, { recursive: true });
});

const path = (name: string) => join(directory, name);
const url = (name: string) => pathToFileURL(path(name)).href;

function write({ certificate, key }: Identity, folder = ".") {
  mkdirSync(path(folder), { recursive: true });
  writeFileSync(path(`${folder}/tls.crt`), certificate);
  writeFileSync(path(`${folder}/tls.key`), key);
}

/** Has a link lead elsewhere at once, as Kubernetes does. */
function link(folder: string) {
  symlinkSync(folder, path("..next"));
  renameSync(path("..next"), path("current"));
}

/** Whether a listener shows the certificate, with its key. */
async function shows({ socket }: Awaited<ReturnType<typeof startListener>>, { certificate }: Identity) {
  const client = tls.connect({ ...socket, ca: certificate, servername: "localhost" });
  client.on("error", () => undefined);
  try {
    await once(client, "secureConnect");
    return true;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

describe("a listener's certificate is that of its files as they are now", () => {
  test.each<[string, (identity: Identity) => void]>([
    ["written anew", (identity) => write(identity)],
    [
      "replaced one by one",
      (identity) => {
        write(identity, "new");
        renameSync(path("new/tls.crt"), path("tls.crt"));
        renameSync(path("new/tls.key"), path("tls.key"));
      },
    ],
  ])("when they are %s", async (_, change) => {
    write(first);
    await using listener = await startListener("tcp", { certificate: url("tls.crt"), key: url("tls.key") });
    expect([await shows(listener, first), await shows(listener, second)]).toEqual([true, false]);
    change(second);
    expect([await shows(listener, first), await shows(listener, second)]).toEqual([false, true]);
    expect(logged).not.toHaveBeenCalled();
  });

  test("when a link leads to others", async () => {
    write(first, "one");
    write(second, "two");
    link("one");
    const certificate = { certificate: url("current/tls.crt"), key: url("current/tls.key") };
    await using listener = await startListener("unix", certificate);
    expect(await shows(listener, first)).toBe(true);
    link("two");
    expect([await shows(listener, first), await shows(listener, second)]).toEqual([false, true]);
  });

  test.each<[string, () => void]>([
    ["spoilt", () => writeFileSync(path("tls.crt"), "nothing")],
    ["gone", () => rmSync(path("tls.crt"))],
    ["not yet all there", () => writeFileSync(path("tls.crt"), second.certificate)],
  ])("but the one from before as long as they are %s, which is logged once", async (_, spoil) => {
    write(first);
    await using listener = await startListener("tcp", { certificate: url("tls.crt"), key: url("tls.key") });
    spoil();
    expect(await Promise.all([shows(listener, first), shows(listener, first)])).toEqual([true, true]);
    expect(await shows(listener, first)).toBe(true);
    expect(logged).toHaveBeenCalledOnce();
    expect(String(logged.mock.calls[0])).not.toContain("PRIVATE");
    write(second);
    expect(await shows(listener, second)).toBe(true);
  });
});

test("a caller's roots are those of its file as it is now, and those from before if that is spoilt", async () => {
  write(first);
  writeFileSync(path("roots.pem"), first.certificate);
  await using listener = await startListener("tcp", { certificate: url("tls.crt"), key: url("tls.key") });
  const options = { tls: { roots: url("roots.pem") } };
  const call = async () => {
    await using connection = await connect(listener.address, options);
    return (await connection.client(BehaviourService).echo({ text: "hi" })).text;
  };
  expect(await call()).toBe("hi");
  writeFileSync(path("roots.pem"), "nothing");
  expect([await call(), await call()]).toEqual(["hi", "hi"]);
  expect(logged).toHaveBeenCalledOnce();
  write(second);
  await expect(call()).rejects.toMatchObject({ errorCode: "PB-TLS-UNTRUSTED" });
  writeFileSync(path("roots.pem"), second.certificate);
  expect(await call()).toBe("hi");
});
