import { parseAddress } from "../address/address.ts";
import { isLoopback } from "../base/loopback.ts";
import type { Requirements } from "../client/routes/negotiate.ts";
import { hostError } from "./errors.ts";

type Protocol = NonNullable<Requirements["protocols"]>[number];

const protocols: readonly Protocol[] = ["ttrpc", "grpc", "grpc-web", "connect"];

/** The process of a running plugin, and its address. */
export interface ReattachTarget {
  /** Its process. */
  readonly pid: number;
  /** The address that it listens on: "unix:/path", or "tcp:127.0.0.1:4000". */
  readonly address: string;
  /** The protocol to speak: "grpc" for plugins made with go-plugin. Default: any that the plugin understands. */
  readonly protocol?: Protocol;
  /** The application protocol version that it was started with, for the caller's own information. */
  readonly protocolVersion?: number;
}

/** The same as go-plugin's ReattachConfig is written: the value for one provider in TF_REATTACH_PROVIDERS. */
export interface TerraformReattach {
  readonly Protocol: string;
  readonly ProtocolVersion?: number;
  readonly Pid: number;
  /** Means that the plugin is not to be ended. Here that is so of each, unless `shutdown` is called. */
  readonly Test?: boolean;
  readonly Addr: { readonly Network: string; readonly String: string };
}

/**
 * Reads and checks either form.
 *
 * Apart from reattach.ts: the target comes from outside, such as from the environment, and is read before anything is done.
 * @throws PlugboardError PB-REATTACH-TARGET, or PB-HANDSHAKE-UNSUPPORTED if the plugin does not speak gRPC
 */
export function readReattachTarget(target: ReattachTarget | TerraformReattach): ReattachTarget {
  // Callers in JavaScript, and those that read it from JSON, may give anything.
  if (typeof target !== "object" || target === null) {
    throw hostError(
      "PB-REATTACH-TARGET",
      `the target is ${target === null ? "null" : `a ${typeof target}`}, not an object`,
    );
  }
  const { pid, address, protocol, protocolVersion } = "Pid" in target ? readTerraform(target) : target;
  if (!Number.isSafeInteger(pid) || pid <= 0) {
    throw hostError("PB-REATTACH-TARGET", `pid is ${JSON.stringify(pid)}, which is not a process id`);
  }
  if (protocol !== undefined && !protocols.includes(protocol)) {
    throw hostError(
      "PB-REATTACH-TARGET",
      `protocol is ${JSON.stringify(protocol)}; allowed are ${protocols.join(", ")}`,
    );
  }
  const { carrier, text, ...place } = parseAddress(address);
  if (carrier !== "unix" && carrier !== "tcp") {
    throw hostError("PB-REATTACH-TARGET", `the address ${text} is on another machine`);
  }
  if ("host" in place && !isLoopback(place.host)) {
    throw hostError("PB-REATTACH-TARGET", `the address ${text} is plain TCP on another machine`);
  }
  return {
    pid,
    address: text,
    ...(protocol !== undefined && { protocol }),
    ...(protocolVersion !== undefined && { protocolVersion }),
  };
}

function readTerraform({ Protocol, ProtocolVersion, Pid, Addr }: TerraformReattach): ReattachTarget {
  if (Protocol !== "grpc") {
    throw hostError(
      "PB-HANDSHAKE-UNSUPPORTED",
      `the plugin speaks ${Protocol === "" ? "net/rpc" : JSON.stringify(Protocol)}`,
      { hint: "Let it serve gRPC, by GRPCServer in go-plugin's ServeConfig." },
    );
  }
  return {
    pid: Pid,
    address: `${Addr?.Network}:${Addr?.String}`,
    protocol: Protocol,
    ...(ProtocolVersion !== undefined && { protocolVersion: ProtocolVersion }),
  };
}
