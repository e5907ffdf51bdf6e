import fc from "fast-check";
import { maskSecrets } from "plugboard";
import { describe, expect, test } from "vitest";

const secretNames = [
  "key",
  "apiKey",
  "API_KEY",
  "x-api-key",
  "accesskey",
  "keyId",
  "secret",
  "clientSecret",
  "token",
  "refresh_token",
  "password",
  "PASSWD",
  "credential",
  "awsCredentials",
  "dsn",
  "SENTRY_DSN",
  "Authorization",
  "proxy-authorization",
  "Cookie",
  "Set-Cookie",
  "pwd",
  "userPwd",
  "DB_PASS",
  "pass",
  "userPass",
  "auth",
  "basicAuth",
  "jwt",
  "idJwt",
  "session",
  "sessionId",
  "SESSION_ID",
  "connectionString",
  "CONNECTION_STRING",
  "connStr",
  "DATABASE_URL",
  "databaseUrl",
  "MONGODB_URI",
  "REDIS_URL",
];
const plainNames = [
  "user",
  "keyboard",
  "keyed",
  "method",
  "address",
  "id",
  "time",
  "author",
  "authenticated",
  "bypass",
  "passed",
  "compass",
  "sessions",
  "connectionStrategy",
  "url",
  "dburls",
];

const secretName = fc.constantFrom(...secretNames);
const plainName = fc.constantFrom(...plainNames);
/** Values that have no stars of their own, so that what is masked can be told. */
const value = fc.string({ minLength: 12, unit: "grapheme" }).filter((text) => !text.includes("*"));

describe("what has the name of a secret is masked", () => {
  test.each(secretNames)("%s", (name) => {
    expect(maskSecrets({ [name]: "sk-0123456789abcdef" })).toEqual({ [name]: "sk-0***ef" });
  });

  test.each(plainNames)("%s is not masked", (name) => {
    expect(maskSecrets({ [name]: "sk-0123456789abcdef" })).toEqual({ [name]: "sk-0123456789abcdef" });
  });

  test("whatever it is: of a long value four characters at the beginning are left, and two at the end", () => {
    fc.assert(
      fc.property(secretName, value, (name, secret) => {
        const characters = Array.from(secret);
        const masked = `${characters.slice(0, 4).join("")}***${characters.slice(-2).join("")}`;
        expect(maskSecrets({ [name]: secret })).toEqual({ [name]: masked });
      }),
    );
  });

  test("nothing is left of a secret with less than twelve characters", () => {
    fc.assert(
      fc.property(secretName, fc.string({ maxLength: 11 }), (name, secret) => {
        expect(maskSecrets({ [name]: secret })).toEqual({ [name]: "***" });
      }),
    );
  });

  test("however deep it is, in lists and records, and with all that is under it", () => {
    const record = fc.letrec<{ tree: unknown; node: unknown }>((tie) => ({
      tree: fc.oneof({ maxDepth: 5 }, value, fc.array(tie("tree"), { maxLength: 3 }), tie("node")),
      node: fc.dictionary(fc.oneof(plainName, secretName), tie("tree"), { maxKeys: 3 }),
    })).node;
    fc.assert(
      fc.property(record, secretName, value, (deep, name, secret) => {
        const seen = new Set<string>();
        const collect = (each: unknown): void => {
          if (typeof each === "string") {
            seen.add(each);
          } else if (typeof each === "object" && each !== null) {
            Object.values(each).forEach(collect);
          }
        };
        collect(maskSecrets({ list: [{ [name]: { inner: [deep, secret] } }] }));
        expect([...seen].filter((text) => text.length > 0 && !text.includes("***"))).toEqual([]);
      }),
    );
  });

  test("also a number, and bytes", () => {
    const masked = maskSecrets({ password: 123_456_789_012_345, token: 12n, key: new Uint8Array(20), secret: null });
    expect(masked).toEqual({ password: "1234***45", token: "***", key: "***", secret: null });
  });
});

test("a password in a URL is masked, whatever its name", () => {
  expect(
    maskSecrets({
      target: "postgres://ann:s3cr3t@db.test:5432/notes?ssl=1",
      message: "can't reach amqp://u:p@ss@queue.test, nor redis://:pw@cache.test/0",
      plain: "https://notes.test:8443/a:b@c",
    }),
  ).toEqual({
    target: "postgres://***@db.test:5432/notes?ssl=1",
    message: "can't reach amqp://***@queue.test, nor redis://***@cache.test/0",
    plain: "https://notes.test:8443/a:b@c",
  });
});

test("a password in a URL is masked in errors, too, however deep they are", () => {
  const error = new Error("connect postgres://u:hunter2@db/x failed", { cause: new Error("redis://u:hunter2@db") });
  const masked = maskSecrets({ error, list: [{ error }], bag: new AggregateError([error], "amqp://u:hunter2@queue") });
  expect(masked).toEqual({
    error: "Error: connect postgres://***@db/x failed",
    list: [{ error: "Error: connect postgres://***@db/x failed" }],
    bag: "AggregateError: amqp://***@queue",
  });
});

test.each([
  ["without a scheme", "://", "a"],
  ["with colons and no host", "x://", "a:"],
  ["with a scheme of any length", "", "a"],
  ["of nothing but the beginnings of URLs", "", "a://"],
  ["of many users", "", "a://b:c@"],
])("a text of five million characters is looked through, %s", (_, begin, part) => {
  const text = begin + part.repeat(5_000_000 / part.length);
  const masked = maskSecrets({ text }).text;
  expect(masked).toBe(text.replaceAll("b:c@", "***@"));
});

test("what throws when it is looked at is told as such, and the rest is there", () => {
  const fail = () => {
    throw new Error("can't");
  };
  const getter = Object.defineProperty({ name: "a" }, "broken", { enumerable: true, get: fail });
  const error = Object.defineProperty(new Error("message"), "toString", { value: fail });
  const proxy = new Proxy({}, { ownKeys: fail });
  expect(maskSecrets({ getter, error, proxy, json: { toJSON: fail }, at: new Date(Number.NaN), last: 1 })).toEqual({
    getter: { name: "a", broken: "can't be read" },
    error: "can't be read",
    proxy: "can't be read",
    json: "can't be read",
    at: null,
    last: 1,
  });
  expect(maskSecrets(getter)).toEqual({ name: "a", broken: "can't be read" });
});

test("all else stays as JSON has it", () => {
  fc.assert(
    fc.property(fc.dictionary(plainName, fc.jsonValue({ maxDepth: 0 })), (record) => {
      expect(JSON.stringify(maskSecrets(record))).toBe(JSON.stringify(record));
    }),
  );
});

test("what is no plain record becomes one", () => {
  const headers = new Headers({ Authorization: "Bearer 0123456789", Accept: "text/plain" });
  expect(
    maskSecrets({ headers, error: new TypeError("no"), at: new Date(0), many: 5n, bytes: new Uint8Array(3) }),
  ).toEqual({
    headers: { authorization: "Bear***89", accept: "text/plain" },
    error: "TypeError: no",
    at: "1970-01-01T00:00:00.000Z",
    many: "5",
    bytes: "3 bytes",
  });
  const map = new Map([["token", "0123456789abcdef"]]);
  expect(maskSecrets({ map })).toEqual({ map: { token: "0123***ef" } });
});

test("what is part of itself ends, and so does what is very deep", () => {
  const record: Record<string, unknown> = { name: "a" };
  record.self = record;
  record.list = [record, record];
  expect(maskSecrets(record)).toEqual({ name: "a", self: "***", list: ["***", "***"] });
  let deep: unknown = "end";
  for (let depth = 0; depth < 100_000; depth++) {
    deep = [deep];
  }
  expect(JSON.stringify(maskSecrets({ deep }))).toContain("***");
});

test("the record itself is left as it is", () => {
  const record = { token: "0123456789abcdef", list: [{ key: "0123456789abcdef" }] };
  maskSecrets(record);
  expect(record).toEqual({ token: "0123456789abcdef", list: [{ key: "0123456789abcdef" }] });
});
