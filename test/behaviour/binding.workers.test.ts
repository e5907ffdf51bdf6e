import { env } from "cloudflare:workers";
import { connect } from "plugboard";
import plugin from "./plugin.ts";
import { describeBehaviour } from "./suite.ts";

for (const protocol of ["connect", "grpc-web"] as const) {
  describeBehaviour({
    name: `service-binding+${protocol}`,
    protocol,
    async open() {
      const connection = await connect(env.BEHAVIOUR, { require: { protocols: [protocol] } });
      return { connection, close: () => connection.close() };
    },
  });
}

describeBehaviour({
  name: "memory",
  protocol: "memory",
  async open() {
    const connection = await connect(plugin);
    return { connection, close: () => connection.close() };
  },
});
