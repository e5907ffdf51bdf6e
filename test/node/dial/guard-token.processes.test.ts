import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "plugboard/node";
import { afterAll, describe, expect, test } from "vitest";
import { MarkdownService } from "../../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { strangerAt } from "../../../src/node/own-place.ts";
import { startStandalone } from "../../support/standalone.ts";

const files = mkdtempSync(join(tmpdir(), "guard-token-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));

const serveMarkdown = ["node", "--conditions=plugboard-source", "examples/markdown/serve.ts"] as const;
const otherUser = 65_534;

// Only root can give a socket to another user.
describe.runIf(process.geteuid?.() === 0)("with a token, at a Unix socket of another user", () => {
  test.each([
    ["ttrpc", undefined],
    ["gRPC", { protocols: ["grpc"] }],
    ["Connect", { protocols: ["connect"] }],
    ["Connect on HTTP/1.1", { protocols: ["connect"], httpVersion: "1.1" }],
  ] as const)("over %s no connection is opened where others may put sockets", async (_, require) => {
    const place = mkdtempSync(join(files, "place-"));
    const socket = join(place, "p.sock");
    const first = await startStandalone([...serveMarkdown], `unix:${socket}`);
    const options = { token: "a-token-of-mine", ...(require && { require }) };
    await using early = await connect(`unix:${socket}`, options);
    const call = () => early.client(MarkdownService).render({ markdown: "hi" });
    await call();
    await first.stop();
    const { stop } = await startStandalone([...serveMarkdown], `unix:${socket}`);
    try {
      chmodSync(place, 0o1777);
      lchownSync(socket, otherUser, otherUser);
      const refused = { rawMessage: expect.stringMatching(/^PB-TOKEN-INSECURE: .*another user \(65534\)/) };
      await expect(call()).rejects.toMatchObject(refused);
      await expect(connect(`unix:${socket}`, options)).rejects.toMatchObject(refused);
      // Without a token there is nothing to lose.
      await using plain = await connect(`unix:${socket}`);
      await plain.client(MarkdownService).render({ markdown: "hi" });

      lchownSync(socket, 0, 0);
      await call();
    } finally {
      await stop();
    }
  });

  test("it is its owner's place if all directories on the way are that user's, this one's or root's alone", () => {
    // Everybody may make something in the one, only root in what is above the other.
    const shared = mkdtempSync(join(tmpdir(), "shared-"));
    const clean = mkdtempSync(join(homedir(), ".guard-token-"));
    const place = (directory: string, name: string, uid: number, mode = 0o755) => {
      const made = join(directory, name);
      mkdirSync(made);
      writeFileSync(join(made, "p.sock"), "");
      chownSync(join(made, "p.sock"), otherUser, otherUser);
      chownSync(made, uid, uid);
      chmodSync(made, mode);
      return join(made, "p.sock");
    };
    const link = (from: string, to: string, uid = 0) => {
      symlinkSync(to, from);
      lchownSync(from, uid, uid);
      return from;
    };
    try {
      const service = place(clean, "service", otherUser);
      const inShared = place(shared, "made", otherUser);
      const trusted = [service, place(clean, "roots", 0), `${clean}/roots/../service/p.sock`];
      trusted.push(link(join(clean, "to-it"), service), link(join(clean, "relative"), "./service/p.sock"));
      trusted.push(join(link(join(clean, "directory"), "service"), "p.sock"), join(clean, "missing"));
      const others = [
        inShared,
        link(join(clean, "to-shared"), inShared),
        link(join(shared, "back"), service, otherUser),
      ];
      others.push(place(clean, "third", otherUser - 1), link(join(clean, "third", "link"), service, otherUser - 1));
      others.push(place(clean, "group", otherUser, 0o775), place(clean, "sticky", otherUser, 0o1777));
      others.push(join(link(join(clean, "tmp"), join(shared, "made")), "p.sock"));
      expect(trusted.filter((each) => strangerAt(each) !== undefined)).toEqual([]);
      expect(others.filter((each) => strangerAt(each) !== otherUser)).toEqual([]);
    } finally {
      rmSync(shared, { recursive: true });
      rmSync(clean, { recursive: true });
    }
  });
});
