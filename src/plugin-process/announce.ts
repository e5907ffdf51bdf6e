import * as path from "node:path";
import { formatHandshake } from "../go-plugin/handshake.ts";
import type { ListenAddress } from "../node/listen/listen-address.ts";
import { formatListenAddress } from "../node/listen/listen-address.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import type { HostedLaunch, Launch } from "./launch.ts";

/**
 * Prints where the plugin listens: for a host as the handshake, else for people.
 * @param certificate The certificate for the handshake: one that was made for the host, if there is one.
 */
export function announce(
  { name, version }: Plugin,
  launch: Launch,
  address: ListenAddress,
  certificate: string | undefined,
): void {
  const line =
    launch.kind === "hosted"
      ? handshakeOf(launch, address, certificate)
      : `${name} ${version} listens on ${formatListenAddress(address)}`;
  process.stdout.write(`${line}\n`);
}

function handshakeOf(
  { protocolVersion, protocol, multiplex }: HostedLaunch,
  address: ListenAddress,
  certificate = "",
): string {
  return formatHandshake({
    appProtocolVersion: protocolVersion,
    network: address.carrier,
    // The host may have another working directory.
    address: address.carrier === "unix" ? path.resolve(address.path) : `${address.host}:${address.port}`,
    protocol,
    certificate,
    multiplex: multiplex !== "unasked",
  });
}
