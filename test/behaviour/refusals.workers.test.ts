import { env } from "cloudflare:workers";
import { connect } from "plugboard";
import { describeRefusals } from "./suite/refusals.ts";

for (const protocol of ["connect", "grpc-web"] as const) {
  describeRefusals({
    name: `service-binding+${protocol}`,
    also: ["http"],
    connect: (mood, options) =>
      connect({ patient: env.PATIENT, brief: env.BRIEF }[mood], { ...options, require: { protocols: [protocol] } }),
  });
}
