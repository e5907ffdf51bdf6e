import type { ClientTls, ServerTls } from "plugboard";
import { makeCertificate } from "./certificates.ts";

/** A server and a client that know each other's certificate, and another that neither of them knows. */
export async function makeParties() {
  const [server, client, other] = await Promise.all([makeCertificate(), makeCertificate(), makeCertificate()]);
  const mutual = (): ServerTls => ({ ...server, clientRoots: client.certificate });
  const trusted = (): ClientTls => ({ ...client, roots: server.certificate });
  return { server, client, other, mutual, trusted };
}
