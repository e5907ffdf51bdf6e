import type { DescService } from "@bufbuild/protobuf";
import { printableLine } from "../base/printable.ts";

/** Characters of a name that an error repeats at most. */
const maxMethodLength = 200;
/** Says what a plugin is, and what it serves. */
const describePath = "/plugboard.plugin.v1.PluginService/Describe";

/**
 * The error message for a method that does not exist, the same over every route.
 * @param path As in "/package.Service/Method".
 */
export function noSuchMethodMessage(path: string): string {
  return `no such method: ${printableLine(path.slice(0, maxMethodLength))}`;
}

/** True if a path has the form of a method's. */
export function isMethodPath(path: string): boolean {
  return /^\/[^/]+\/[^/]+$/.test(path);
}

/**
 * Instructions for calls over HTTP, for a user whose path is none of a method's, such as "/" in a browser.
 * @param services The plugin's own, if everyone may call them. Undefined: callers have to say who they are, and only those
 * find out what there is.
 */
export function howToCall(services: readonly DescService[] | undefined): string {
  if (services === undefined) {
    return "methods are called by POST to /package.Service/Method, by callers that say who they are";
  }
  const example = services.find(({ methods }) => methods.length > 0);
  const path = example === undefined ? "/package.Service/Method" : `/${example.typeName}/${example.methods[0]?.name}`;
  return `methods are called by POST, as ${path} is; POST {} as application/json to ${describePath} to see all there are`;
}
