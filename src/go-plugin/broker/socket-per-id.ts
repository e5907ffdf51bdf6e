import { randomBytes } from "node:crypto";
import * as net from "node:net";
import { join } from "node:path";
import { bind } from "../../node/listen/bind.ts";
import type { AnnouncedAddress } from "./announced-address.ts";
import { connectSocket, readAnnouncedAddress } from "./announced-address.ts";
import type { ControlStream } from "./control-stream.ts";
import { brokerError } from "./errors.ts";
import { createMailbox } from "./mailbox.ts";
import type { BrokerStrategy } from "./strategy.ts";
import { waitMs } from "./strategy.ts";

/** Each id is a socket of its own, and the other side is told where: once, so it can be dialled once. */
export function createClassicWay(
  control: Pick<ControlStream, "send">,
  socketDirectory: string,
  shareSocket?: (path: string) => void,
): BrokerStrategy {
  const announced = createMailbox<AnnouncedAddress>(waitMs, (id) =>
    brokerError("PB-BROKER-TIMEOUT", `the other side did not announce id ${id} of the broker within ${waitMs} ms`),
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
        throw brokerError("PB-BROKER-LIMIT", "the other side does not read the broker's messages");
      }
      return close;
    },
    async reach(id, signal) {
      const address = await announced.take(id, signal);
      if (address instanceof Error) {
        throw address;
      }
      return () => connectSocket(address, signal, waitMs);
    },
    receive(info) {
      // Knocks are of the other mode.
      if (info.knock === undefined) {
        // Read at once: of a message that can be large only the address is kept, or why it is none.
        announced.put(info.serviceId, readAnnouncedAddress(info));
      }
    },
  };
}
