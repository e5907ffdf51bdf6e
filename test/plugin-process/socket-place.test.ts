import fs, { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { HostedLaunch } from "../../src/plugin-process/launch.ts";
import { placeFor } from "../../src/plugin-process/socket-place.ts";

function launchWith(more: Partial<HostedLaunch>): HostedLaunch {
  return {
    kind: "hosted",
    host: "go-plugin",
    removesDirectory: false,
    protocolVersion: 1,
    protocol: "grpc",
    listenAt: undefined,
    socketDirectory: undefined,
    socketGroup: undefined,
    multiplex: "unasked",
    ...more,
  };
}

test.each([
  ["1000", undefined],
  ["1345678901", undefined],
  ["4294967295", "PB-SOCKET-GROUP"],
  ["no such group", "PB-SOCKET-GROUP"],
])("takes a group's number, also one of ten digits: %s", (socketGroup, errorCode) => {
  const socketDirectory = mkdtempSync(join(tmpdir(), "place-"));
  const launch = launchWith({ socketDirectory, socketGroup });
  try {
    if (errorCode === undefined) {
      placeFor(launch).remove();
    } else {
      expect(() => placeFor(launch)).toThrow(errorCode);
    }
  } finally {
    rmSync(socketDirectory, { recursive: true });
  }
});

test("gives the group also a socket that the command line has named, and one beside it", () => {
  const directory = mkdtempSync(join(tmpdir(), "place-"));
  const [path, beside] = [join(directory, "p.sock"), join(directory, "b.sock")];
  const socketGroup = String(process.getgid?.() ?? 0);
  const place = placeFor(launchWith({ listenAt: { carrier: "unix", path }, socketGroup }));
  // Any file will do.
  for (const file of [path, beside]) {
    writeFileSync(file, "", { mode: 0o600 });
  }
  place.share();
  place.shareOther(beside);
  expect([path, beside].map((file) => statSync(file).mode & 0o777)).toEqual([0o660, 0o660]);
  rmSync(directory, { recursive: true });
});

test("says so if the system has no list of groups", () => {
  const real = fs.readFileSync;
  // Of all files this one can't be missing here.
  const missing = vi.spyOn(fs, "readFileSync").mockImplementation((file, options) => {
    return real(file === "/etc/group" ? "/no/such/file" : file, options);
  });
  syncBuiltinESMExports();
  try {
    expect(() => placeFor(launchWith({ socketGroup: "staff" }))).toThrow(/PB-SOCKET-GROUP: .*ENOENT/);
  } finally {
    missing.mockRestore();
    syncBuiltinESMExports();
  }
});
