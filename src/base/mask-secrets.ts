/** Words of which a name that has one is taken to be that of a secret, wherever they stand in it. */
const words =
  /secret|token|passw(or)?d|passphrase|pwd|credential|dsn|jwt|authorization|cookie|session(?!s)|conn(ection)?[-_ ]?str(ing)?(?![a-z])/i;

/** Addresses of databases, which hold a password more often than not. */
const databaseUrl = /(?:database|db|postgres(?:ql)?|mysql|mongo(?:db)?|redis|amqp)[-_ ]?ur[il](?![a-z])/i;

/** Parts of too many others: they have to be words of their own. */
const ownWords = /(?<![a-z])(?:auth|pass)(?![a-z])|(?:Auth|Pass)(?![a-z])|(?<![A-Z])(?:AUTH|PASS)(?![A-Z])/;

/** The end of a URL's authority (RFC 3986, section 3.2). */
const authorityEnd = /[\s/?#]/g;

/** "key" is part of too many others: it has to be a word of its own, or the end of one, as in "apikey". */
const key = /keys?(?![a-z])|Keys?(?![a-z])|KEYS?(?![A-Z])/;

/** Of a secret that is shorter, nothing is shown: what is shown must not be most of it. */
const minShownLength = 12;

/** Deeper than this, nothing is shown; nor of what is part of itself. */
const maxDepth = 16;

const hidden = "***";

/** Stands for what throws when it is looked at. */
const unreadable = "can't be read";

/**
 * Copies a record for a log, and masks in it what has the name of a secret: key, secret, token, password, passphrase, pwd,
 * credential, dsn, jwt, authorization, cookie, session, connectionString, databaseUrl and the like, and names in which those
 * are; auth and pass, as words of their own. A password in a URL is masked whatever its name, also in an error's message. Of such a value its first four and last two characters are left,
 * of one with less than twelve characters none. Lists and records are looked through, and all that is under the name of a
 * secret is masked. Of a value that is no text, number, boolean or plain record, only what JSON makes of it is left;
 * of an error, its name and message. What throws when it is looked at is told as such.
 */
export function maskSecrets(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return copyRecord(fields, false, []);
}

/** @param within The objects that it is nested in. */
function copyRecord(record: object, secret: boolean, within: readonly object[]): Record<string, unknown> {
  const here = [...within, record];
  // Entries, as assigning would lose the name "__proto__".
  return Object.fromEntries(
    Object.keys(record).map((name) => [name, copyMember(record, name, secret || isSecret(name), here)]),
  );
}

function copyMember(record: object, name: string, secret: boolean, within: readonly object[]): unknown {
  let value: unknown;
  try {
    value = Reflect.get(record, name);
  } catch {
    return unreadable;
  }
  return copy(value, secret, within);
}

function copy(value: unknown, secret: boolean, within: readonly object[]): unknown {
  switch (typeof value) {
    case "string":
      return secret ? maskText(value) : maskPasswords(value);
    case "number":
      return secret ? maskText(String(value)) : value;
    case "bigint":
      return secret ? maskText(String(value)) : String(value);
    case "boolean":
      return value;
    case "object":
      return value === null ? null : tryCopy(value, secret, within);
    default:
      return undefined;
  }
}

/** A getter or a toJSON that throws must not make logging fail. */
function tryCopy(value: object, secret: boolean, within: readonly object[]): unknown {
  try {
    return copyObject(value, secret, within);
  } catch {
    return unreadable;
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
    return secret ? hidden : maskPasswords(String(value));
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

/**
 * Masks what is before the host in a URL, wherever that is, if it has a password in it (RFC 3986, section 3.2.1). It goes
 * through the text once: what is logged may be long, and of a caller's choosing.
 */
export function maskPasswords(text: string): string {
  let masked = "";
  let from = 0;
  for (let at = text.indexOf("://"); at !== -1; at = text.indexOf("://", from)) {
    const begin = at + 3;
    authorityEnd.lastIndex = begin;
    const end = authorityEnd.exec(text)?.index ?? text.length;
    const authority = text.slice(begin, end);
    const host = authority.lastIndexOf("@");
    const colon = authority.indexOf(":");
    const hasPassword = colon !== -1 && colon < host;
    masked += hasPassword ? `${text.slice(from, begin)}${hidden}` : text.slice(from, end);
    from = hasPassword ? begin + host : end;
  }
  return masked + text.slice(from);
}
