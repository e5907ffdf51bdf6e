import { chmodSync, chownSync, lchownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "plugboard/node";
import { afterAll, describe, expect, test } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";
import { startStandalone } from "./standalone.ts";

const files = mkdtempSync(join(tmpdir(), "guard-token-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));

const serveMarkdown = ["node", "--conditions=plugboard-source", "examples/markdown/serve.ts"] as const;
const nobody = 65_534;

// Only root can give a socket to another user.
describe.runIf(process.geteuid?.() === 0)("with a token, at a Unix socket of another user", () => {
  test.each([
    ["ttrpc", undefined],
    ["gRPC", "grpc"],
    ["Connect", "connect"],
  ] as const)(
    "over %s a call is refused where others may put sockets, and made where they may not",
    async (_, protocol) => {
      const place = mkdtempSync(join(files, "place-"));
      const socket = join(place, "p.sock");
      const { stop } = await startStandalone([...serveMarkdown], `unix:${socket}`);
      const options = { token: "a-token-of-mine", ...(protocol && { require: { protocols: [protocol] } }) };
      try {
        await using early = await connect(`unix:${socket}`, options);
        await early.client(MarkdownService).render({ markdown: "hi" });
        chmodSync(place, 0o1777);
        lchownSync(socket, nobody, nobody);
        const refused = { rawMessage: expect.stringMatching(/^PB-TOKEN-INSECURE: .*another user \(65534\)/) };
        await expect(early.client(MarkdownService).render({ markdown: "hi" })).rejects.toMatchObject(refused);
        await expect(connect(`unix:${socket}`, options)).rejects.toMatchObject(refused);
        // Without a token there is nothing to lose.
        await using plain = await connect(`unix:${socket}`);
        await plain.client(MarkdownService).render({ markdown: "hi" });

        chmodSync(place, 0o755);
        chownSync(place, nobody, nobody);
        await early.client(MarkdownService).render({ markdown: "hi" });
      } finally {
        await stop();
      }
    },
  );
});
