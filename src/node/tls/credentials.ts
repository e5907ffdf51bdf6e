import type { ClientTls, ServerTls } from "../../address/tls-options.ts";
import type { Log } from "../../base/log.ts";
import { defaultLog } from "../../base/log.ts";
import { tlsError } from "./errors.ts";
import { followFiles } from "./follow-files.ts";
import type { Identity } from "./read-pem.ts";
import { readCertificates, readIdentity } from "./read-pem.ts";

/**
 * The certificates and the key of one end of TLS: where the options `tls` only say where they are, here they are read and
 * checked. All that speaks TLS takes them so; made once for each option.
 */
export type Credentials = ServerCredentials | AnonymousCredentials;

/** With a certificate of one's own to show, as every server has and a client may have. */
export interface ServerCredentials extends Trust {
  readonly hasIdentity: true;
  /**
   * Those for the next connection. Files that have changed are read again; if they can't be used, the log says so
   * once, and the previous ones count on.
   * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY, as long as nothing could be read
   */
  current(): Promise<Identity & Roots>;
}

/** Without a certificate of one's own: a client's only. */
interface AnonymousCredentials extends Trust {
  readonly hasIdentity: false;
  /** As in ServerCredentials. */
  current(): Promise<Roots>;
}

interface Trust {
  /** True if the other side's certificate has to lead to roots that are named: a server then requires one of its clients. */
  readonly hasRoots: boolean;
}

/** Certificates that the other side's has to be, or to be issued by; in PEM. */
interface Roots {
  readonly roots?: string;
}

/** The name of each part in messages. */
type Names<Options> = { readonly [Name in Exclude<keyof Options, "serverName">]-?: string };

/** How to read them. */
interface ReadOptions<Options> {
  /** What messages call them. Default: the names of the options. */
  readonly names?: Names<Options>;
  /** Gets a line when changed files can't be used. Default: the log of what belongs to no host and no `serve()`. */
  readonly log?: Log;
}

const serverNames = {
  certificate: "tls.certificate",
  key: "tls.key",
  clientRoots: "tls.clientRoots",
} as const satisfies Names<ServerTls>;

const clientNames = {
  certificate: "tls.certificate",
  key: "tls.key",
  roots: "tls.roots",
} as const satisfies Names<ClientTls>;

/**
 * Reads and checks what a server is given.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY
 */
export async function readServerTls(
  { certificate, key, clientRoots }: Partial<ServerTls>,
  { names = serverNames, log = defaultLog }: ReadOptions<ServerTls> = {},
): Promise<ServerCredentials> {
  const given = onlyGiven({ certificate, key, roots: clientRoots });
  const credentials = withIdentity(given, { ...names, roots: names.clientRoots }, log);
  await credentials.current();
  return credentials;
}

/**
 * Reads and checks what a client is given. A dialer that is given the same object takes what was read here.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY
 */
export async function readClientTls(tls: ClientTls, options: ReadOptions<ClientTls> = {}): Promise<Credentials> {
  const credentials = clientCredentials(tls, options);
  await credentials.current();
  return credentials;
}

/** By the options that they were made for. */
const ofClients = new WeakMap<ClientTls, Credentials>();

/** The credentials of a client, which reads them when it first needs them. */
export function clientCredentials(
  tls: ClientTls,
  { names = clientNames, log = defaultLog }: ReadOptions<ClientTls> = {},
): Credentials {
  const there = ofClients.get(tls);
  if (there !== undefined) {
    return there;
  }
  const { certificate, key, roots } = tls;
  const given = onlyGiven({ certificate, key, roots });
  const made =
    certificate === undefined && key === undefined
      ? withoutIdentity(given, names, log)
      : withIdentity(given, names, log);
  ofClients.set(tls, made);
  return made;
}

type Given = Partial<Identity> & Roots;

function withIdentity(given: Given, names: Names<ClientTls>, log: Log): ServerCredentials {
  return {
    hasIdentity: true,
    hasRoots: given.roots !== undefined,
    current: followFiles(
      Object.values(given),
      async () => ({
        ...(await readIdentity(pairOf(given, names), names)),
        ...(await readRoots(given, names)),
      }),
      log,
    ),
  };
}

function withoutIdentity(given: Given, names: Names<ClientTls>, log: Log): AnonymousCredentials {
  return {
    hasIdentity: false,
    hasRoots: given.roots !== undefined,
    current: followFiles(Object.values(given), () => readRoots(given, names), log),
  };
}

async function readRoots({ roots }: Given, names: Names<ClientTls>): Promise<Roots> {
  return roots === undefined ? {} : { roots: await readCertificates(roots, names.roots) };
}

function pairOf({ certificate, key }: Given, names: Names<ClientTls>): Identity {
  if (certificate !== undefined && key !== undefined) {
    return { certificate, key };
  }
  const there = certificate !== undefined ? names.certificate : key !== undefined ? names.key : names.roots;
  const missing = certificate === undefined ? names.certificate : names.key;
  throw tlsError("PB-TLS-UNREADABLE", `${there} is given, but not ${missing}`, {
    hint: "Give certificate and key, or neither.",
  });
}

function onlyGiven(parts: { readonly [Part in keyof Given]: string | undefined }): Given {
  const { certificate, key, roots } = parts;
  return {
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
    ...(roots !== undefined && { roots }),
  };
}
