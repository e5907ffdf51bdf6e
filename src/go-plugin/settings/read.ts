import { printableLine } from "../../base/printable.ts";
import { settingError } from "./errors.ts";
import type { Setting, SettingsOf, Side } from "./schema.ts";
import { settingsSchema } from "./schema.ts";

/** Settings of a plugin process; see docs/settings.md. */
export type PluginSettings = SettingsOf<"plugin">;

/** Settings of a host; see docs/settings.md. */
export type HostSettings = SettingsOf<"host">;

/** Settings that are given in code, by name. */
type Given<S extends Side> = { readonly [Name in keyof SettingsOf<S>]?: SettingsOf<S>[Name] | undefined };

/**
 * Reads the settings of one side. A call argument goes before the environment, and that before the default; a variable
 * that is empty counts as not set.
 * @throws PlugboardError PB-SETTING-INVALID
 */
export function readSettings<S extends Side>(side: S, given: Given<S>, env: NodeJS.ProcessEnv): SettingsOf<S> {
  const ofSide = Object.entries<Setting>(settingsSchema).filter(
    ([, { readBy }]) => readBy === "both" || readBy === side,
  );
  refuseUnknown(Object.keys(given), new Set(ofSide.map(([name]) => name)), side);
  // By name, as which of them are there depends on the side.
  const argument: Readonly<Record<string, unknown>> = given;
  const read = ofSide.map(([name, setting]) => {
    const fromCall = argument[name];
    return [
      name,
      fromCall === undefined
        ? readVariable(name, setting, env[name])
        : readArgument((side === "host" ? setting.option : undefined) ?? `settings.${name}`, setting, fromCall),
    ];
  });
  // Name and value come from the same entry of the schema, of which the type is made, too.
  return Object.fromEntries(read) as SettingsOf<S>;
}

/** A misspelt name would otherwise have no effect, and no one would notice. */
function refuseUnknown(names: readonly string[], known: ReadonlySet<string>, side: Side): void {
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    const shown = JSON.stringify(printableLine(unknown));
    throw settingError("PB-SETTING-INVALID", `settings has ${shown}, which is not a setting of a ${side}`, {
      hint: "Check the spelling, and whether plugin or host reads it; docs/settings.md lists all of them.",
    });
  }
}

function readVariable(name: string, setting: Setting, text: string | undefined): unknown {
  return text === undefined || text === "" ? setting.default : parse(name, setting, text);
}

/** An argument is checked as a variable is: types forbid less than the schema does. */
function readArgument(name: string, setting: Setting, value: unknown): unknown {
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
