/**
 * The variables that programs need to run at all, find their files, write for this user, and trust certificates. None
 * of it is a secret.
 */
const named = new Set([
  ...[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TMP",
    "TEMP",
    "TERM",
    "COLORTERM",
  ],
  ...["NO_COLOR", "FORCE_COLOR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"],
]);

/** And settings: of the locale, of directories, of Node, and of the go-plugin family (docs/settings.md). */
const families = /^(?:LC|XDG|NODE|PLUGIN)_/;

/** Private keys of this process, which may be a plugin itself, and credentials that Node's tools take. */
const secrets = /(?:_KEY|TOKEN|PASSWORD|SECRET|_AUTH)$/;

/**
 * The variables that a plugin process inherits from its host.
 * @param inherit Names of further variables; true: all but the settings that hold private keys.
 */
export function inheritedEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  inherit: true | readonly string[],
): Record<string, string | undefined> {
  const isInherited = (name: string) =>
    inherit === true
      ? !/^PLUGIN_.*_KEY$/.test(name) || name === cookieKey
      : inherit.includes(name) || name === cookieKey || named.has(name) || (families.test(name) && !secrets.test(name));
  return Object.fromEntries(Object.entries(env).filter(([name]) => isInherited(name)));
}

/** Ends like a key's, and is the name of a variable. */
const cookieKey = "PLUGIN_MAGIC_COOKIE_KEY";
