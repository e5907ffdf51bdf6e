import { printableLine } from "../../base/printable.ts";
import { settingError } from "./errors.ts";
import type { Setting, SettingsOf, Side } from "./schema.ts";
import { settingsSchema } from "./schema.ts";

/** Settings of a plugin process; see docs/settings.md. */
export type PluginSettings = SettingsOf<"plugin">;

/** Settings of a host; see docs/settings.md. */
export type HostSettings = SettingsOf<"host">;

/** Settings that options give, by name. */
type Given<S extends Side> = { readonly [Name in keyof SettingsOf<S>]?: SettingsOf<S>[Name] | undefined };

/**
 * Reads the settings of one side. What an option says goes before the environment, and that before the default; a variable
 * that is empty counts as not set.
 * @throws PlugboardError PB-SETTING-INVALID
 */
export function readSettings<S extends Side>(side: S, given: Given<S>, env: NodeJS.ProcessEnv): SettingsOf<S> {
  const ofSide = Object.entries<Setting>(settingsSchema).filter(
    ([, { readBy }]) => readBy === "both" || readBy === side,
  );
  // By name, as which of them are there depends on the side.
  const options: Readonly<Record<string, unknown>> = given;
  const read = ofSide.map(([name, setting]) => {
    const value = options[name];
    return [
      name,
      value === undefined
        ? readVariable(name, setting, env[name])
        : readOption(setting.options[side] ?? name, setting, value),
    ];
  });
  // Name and value come from the same entry of the schema, of which the type is made, too.
  return Object.fromEntries(read) as SettingsOf<S>;
}

function readVariable(name: string, setting: Setting, text: string | undefined): unknown {
  return text === undefined || text === "" ? setting.default : parse(name, setting, text);
}

/** An option is checked as a variable is: types forbid less than the schema does. */
function readOption(name: string, setting: Setting, value: unknown): unknown {
  return parse(name, setting, Array.isArray(value) ? value.join(",") : String(value));
}

function parse(name: string, { kind, secret }: Setting, text: string): unknown {
  const value = kind.parse(text);
  if (value === undefined) {
    const shown = secret ? "not shown here, as it may be secret" : JSON.stringify(printableLine(text));
    throw settingError("PB-SETTING-INVALID", `${name} is ${shown}; allowed is ${kind.allowed}`);
  }
  return value;
}

/**
 * The cookie that the settings name: the variable by which a plugin knows that a host has started it, and its value.
 * `undefined` if they name none.
 */
export function cookieOf(
  settings: Pick<PluginSettings & HostSettings, "PLUGIN_MAGIC_COOKIE_KEY" | "PLUGIN_MAGIC_COOKIE_VALUE">,
): { readonly key: string; readonly value: string } | undefined {
  const { PLUGIN_MAGIC_COOKIE_KEY: key, PLUGIN_MAGIC_COOKIE_VALUE: value } = settings;
  return value === undefined ? undefined : { key, value };
}
