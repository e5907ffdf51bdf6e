import { collect } from "../base/chunks.ts";
import type { CallHandler } from "./wire/carrier.ts";

/** Seconds that a manifest is good without asking. */
const maxAgeSeconds = 60;

/**
 * Lets browsers and caches keep a manifest that was requested by GET, and ask by its ETag whether theirs is still good.
 * @param personal True if it is for known callers only, and so for their browsers' caches alone.
 */
export function cacheableManifest(handle: CallHandler, personal: boolean): CallHandler {
  return async (request, requestId) => {
    const response = await handle(request, requestId);
    const { status, contentType = "", body } = response;
    if (request.method !== "GET" || status !== 200 || body === undefined) {
      return response;
    }
    const whole = body instanceof Uint8Array ? body : await collect(body);
    const tag = await entityTag(whole);
    // What a known caller was told may not be for others.
    const audience = personal || request.header.has("Authorization") ? "private" : "public";
    const fields = { "Cache-Control": `${audience}, max-age=${maxAgeSeconds}`, ETag: tag };
    if (matches(request.header.get("If-None-Match"), tag)) {
      return { status: 304, header: new Headers(fields) };
    }
    const header = response.header ?? new Headers({ "Content-Type": contentType });
    for (const [name, value] of Object.entries(fields)) {
      header.set(name, value);
    }
    return { ...response, header, body: whole };
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
