import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { authError } from "./errors.ts";

/** The access rule of a method, from its contract. */
export interface AccessRule {
  /** True if it needs no caller. */
  readonly public: boolean;
  /** The scopes that a caller needs, all of them. */
  readonly requiredScopes: readonly string[];
}

/**
 * The numbers of the options in `plugboard/access/v1/access.proto`. With its generated code, which is not used here, a Worker
 * would have all of protobuf's reflection of extensions, for these two.
 */
const optionNumber = { public: 79501, requiredScopes: 79502 } as const;

const rules = new WeakMap<DescMethod, AccessRule>();

/** Reads the rule of a method, the options of `plugboard/access/v1/access.proto`. */
export function accessRule(method: DescMethod): AccessRule {
  let rule = rules.get(method);
  if (rule === undefined) {
    rule = readRule(method);
    rules.set(method, rule);
  }
  return rule;
}

function readRule({ proto }: DescMethod): AccessRule {
  let isPublic = false;
  const requiredScopes: string[] = [];
  for (const { no, data } of proto.options?.$unknown ?? []) {
    if (no === optionNumber.public) {
      isPublic = new BinaryReader(data).bool();
    } else if (no === optionNumber.requiredScopes) {
      requiredScopes.push(new BinaryReader(data).string());
    }
  }
  return { public: isPublic, requiredScopes };
}

/** A scope-token of RFC 6749, section 3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * Checks that the rules in a contract can hold.
 * @param guarded True if callers will be known.
 * @throws PlugboardError PB-ACCESS-RULE if a rule contradicts itself, PB-ACCESS-UNGUARDED if no one would enforce it.
 */
export function checkAccessRules(services: readonly DescService[], guarded: boolean): void {
  for (const method of services.flatMap((service) => service.methods)) {
    const rule = accessRule(method);
    const name = `${method.parent.typeName}/${method.name}`;
    if (rule.public && rule.requiredScopes.length > 0) {
      throw authError("PB-ACCESS-RULE", `${name} is public and requires scopes`);
    }
    const wrong = rule.requiredScopes.find((scope) => !scopeToken.test(scope));
    if (wrong !== undefined) {
      throw authError("PB-ACCESS-RULE", `${name} requires ${JSON.stringify(wrong)}, which is not a scope`);
    }
    if (!guarded && rule.requiredScopes.length > 0) {
      throw authError(
        "PB-ACCESS-UNGUARDED",
        `${name} requires the scope ${rule.requiredScopes[0]}, and the plugin is served without auth`,
      );
    }
  }
}
