import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { HostedLaunch } from "../../src/node/launch.ts";
import { placeFor } from "../../src/node/socket-place.ts";

test.each([
  ["1000", undefined],
  ["1345678901", undefined],
  ["4294967295", "PB-SOCKET-GROUP"],
  ["no such group", "PB-SOCKET-GROUP"],
])("takes a group's number, also one of ten digits: %s", (socketGroup, errorCode) => {
  const socketDirectory = mkdtempSync(join(tmpdir(), "place-"));
  const launch: HostedLaunch = {
    kind: "hosted",
    host: "go-plugin",
    removesDirectory: false,
    protocolVersion: 1,
    protocol: "grpc",
    listenAt: undefined,
    socketDirectory,
    socketGroup,
    multiplex: "unasked",
  };
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
