import { randomBytes } from "node:crypto";
import * as net from "node:net";
import { join } from "node:path";
import type { ConnInfo } from "../../gen/plugin/grpc_broker_pb.ts";
import { PlugboardError } from "../../plugin/errors.ts";
import { bind } from "../bind.ts";
import { connectSocket, readAnnouncedAddress } from "./announced-address.ts";
import type { ControlStream } from "./control-stream.ts";
import { createMailbox } from "./mailbox.ts";
import type { BrokerWay } from "./way.ts";
import { waitMs } from "./way.ts";

/** Each id is a socket of its own, and the other side is told where: once, so it can be dialled once. */
export function createClassicWay(
  control: Pick<ControlStream, "send">,
  socketDirectory: string,
  shareSocket?: (path: string) => void,
): BrokerWay {
  const announced = createMailbox<ConnInfo>(
    waitMs,
    (id) =>
      new PlugboardError("PB-BROKER-TIMEOUT", `the other side has not said within ${waitMs} ms where id ${id} is`),
  );
  return {
    async listen(id, accept) {
      const path = join(socketDirectory, `b${randomBytes(6).toString("hex")}.sock`);
      const server = net.createServer(accept);
      await bind(server, { carrier: "unix", path });
      const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
      try {
        shareSocket?.(path);
      } catch (error) {
        await close();
        throw error;
      }
      if (!control.send({ serviceId: id, network: "unix", address: path })) {
        await close();
        throw new PlugboardError("PB-BROKER-LIMIT", "the other side reads nothing of the broker");
      }
      return close;
    },
    async reach(id, signal) {
      const address = readAnnouncedAddress(await announced.take(id, signal));
      return () => connectSocket(address, signal, waitMs);
    },
    receive(info) {
      // Knocks are of the other mode.
      if (info.knock === undefined) {
        announced.put(info.serviceId, info);
      }
    },
  };
}
