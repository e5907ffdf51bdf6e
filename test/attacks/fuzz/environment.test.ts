import { spawn } from "node:child_process";
import { once } from "node:events";
import type { DescMessage } from "@bufbuild/protobuf";
import fc from "fast-check";
import { definePlugin } from "plugboard";
import { Host } from "plugboard/node";
import { expect } from "vitest";
import { magicCookie, parseHandshake, parseVersions } from "../../../src/go-plugin/handshake.ts";
import { readSettings } from "../../../src/go-plugin/settings/read.ts";
import { settingsSchema } from "../../../src/go-plugin/settings/schema.ts";
import { clientTlsOf, serverTlsOf } from "../../../src/go-plugin/tls/environment.ts";
import type { ReattachTarget } from "../../../src/host/reattach-target.ts";
import { readReattachTarget } from "../../../src/host/reattach-target.ts";
import { readConfig, readConfigText } from "../../../src/plugin/config.ts";
import { readLaunch } from "../../../src/plugin-process/launch.ts";
import { EveryKindSchema, OddKindsSchema } from "../../gen/plugboard/test/v1/every_kind_pb.ts";
import { NestRequestSchema } from "../../gen/plugboard/test/v1/nesting_pb.ts";
import { checkCoded, discardLog, fuzz, isLong, settle } from "./fuzz.ts";
import { anyText, mostly } from "./generators.ts";

/** Runs what may throw, though only what has a code. */
function coded(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    checkCoded(error);
  }
}

/** Text as it could stand in an environment variable, and some that could not. */
const value = fc.oneof(
  anyText,
  fc.constantFrom("", "0", "1", "-1", "true", "no", "unix", "tcp", "unix,tcp", "1,2,3", "1,x", "65536", "1e999", "NaN"),
  fc.constantFrom(
    "unix:/tmp/x.sock",
    "tcp:127.0.0.1:0",
    "tcp:[::1]:99999",
    "/tmp/x|y",
    "file:///nowhere",
    "file://h/x",
  ),
  fc.constantFrom("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----"),
  fc.constantFrom("ttrpc,grpc", "go-plugin", "__proto__", "constructor", magicCookie.value),
);
const ofHandshake = ["PLUGBOARD_PROTOCOLS", "PLUGBOARD_PARENT", "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT"];
const variables = [
  ...[...Object.keys(settingsSchema), magicCookie.key, ...ofHandshake],
  ...["PLUGBOARD_CONFIG", "PLUGIN_MULTIPLEX_GRPC", "PLUGIN_UNIX_SOCKET_GROUP", "PLUGIN_UNIX_SOCKET_DIR"],
];
const environments = fc.dictionary(fc.constantFrom(...variables), value, { maxKeys: 8 });

// Which versions are passed over goes to stderr, and is not what is looked at here.
discardLog();

const plugin = definePlugin({ name: "fuzzed", version: "1.0.0", protocolVersions: [1, 3], routes() {} });

fuzz("an environment is read, or refused with a code", async () => ({
  input: fc.record({
    env: environments,
    hosted: fc.boolean(),
    args: fc.array(fc.oneof(fc.constantFrom("--listen", "--", "--listen=", "-l", "--no-listen"), value), {
      maxLength: 4,
    }),
    cookie: fc.option(fc.record({ key: value, value }), { nil: undefined }),
    given: fc.dictionary(fc.oneof(fc.constantFrom(...variables), value), fc.anything({ maxDepth: 1 }), { maxKeys: 2 }),
  }),
  share: 20,
  async attempt({ env, hosted, args, cookie, given }) {
    const full = { ...env, ...(hosted && { [magicCookie.key]: magicCookie.value }) };
    coded(() => readSettings("plugin", given, full));
    coded(() => readSettings("host", given, full));
    coded(() => readLaunch(plugin, full, args, readSettings("plugin", {}, full), cookie));
    try {
      await serverTlsOf(readSettings("plugin", {}, full));
      await clientTlsOf(readSettings("host", {}, full));
    } catch (error) {
      checkCoded(error);
    }
  },
}));

const field = fc.oneof(
  value,
  fc.constantFrom("1", "2", "unix", "tcp", "grpc", "netrpc", "/tmp/none.sock", "127.0.0.1:1", "true"),
);
const handshakes = fc.oneof(
  fc.tuple(fc.constantFrom("1", "01", "2"), field, field, field, field, field, field).map((all) => all.join("|")),
  fc.array(field, { maxLength: 9 }).map((all) => all.join("|")),
  anyText,
);

fuzz("a handshake, and a target to attach to, is read, or refused with a code", async () => ({
  input: fc.tuple(
    handshakes,
    fc.anything({ maxDepth: 2 }),
    fc.dictionary(
      fc.constantFrom("pid", "address", "protocol", "Pid", "Protocol", "Addr", "ProtocolVersion", "Test"),
      fc.oneof(fc.constantFrom(1, "grpc", "unix:/x", "tcp:127.0.0.1:1"), fc.anything({ maxDepth: 1 })),
    ),
  ),
  share: 20,
  attempt([line, anything, target]) {
    coded(() => parseHandshake(line));
    coded(() => parseVersions(line));
    // Callers without types give what they like.
    coded(() => readReattachTarget(anything as ReattachTarget));
    coded(() => readReattachTarget(target as unknown as ReattachTarget));
  },
}));

const schemas: readonly DescMessage[] = [EveryKindSchema, OddKindsSchema, NestRequestSchema];
const names = schemas.flatMap(({ fields }) =>
  fields.flatMap(({ name, jsonName, localName }) => [name, jsonName, localName]),
);
const key = mostly(
  fc.constantFrom(...names),
  fc.constantFrom("either", "__proto__", "case", "value", "@type"),
  anyText,
);
const { tree: json } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 5, depthSize: "small", withCrossShrink: true }, tie("leaf"), tie("list"), tie("object")),
  leaf: fc.oneof(fc.jsonValue({ maxDepth: 0 }), anyText, fc.constantFrom("CHOICE_ONE", "1", "NaN", "-1", 1e300, null)),
  list: fc.array(tie("tree"), { maxLength: 3 }),
  object: fc.dictionary(key, tie("tree"), { maxKeys: 4 }),
}));
/** JSON that is as deep as one likes, in messages, lists and values of any kind. */
const deep = fc
  .tuple(
    fc.constantFrom('{"child":', '{"children":[', '{"value":{"a":', '{"object":{"a":[', "["),
    fc.nat({ max: 4_000 }),
  )
  .map(([open, depth]) => {
    const close = [...open].reverse().flatMap((each) => (each === "{" ? ["}"] : each === "[" ? ["]"] : []));
    return `${open.repeat(depth)}1${close.join("").repeat(depth)}`;
  });

fuzz("a configuration is read, or refused with a code", async () => ({
  input: fc.tuple(
    fc.constantFrom(...schemas),
    fc.oneof(
      { weight: 20, arbitrary: json.map((each) => JSON.stringify(each)) },
      { weight: 2, arbitrary: anyText },
      deep,
    ),
    fc.oneof(json, fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true, maxDepth: 3 })),
  ),
  share: 14,
  attempt([schema, text, given]) {
    coded(() => readConfigText(schema, text, "PLUGBOARD_CONFIG"));
    coded(() => readConfig(schema, given));
  },
}));

fuzz("a plugin process whose first line is anything fails to load, with a code", async () => {
  const host = new Host();
  return {
    input: handshakes.filter((line) => !line.includes("\0")),
    inputs: isLong ? 200 : 12,
    async attempt(line) {
      const command = ["/bin/sh", "-c", 'printf "%s\\n" "$LINE"; exec sleep 60'] as const;
      await settle(host.load({ command, env: { LINE: line }, startTimeoutMs: 2_000 }));
    },
    [Symbol.asyncDispose]: () => host.close(),
  };
});

fuzz("a plugin process starts in any environment, or ends with a code of ours", async () => {
  const passable = environments.filter((env) => Object.values(env).every((each) => !each.includes("\0")));
  return {
    input: fc.record({ env: passable, listens: fc.boolean() }),
    inputs: isLong ? 100 : 4,
    async attempt({ env, listens }) {
      const args = ["--conditions=plugboard-source", "test/behaviour/serve.ts"];
      const child = spawn(process.execPath, [...args, ...(listens ? ["--listen", "tcp:127.0.0.1:0"] : [])], {
        env,
        // At the end of its input it would take its host for gone.
        stdio: ["pipe", "pipe", "pipe"],
      });
      let printed = "";
      child.stdout.once("data", () => child.kill());
      child.stderr.on("data", (chunk) => {
        printed += chunk;
      });
      const [code, signal] = await once(child, "close");
      if (code === 1) {
        expect(printed).toMatch(/^PB-[A-Z-]+: | is a Plugboard plugin\. /m);
      }
      expect([0, 1, null]).toContain(code);
      expect([null, "SIGTERM"]).toContain(signal);
      expect(printed).not.toMatch(/TypeError|RangeError|node:internal/);
    },
  };
});
