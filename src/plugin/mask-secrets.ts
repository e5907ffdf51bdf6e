/** Words of which a name that has one is taken to be that of a secret, wherever they stand in it. */
const words =
  /secret|token|passw(or)?d|passphrase|pwd|credential|dsn|jwt|authorization|cookie|session(?!s)|conn(ection)?[-_ ]?str(ing)?(?![a-z])/i;

/** Addresses of databases, which hold a password more often than not. */
const databaseUrl = /(?:database|db|postgres(?:ql)?|mysql|mongo(?:db)?|redis|amqp)[-_ ]?ur[il](?![a-z])/i;

/** Parts of too many others: they have to be words of their own. */
const ownWords = /(?<![a-z])(?:auth|pass)(?![a-z])|(?:Auth|Pass)(?![a-z])|(?<![A-Z])(?:AUTH|PASS)(?![A-Z])/;

/** What is before the host in a URL, wherever that is (RFC 3986, section 3.2.1). */
const userInfo = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@]*:[^\s/?#]*@/gi;

/** "key" is part of too many others: it has to be a word of its own, or the end of one, as in "apikey". */
const key = /keys?(?![a-z])|Keys?(?![a-z])|KEYS?(?![A-Z])/;

/** Of a secret that is shorter, nothing is shown: what is shown must not be most of it. */
const minShownLength = 12;

/** Deeper than this, nothing is shown; nor of what is part of itself. */
const maxDepth = 16;

const hidden = "***";

/**
 * Copies a record for a log, and masks in it what has the name of a secret: key, secret, token, password, passphrase, pwd,
 * credential, dsn, jwt, authorization, cookie, session, connectionString, databaseUrl and the like, and names in which those
 * are; auth and pass, as words of their own. A password in a URL is masked whatever its name. Of such a value its first four and last two characters are left,
 * of one with less than twelve characters none. Lists and records are looked through, and all that is under the name of a
 * secret is masked. Of a value that is no text, number, boolean or plain record, only what JSON makes of it is left.
 */
export function maskSecrets(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return copyRecord(fields, false, []);
}

/** @param within What it is part of. */
function copyRecord(record: object, secret: boolean, within: readonly object[]): Record<string, unknown> {
  const here = [...within, record];
  // Entries, as assigning would lose the name "__proto__".
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, copy(value, secret || isSecret(name), here)]),
  );
}

function copy(value: unknown, secret: boolean, within: readonly object[]): unknown {
  switch (typeof value) {
    case "string":
      return secret ? maskText(value) : value.includes("://") ? value.replace(userInfo, `$1${hidden}@`) : value;
    case "number":
      return secret ? maskText(String(value)) : value;
    case "bigint":
      return secret ? maskText(String(value)) : String(value);
    case "boolean":
      return value;
    case "object":
      return value === null ? null : copyObject(value, secret, within);
    default:
      return undefined;
  }
}

function copyObject(value: object, secret: boolean, within: readonly object[]): unknown {
  if (within.length >= maxDepth || within.includes(value)) {
    return hidden;
  }
  if (Array.isArray(value)) {
    const here = [...within, value];
    return value.map((each) => copy(each, secret, here));
  }
  if (value instanceof Headers || value instanceof Map) {
    return copyRecord(Object.fromEntries(value), secret, within);
  }
  if (ArrayBuffer.isView(value)) {
    return secret ? hidden : `${value.byteLength} bytes`;
  }
  if (value instanceof Error) {
    return secret ? hidden : String(value);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return copy(value.toJSON(), secret, [...within, value]);
  }
  return copyRecord(value, secret, within);
}

function isSecret(name: string): boolean {
  return words.test(name) || key.test(name) || ownWords.test(name) || databaseUrl.test(name);
}

function maskText(value: string): string {
  const characters = Array.from(value);
  return characters.length < minShownLength
    ? hidden
    : `${characters.slice(0, 4).join("")}${hidden}${characters.slice(-2).join("")}`;
}
