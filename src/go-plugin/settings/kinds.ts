/** A kind of values that a setting takes. */
export interface SettingKind<Value> {
  /** In words, to go on with "allowed is". */
  readonly allowed: string;
  /** Reads a value; `undefined` if it is not allowed. */
  readonly parse: (text: string) => Value | undefined;
}

const booleans: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(["true", "yes", "on", "1", "enabled"].map((word) => [word, true])),
  ...Object.fromEntries(["false", "no", "off", "0", "disabled"].map((word) => [word, false])),
};

/** Yes or no. */
export const boolean: SettingKind<boolean> = {
  allowed: "true, yes, on, 1 or enabled; false, no, off, 0 or disabled",
  parse: (text) => {
    const word = text.trim().toLowerCase();
    return Object.hasOwn(booleans, word) ? booleans[word] : undefined;
  },
};

/** A whole number. */
export function wholeNumber(from: number, to: number): SettingKind<number> {
  return {
    allowed: `a whole number from ${from} to ${to}`,
    parse: (text) => inRange(/^\d+$/, text.trim(), from, to),
  };
}

/** A number, with decimals if need be. */
export function decimalNumber(from: number, to: number): SettingKind<number> {
  return {
    allowed: `a number from ${from} to ${to}`,
    parse: (text) => inRange(/^\d+(\.\d+)?$/, text.trim(), from, to),
  };
}

function inRange(form: RegExp, text: string, from: number, to: number): number | undefined {
  const value = Number(text);
  return form.test(text) && value >= from && value <= to ? value : undefined;
}

/**
 * One of some words, in capitals or not.
 * @param others Further words, in capitals, and which of the former they stand for.
 */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  others: Readonly<Record<string, NoInfer<Word>>> = {},
): SettingKind<Word> {
  const known = new Map([...words.map((word) => [word.toUpperCase(), word] as const), ...Object.entries(others)]);
  const also = Object.entries(others).map(([other, word]) => `${other} for ${word}`);
  return {
    allowed: [`one of ${words.join(", ")}`, ...(also.length > 0 ? [`also ${also.join(", ")}`] : [])].join("; "),
    parse: (text) => known.get(text.trim().toUpperCase()),
  };
}

/** Some of some words, the preferred first; separated by commas, or a JSON array. */
export function listOf<const Word extends string>(words: readonly Word[]): SettingKind<readonly Word[]> {
  const word = oneOf(words);
  return {
    allowed: `a list of ${words.join(", ")}, separated by commas, without repetition`,
    parse(text) {
      const parsed = splitList(text)?.map(word.parse);
      const known = parsed?.filter((each) => each !== undefined);
      return known !== undefined && known.length > 0 && new Set(known).size === parsed?.length ? known : undefined;
    },
  };
}

function splitList(text: string): readonly string[] | undefined {
  if (!text.trim().startsWith("[")) {
    return text.split(",").map((part) => part.trim());
  }
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed.map(String) : undefined;
  } catch {
    return undefined;
  }
}

/** Any text of a form. */
export function text(allowed: string, form: RegExp): SettingKind<string> {
  return { allowed, parse: (given) => (form.test(given) ? given : undefined) };
}

/** A certificate or key, or the file that it is in. */
export const pem = text(
  "PEM, which begins with -----BEGIN, or file:// and an absolute path",
  /^\s*-----BEGIN |^file:\/\/\/[^\0]+$/,
);
