import { Code } from "@connectrpc/connect";

/** A code as Connect writes it, such as "deadline_exceeded"; see https://connectrpc.com/docs/protocol/#error-codes. */
export function codeName(code: Code): string {
  // A program without types may throw an error of any number.
  const name: string = Code[code] ?? Code[Code.Unknown];
  return name.replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
}
