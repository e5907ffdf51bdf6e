import * as fs from "node:fs";
import * as path from "node:path";
import { checkSocketDirectory, makeSocketDirectory } from "../go-plugin/socket-directory.ts";
import type { ListenAddress } from "../node/listen/listen-address.ts";
import { processError } from "./errors.ts";
import type { HostedLaunch, Launch } from "./launch.ts";

/** The highest; the number above it means "none" (chown(2)). Directory services give out numbers of ten digits. */
const maxGroupId = 0xffff_fffe;

/** The place where a plugin listens. */
export interface SocketPlace {
  readonly address: ListenAddress;
  /** Lets the group in that the host has named, once the socket is there. */
  share(): void;
  /**
   * The same for a further socket beside it.
   * @throws PlugboardError PB-SOCKET-GROUP
   */
  shareOther(socket: string): void;
  /** Removes what was made for it. */
  remove(): void;
}

/**
 * The place that the command line or a setting names; else a socket in a directory that only this user can enter, and
 * the group that the host names.
 * @throws PlugboardError PB-SOCKET-DIRECTORY, PB-SOCKET-PATH, PB-SOCKET-GROUP
 */
export function placeFor(launch: Launch): SocketPlace {
  if (launch.kind === "standalone") {
    return { address: launch.listenAt, share() {}, shareOther() {}, remove() {} };
  }
  const { listenAt, socketGroup } = launch;
  const giveToGroup = socketGroup === undefined ? () => undefined : giverTo(socketGroup);
  if (listenAt === undefined) {
    return createPlace(launch, giveToGroup);
  }
  const shareOther = (other: string) => giveToGroup(other, 0o660);
  return {
    address: listenAt,
    share: () => (listenAt.carrier === "unix" ? shareOther(listenAt.path) : undefined),
    shareOther,
    remove: () => removeHostDirectory(launch),
  };
}

type GiveToGroup = (file: string, mode: number) => void;

/** Gives files to a group. */
function giverTo(socketGroup: string): GiveToGroup {
  const group = groupId(socketGroup);
  return (file, mode) => {
    try {
      fs.chownSync(file, -1, group);
      fs.chmodSync(file, mode);
    } catch (cause) {
      throw processError("PB-SOCKET-GROUP", `the socket can't be given to group ${socketGroup}: ${cause}`, {
        cause,
      });
    }
  };
}

function createPlace(launch: HostedLaunch, giveToGroup: GiveToGroup): SocketPlace {
  const { socketDirectory } = launch;
  if (socketDirectory !== undefined) {
    checkSocketDirectory(socketDirectory);
  }
  const parent = socketDirectory ?? makeSocketDirectory();
  const socket = path.join(parent, `p${process.pid}.sock`);
  const shareOther = (other: string) => giveToGroup(other, 0o660);
  return {
    address: { carrier: "unix", path: socket },
    share() {
      shareOther(socket);
      if (socketDirectory === undefined) {
        giveToGroup(parent, 0o710);
      }
    },
    shareOther,
    remove() {
      try {
        fs.rmSync(socket, { force: true });
        if (socketDirectory === undefined) {
          fs.rmdirSync(parent);
        }
      } catch {
        // allowed empty-catch: not empty, or out of reach. It changes nothing about how this process ends.
      }
      removeHostDirectory(launch);
    },
  };
}

/**
 * A Plugboard host makes one directory for each plugin; if the host was killed, only the plugin is left to remove it.
 */
function removeHostDirectory(launch: HostedLaunch) {
  if (launch.removesDirectory && launch.socketDirectory !== undefined) {
    try {
      fs.rmdirSync(launch.socketDirectory);
    } catch {
      // allowed empty-catch: not empty, out of reach, or the host was faster.
    }
  }
}

/** Node knows groups by their numbers only. */
function groupId(group: string): number {
  if (/^\d{1,10}$/.test(group) && Number(group) <= maxGroupId) {
    return Number(group);
  }
  const entry = readGroups()
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name]) => name === group);
  if (entry?.[2] === undefined) {
    throw processError(
      "PB-SOCKET-GROUP",
      `PLUGIN_UNIX_SOCKET_GROUP is ${JSON.stringify(group)}, and there is no such group`,
    );
  }
  return Number(entry[2]);
}

function readGroups(): string {
  try {
    return fs.readFileSync("/etc/group", "utf8");
  } catch (cause) {
    throw processError("PB-SOCKET-GROUP", `the groups can't be read: ${String(cause)}`, {
      cause,
      hint: "Let the host name the group by its number.",
    });
  }
}
