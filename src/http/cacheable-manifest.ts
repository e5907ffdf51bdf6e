import { collect, onePiece } from "../base/chunks.ts";
import type { HttpCallHandler } from "./http-call.ts";

/** Seconds that a manifest is good without asking. */
const maxAgeSeconds = 60;

/**
 * Lets browsers and caches keep a manifest that was requested by GET, and ask by its ETag whether theirs is still good.
 * @param personal True if it is for known callers only, and so for their browsers' caches alone.
 */
export function cacheableManifest(handle: HttpCallHandler, personal: boolean): HttpCallHandler {
  return async (request, keepAlive) => {
    const response = await handle(request, keepAlive);
    if (request.method !== "GET" || response.status !== 200 || response.body === undefined) {
      return response;
    }
    const whole = await collect(response.body);
    const tag = await entityTag(whole);
    // What a known caller was told may not be for others.
    const audience = personal || request.header.has("Authorization") ? "private" : "public";
    const fields = { "Cache-Control": `${audience}, max-age=${maxAgeSeconds}`, ETag: tag };
    if (matches(request.header.get("If-None-Match"), tag)) {
      return { status: 304, header: new Headers(fields) };
    }
    const header = new Headers(response.header);
    for (const [name, value] of Object.entries(fields)) {
      header.set(name, value);
    }
    return { ...response, header, body: onePiece(whole) };
  };
}

async function entityTag(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `"${Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}

/** Tags are compared weakly (RFC 9110, section 13.1.2): a proxy that compresses makes weak ones of them. */
function matches(wanted: string | null, tag: string): boolean {
  return wanted === "*" || (wanted?.match(/"[^"]*"/g)?.includes(tag) ?? false);
}
