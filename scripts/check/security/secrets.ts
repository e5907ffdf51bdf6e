import type { Fault, Scan } from "./scan.ts";
import { keyOf, lastName, type Node, nodesOf, stringOf } from "./source.ts";

/** The forms of secrets. Each is written so that it doesn't match itself. */
const forms: readonly (readonly [name: string, form: RegExp])[] = [
  ["a private key", /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}/],
  ["a key of AWS", /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ["a token of GitHub", /\bgh[pousr]_[A-Za-z0-9]{36}/],
  ["a token of GitHub", /\bgithub_pat_[A-Za-z0-9_]{22}/],
  ["a token of npm", /\bnpm_[A-Za-z0-9]{36}\b/],
  ["a token of Slack", /\bxox[abprs]-[A-Za-z0-9-]{10}/],
  ["a key of Google's", /\bAIza[A-Za-z0-9_-]{35}\b/],
  ["a key of Anthropic's or OpenAI's", /\bsk-[A-Za-z0-9_-]{32}/],
  ["a key of Stripe's", /\b[rs]k_live_[A-Za-z0-9]{20}/],
  ["a signed JWT", /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20}/],
];

const passwordInAddress = /^[a-z][a-z0-9+]{0,10}:\/\/[^\s:@/]{0,64}:[^\s:@/]{8,64}@/;

const secretNames = /(?:password|passwd|secret|token|api_?key|private_?key|credential)s?$/i;
const placeholder = /^(?:[a-z]+(?:[-_ .:/][a-z]+)*|x+|\*+|<.*>|\$\{.*)$/i;

/** The secrets in any text, of whatever language, by their form. */
export function secretsIn(text: string): readonly Fault[] {
  return forms.flatMap(([name, form]) => {
    const index = text.search(form);
    return index === -1 ? [] : [{ node: { start: index }, message: `${name} stands here: revoke it, and take it out` }];
  });
}

/** Strings that are secrets by the name that they are given, and look as if drawn by chance. */
export const secrets: Scan = {
  name: "secrets",
  *find(source) {
    yield* secretsIn(source.text);
    for (const { node } of nodesOf(source, "Literal")) {
      if (typeof node.value === "string" && passwordInAddress.test(node.value)) {
        yield { node, message: "a password stands in this address: read it from the environment" };
      }
    }
    for (const { node } of nodesOf(source, "Property")) {
      yield* named(keyOf(node), node.value);
    }
    for (const { node } of nodesOf(source, "VariableDeclarator")) {
      yield* named(lastName(node.id), node.init ?? undefined);
    }
    for (const { node } of nodesOf(source, "AssignmentExpression")) {
      yield* named(lastName(node.left), node.right);
    }
  },
};

function* named(name: string | undefined, value: Node | undefined): Generator<Fault> {
  const text = stringOf(value);
  if (value !== undefined && text !== undefined && secretNames.test(name ?? "") && looksDrawn(text)) {
    yield { node: value, message: `${name} holds what looks like a secret: read it from the environment` };
  }
}

/** At least 20 characters of at least 3.5 bits each, by how often each character occurs. */
function looksDrawn(text: string): boolean {
  if (text.length < 20 || /\s/.test(text) || placeholder.test(text)) {
    return false;
  }
  const counts = Map.groupBy(text, (character) => character);
  const bits = [...counts.values()].map(({ length }) => (length / text.length) * Math.log2(text.length / length));
  return bits.reduce((sum, each) => sum + each, 0) >= 3.5;
}
