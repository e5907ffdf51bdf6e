import { connect } from "plugboard";
import { AccessService } from "../gen/plugboard/test/v1/access_pb.ts";

Object.assign(globalThis, {
  /** As whom a plugin knows a page with a token: by http:, and by a WebSocket alone. */
  async knownAs(url: string, token: string): Promise<readonly string[]> {
    const responses: string[] = [];
    for (const protocol of ["connect", "ttrpc"] as const) {
      try {
        await using connection = await connect(url, { token, require: { protocols: [protocol] } });
        const { subject } = await connection.client(AccessService).whoAmI({});
        responses.push(`${subject} by ${connection.routes.unary.routes[0]?.name}`);
      } catch {
        responses.push("refused");
      }
    }
    return responses;
  },

  /** What a page gets of a plugin by a WebSocket whose calls have no token of their own. */
  async upgradedWith(url: string, protocols: string[]): Promise<string> {
    const socket = new WebSocket(url.replace("http:", "ws:"), protocols);
    return new Promise((resolve) => {
      socket.addEventListener("open", () => {
        resolve(`open as ${socket.protocol}`);
        socket.close();
      });
      socket.addEventListener("error", () => resolve("refused"));
    });
  },
});
