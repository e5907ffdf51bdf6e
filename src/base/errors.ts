import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Every error Plugboard raises: its stable code, the Connect code it travels with, and what to do next.
 * A hint may be replaced where it is raised, by one that knows more.
 */
const errors = {
  "PB-PLUGIN-NAME": [
    Code.InvalidArgument,
    "Use 1 to 63 lower-case letters, digits and hyphens; a letter first, and no hyphen last.",
  ],
  "PB-PLUGIN-VERSION": [Code.InvalidArgument, 'Use a semantic version such as "1.0.0", see https://semver.org.'],
  "PB-PLUGIN-PROTOCOL-VERSIONS": [Code.InvalidArgument, "List each version once, as whole numbers, such as [1, 2]."],
  "PB-PLUGIN-DEPENDENCY": [
    Code.InvalidArgument,
    'Name each dependency once, as { name: "other-plugin", versionRange: "^1.2.0" }.',
  ],
  "PB-PLUGIN-ROUTES": [
    Code.InvalidArgument,
    "routes() only registers handlers. It runs once when the plugin is defined, with the default configuration and " +
      "an empty env, and once for each start. Move work into start() or into the handlers.",
  ],
  "PB-OPTION-UNKNOWN": [Code.InvalidArgument, "Check the spelling of the option."],
  "PB-PLUGIN-STATE": [
    Code.InvalidArgument,
    "routes() runs once when the plugin is defined, before start(), to learn the services. Use `state` inside the handlers.",
  ],
  "PB-PLUGIN-DUPLICATE-SERVICE": [Code.InvalidArgument, "Register each service, and each single method, once."],
  "PB-PLUGIN-RESERVED-SERVICE": [
    Code.InvalidArgument,
    "Plugboard serves this one itself; register only your own services.",
  ],
  "PB-PLUGIN-MODULE": [
    Code.FailedPrecondition,
    "Correct the import or the syntax that Node names, then load it again.",
  ],
  "PB-PLUGIN-START": [
    Code.FailedPrecondition,
    "Mend what the plugin's start() names as the cause, then start it again.",
  ],
  "PB-SETTING-INVALID": [
    Code.InvalidArgument,
    "Give it a value that is allowed, or leave it out; docs/settings.md has all of them.",
  ],
  "PB-ORIGIN-INVALID": [
    Code.InvalidArgument,
    'Write origins as browsers send them, scheme, host and port if it is not the scheme\'s own: "https://app.example.com"; or "*" for any.',
  ],
  "PB-HOST-INVALID": [
    Code.InvalidArgument,
    'Write hosts as requests name them: "notes.example.com", "notes.example.com:8443" or "[2001:db8::1]"; or "*" for any.',
  ],
  "PB-PROXY-INVALID": [
    Code.InvalidArgument,
    'Say where the proxy\'s connections come from, as addresses or networks: behindProxy: { from: ["10.0.0.7", "10.1.0.0/16"] }.',
  ],
  "PB-LIMIT-INVALID": [
    Code.InvalidArgument,
    "Limits are whole numbers of bytes, milliseconds or streams from 1; Infinity lifts one. See CallLimits for their names.",
  ],
  "PB-CONFIG-INVALID": [Code.InvalidArgument, "Compare the configuration with the plugin's configuration message."],
  "PB-RATE-LIMIT-INVALID": [Code.InvalidArgument, "Give perSecond and burst numbers that are allowed."],
  "PB-RATE-LIMIT-BINDING": [
    Code.FailedPrecondition,
    "Bind a rate limit by that name: add [[ratelimits]] with name, namespace_id and simple = { limit, period } to " +
      "wrangler.toml, and to each of its environments, as they inherit no bindings.",
  ],

  "PB-TARGET-UNSUPPORTED": [
    Code.InvalidArgument,
    'Give connect() a plugin, an address such as "https://host", "unix:/path" or "tcp:127.0.0.1:4000", or a service binding.',
  ],
  "PB-CALL-REFUSED": [
    Code.Unavailable,
    "The call was not carried out, so it can be made again. A connection does so once by itself, unless messages of its stream were taken.",
  ],
  "PB-CONNECT-UNREACHABLE": [Code.Unavailable, "Check that the plugin runs and that the address is right."],
  "PB-CONNECT-VERSION": [
    Code.FailedPrecondition,
    "Update the older side, or allow one of the versions the plugin speaks.",
  ],
  "PB-CONNECTION-CLOSED": [
    Code.Canceled,
    "Open a new connection with connect(). If it was not meant to be closed, await the call before `await using` ends.",
  ],
  "PB-CONNECTION-LOST": [
    Code.Unavailable,
    "The call may have been carried out: make it again only if that does no harm. The connection is opened anew by itself.",
  ],
  "PB-DIAL-FAILED": [Code.Unavailable, "Check that the plugin runs and that the address is right."],
  "PB-MESSAGE-TOO-LARGE": [
    Code.ResourceExhausted,
    "Split the message, or raise `limits.maxMessageBytes` where the plugin is served. Over ttrpc, a peer without plugboard.chunk.v1 " +
      'takes at most 4 MiB: serve the plugin over another protocol, too, or choose one by `require`, such as { protocols: ["grpc"] }.',
  ],
  "PB-ROUTE-NONE": [Code.Unimplemented, "Read connection.routes for what was skipped, and why."],

  "PB-COOKIE-INVALID": [
    Code.InvalidArgument,
    "Give it the key and the value that plugin and host have agreed on: the MagicCookieKey and MagicCookieValue of go-plugin's HandshakeConfig.",
  ],
  "PB-COOKIE-MISMATCH": [
    Code.FailedPrecondition,
    "Give serve() and the host the same cookie, by their option `handshake` or the settings PLUGIN_MAGIC_COOKIE_*. Run by " +
      "hand, a plugin takes --listen unix:/path.",
  ],

  "PB-NODE-VERSION": [
    Code.FailedPrecondition,
    "Run it with a later Node: of a plugin it is the one that the first word of its command names.",
  ],
  "PB-COMMAND-LINE": [Code.InvalidArgument, "Use --listen unix:/path or --listen tcp:127.0.0.1:4000."],
  "PB-LISTEN-INSECURE": [
    Code.FailedPrecondition,
    "Plain TCP is only for the loopback interface: use tcp:127.0.0.1:PORT, tcp:[::1]:PORT or a Unix socket. For the network, give " +
      "the plugin a certificate, and `auth` or the roots of its clients' certificates; or have a proxy end TLS, and say so by " +
      "`behindProxy`.",
  ],
  "PB-LISTEN-FAILED": [Code.FailedPrecondition, "Choose an address that is free and that this process may use."],
  "PB-SOCKET-PATH": [
    Code.InvalidArgument,
    "Choose another path; for a hosted plugin, by TMPDIR or PLUGIN_UNIX_SOCKET_DIR.",
  ],
  "PB-SOCKET-DIRECTORY": [
    Code.FailedPrecondition,
    "Set TMPDIR to a directory that exists and that this process may write to.",
  ],
  "PB-SOCKET-GROUP": [
    Code.FailedPrecondition,
    "Let the host name a group that exists and that this user belongs to, or none.",
  ],

  "PB-TLS-UNREADABLE": [
    Code.InvalidArgument,
    "Give PEM text, or a file:// URL with the absolute path of a PEM file that this process may read.",
  ],
  "PB-TLS-KEY": [Code.InvalidArgument, "Give the private key that belongs to the certificate."],
  "PB-TLS-UNTRUSTED": [
    Code.Unauthenticated,
    "Check who it is. If all is well, add its certificate, or that of its issuer, to the roots.",
  ],
  "PB-TLS-EXPIRED": [Code.Unauthenticated, "Have the certificate renewed, and check the clocks of both machines."],
  "PB-TLS-NOT-YET-VALID": [Code.Unauthenticated, "Check the clocks of both machines, and the certificate's first day."],
  "PB-TLS-NAME": [
    Code.Unauthenticated,
    "Use the address that the certificate was made for, or say by tls.serverName which name it carries.",
  ],
  "PB-TLS-CLIENT-CERTIFICATE": [Code.Unauthenticated, "Give tls.certificate and tls.key, which the server knows."],
  "PB-TLS-REFUSED": [
    Code.Unauthenticated,
    "Use a certificate that the other side trusts and that is valid, or add this one to its roots.",
  ],
  "PB-TLS-REQUIRED": [Code.FailedPrecondition, "Call it with TLS: give connect() the option `tls`, or use https:."],
  "PB-TLS-NOT-SPOKEN": [
    Code.FailedPrecondition,
    "Call it without TLS if nobody else can reach it, or give its server a certificate.",
  ],
  "PB-TLS-FAILED": [Code.Unavailable, "Check that both sides speak TLS 1.2 or later, and what the other side logs."],

  "PB-AUTH-SECRET": [
    Code.InvalidArgument,
    "Give it a random text of 32 letters and digits, such as `openssl rand -hex 16` prints, by a secret of the Worker's or a " +
      "variable of the process's environment.",
  ],
  "PB-AUTH-JWT": [
    Code.InvalidArgument,
    "Take issuer, audience and the URL of the keys from the issuer's documentation: its discovery document calls the last " +
      "jwks_uri. docs/access.md has an example.",
  ],
  "PB-ACCESS-RULE": [
    Code.InvalidArgument,
    "Mend the options plugboard.access.v1 of the method in its .proto file, and generate its code anew.",
  ],
  "PB-ACCESS-UNGUARDED": [
    Code.FailedPrecondition,
    "Say by `auth` who may call, such as auth: jwt({ ... }), or take required_scopes from the contract if anybody may. A " +
      "plugin of a host needs it only at an endpoint of its own, or for a group.",
  ],
  "PB-TOKEN-INVALID": [
    Code.InvalidArgument,
    'Give connect() the token alone, without "Bearer", spaces or line ends; or a function that returns it.',
  ],
  "PB-CALLER-REFUSED": [
    Code.Unauthenticated,
    "Give connect(), or host.load(), a `token` that the server takes, if it takes one.",
  ],
  "PB-TOKEN-INSECURE": [
    Code.FailedPrecondition,
    "Use https: or wss:, or TLS by the option `tls`: on its way a token would be read along, and used, by others.",
  ],

  "PB-LAUNCH-NOT-FOUND": [Code.NotFound, "Check the spelling of the command, and PATH."],
  "PB-LAUNCH-NOT-EXECUTABLE": [Code.PermissionDenied, "Make the file executable, or run it by its interpreter."],
  "PB-LAUNCH-DIRECTORY": [Code.NotFound, "Check the cwd option: it has to be a directory that exists."],
  "PB-LAUNCH-CHECKSUM": [
    Code.FailedPrecondition,
    "The file is not the one that is expected: do not start it before you know why. Of a command such as " +
      '["node", "plugin.js"] it is the file of its first word that is checked.',
  ],
  "PB-LAUNCH-OPTION": [
    Code.InvalidArgument,
    'Pass options such as { command: ["node", "plugin.js"], env: { NAME: "text" } }.',
  ],
  "PB-LAUNCH-FAILED": [
    Code.Internal,
    "Look the code up in the manual of Node or of the operating system; check env and args for zero bytes.",
  ],
  "PB-HANDSHAKE-EXITED": [
    Code.Unavailable,
    "Run the command by hand to see why it ends. A plugin that was made for another host ends " +
      "like this unless it gets that host's cookie, by the handshake option.",
  ],
  "PB-REATTACH-TARGET": [
    Code.InvalidArgument,
    'Pass { pid: 4711, address: "unix:/path", protocol: "grpc" }, or one value of what TF_REATTACH_PROVIDERS holds.',
  ],
  "PB-REATTACH-GONE": [Code.Unavailable, "Start the plugin again, and pass what it says then."],
  "PB-HANDSHAKE-INVALID": [
    Code.FailedPrecondition,
    "The command's first line on stdout has to be the handshake: call serve(plugin), and print nothing to stdout before.",
  ],
  "PB-HANDSHAKE-TOO-LONG": [
    Code.ResourceExhausted,
    "The command is probably no plugin: it wrote to stdout without end of line.",
  ],
  "PB-HANDSHAKE-TIMEOUT": [
    Code.DeadlineExceeded,
    "Check that the command calls serve(plugin); if it only needs longer, raise startTimeoutMs or PLUGIN_HANDSHAKE_TIMEOUT.",
  ],
  "PB-HANDSHAKE-CORE-VERSION": [
    Code.FailedPrecondition,
    "Only version 1 of the go-plugin handshake exists; update the plugin.",
  ],
  "PB-HANDSHAKE-APP-VERSION": [
    Code.FailedPrecondition,
    "Update the older side, or pass protocolVersions with one that the plugin speaks.",
  ],
  "PB-HANDSHAKE-UNSUPPORTED": [
    Code.Unimplemented,
    "Use a plugin that serves ttrpc, gRPC or Connect over a Unix socket or TCP.",
  ],
  "PB-HANDSHAKE-CERTIFICATE-MISSING": [
    Code.FailedPrecondition,
    'The plugin knows no automatic TLS, or has it switched off: load it without tls: "auto", or with the certificates that ' +
      "it was given.",
  ],
  "PB-HANDSHAKE-CERTIFICATE-UNASKED": [
    Code.FailedPrecondition,
    'Load the plugin with tls: "auto" if it is to make a certificate of its own.',
  ],
  "PB-HANDSHAKE-SOCKET": [
    Code.Unavailable,
    "Check that the plugin keeps listening after it has printed its handshake.",
  ],
  "PB-BROKER-TIMEOUT": [
    Code.DeadlineExceeded,
    "Check that the other side serves under this id, and that it was not dialled before: without multiplexing each id " +
      "can be dialled once.",
  ],
  "PB-BROKER-REFUSED": [Code.Unavailable, "Check that the other side still serves under this id."],
  "PB-BROKER-ADDRESS": [
    Code.PermissionDenied,
    "Let the other side listen on a Unix socket, or on TCP at the loopback interface.",
  ],
  "PB-BROKER-ID": [
    Code.InvalidArgument,
    "Dial the id that the other side has got from serve(), a whole number from 1.",
  ],
  "PB-BROKER-LIMIT": [Code.ResourceExhausted, "Close what is served and no longer needed."],
  "PB-BROKER-CLOSED": [Code.Unavailable, "Start the plugin anew: a broker lives as long as its plugin and its host."],
  "PB-BROKER-MISSING": [Code.Unimplemented, "Use a plugin that serves plugin.GRPCBroker, as those of go-plugin do."],
  "PB-PLUGIN-EXITED": [
    Code.Unavailable,
    "Load the plugin again. If it ends again, run its command by hand to see why.",
  ],
  "PB-HOST-CLOSED": [Code.FailedPrecondition, "Create a new Host."],
} as const satisfies Record<string, readonly [Code, string]>;

/** Stable code of an error that Plugboard raises, such as "PB-HANDSHAKE-TIMEOUT". */
export type ErrorCode = keyof typeof errors;

/** All stable codes, for documentation and tests. */
export const errorCodes = Object.keys(errors) as readonly ErrorCode[];

/** The hint of a code, for whoever adds to it. */
export function defaultHint(errorCode: ErrorCode): string {
  return errors[errorCode][1];
}

/** What may be said of an error beyond its code and message. */
export interface PlugboardErrorOptions {
  /** Replaces the code's own hint. */
  readonly hint?: string;
  /** What led to this error. */
  readonly cause?: unknown;
}

/**
 * An error that Plugboard raises, as opposed to one that a plugin's handler raised. `errorCode` is stable and meant
 * for programs, the message says what happened, `hint` says what to do next.
 *
 * `name` stays "ConnectError": Connect tells its errors by that name, so that several copies of it can work together.
 */
export class PlugboardError extends ConnectError {
  readonly errorCode: ErrorCode;
  readonly hint: string;

  constructor(errorCode: ErrorCode, message: string, options: PlugboardErrorOptions = {}) {
    const [code, defaultHint] = errors[errorCode];
    const hint = options.hint ?? defaultHint;
    super(`${errorCode}: ${message}\n${hint}`, code, undefined, undefined, options.cause);
    this.errorCode = errorCode;
    this.hint = hint;
    // Whoever prints it, as Node does of one that nobody catches, sees the message once, and no internals of Connect.
    for (const name of Object.keys(this).filter((each) => each !== "errorCode")) {
      Object.defineProperty(this, name, { enumerable: false });
    }
  }

  /** Without this, Connect's own test would take every ConnectError for a PlugboardError. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof ConnectError && "errorCode" in value && "hint" in value;
  }
}

/** True if the value is a PlugboardError, with the given code if one is given. */
export function isPlugboardError(value: unknown, errorCode?: ErrorCode): value is PlugboardError {
  return value instanceof PlugboardError && (errorCode === undefined || value.errorCode === errorCode);
}
