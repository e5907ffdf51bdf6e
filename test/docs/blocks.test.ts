import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempDisposableSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const pages = ["README.md", ...globSync("docs/**/*.md", { cwd: root })];

/** A fenced block of a page. */
interface Block {
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** What a page's readers know from the text around: a comment `<!-- given: ... -->` that ends on the line above. */
  readonly given: string;
}

function blocksOf(page: string): readonly Block[] {
  const text = readFileSync(join(root, page), "utf8");
  const fences = /(?:<!-- given:\n((?:(?!-->)[\s\S])*)-->\n)?^```(\w+)\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(fences)].map(([all, given = "", language = "", body = ""], index) => {
    const at = [...text.matchAll(fences)][index]?.index ?? 0;
    const line = text.slice(0, at + all.indexOf(`\`\`\`${language}\n`)).split("\n").length + 1;
    return { page, line, language, text: body, given };
  });
}

const blocks = pages.flatMap(blocksOf);

/** Its files: one that begins with `// name.ts` has that name. */
function filesOf({ page, line, text, given }: Block): readonly (readonly [name: string, text: string])[] {
  const folder = basename(page, ".md");
  const parts = text.split(/^(?=\/\/ [\w/-]+\.ts\b)/m).filter((part) => part.trim() !== "");
  return parts.map((part, index) => {
    const name = /^\/\/ ([\w/-]+\.ts)\b/.exec(part)?.[1] ?? `line-${line}${index === 0 ? "" : `-${index}`}.ts`;
    return [`${folder}/${name}`, `${given}${part}\nexport {};\n`];
  });
}

/** What the blocks import that no block shows. */
function ownFiles(folder: string): readonly (readonly [name: string, text: string])[] {
  const generated = (path: string) => `export * from ${JSON.stringify(join(root, path))};\n`;
  const examples = JSON.stringify(join(root, "examples/markdown/plugin.ts"));
  return [
    [`${folder}/gen/markdown_pb.ts`, generated("examples/gen/examples/markdown/v1/markdown_pb.ts")],
    [`${folder}/gen/kv_pb.ts`, generated("test/gen/interop/goplugin/examples_pb.ts")],
    [
      `${folder}/gen/notes_pb.ts`,
      `${generated("examples/gen/examples/notes/v1/notes_pb.ts")}
       import type { Message } from "@bufbuild/protobuf";
       import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
       export declare const NotesConfigSchema: GenMessage<Message<"notes.v1.NotesConfig"> & { path: string }>;`,
    ],
    [
      `${folder}/database.ts`,
      `export declare function openDatabase(path: string): Promise<{ add(text: string): { text: string }; close(): void }>;`,
    ],
    [
      `${folder}/stdio-carrier.ts`,
      `export * from ${JSON.stringify(join(root, "examples/carriers/stdio-carrier.ts"))};`,
    ],
    [`${folder}/plugin.ts`, `export { default } from ${examples};`],
    ...(folder === "README" ? [] : [[`${folder}/markdown.ts`, `export { default } from ${examples};`] as const]),
    [
      `${folder}/workers.d.ts`,
      `declare module "cloudflare:workers" { export const env: { readonly API_TOKEN: string }; }`,
    ],
  ];
}

test("every block of TypeScript in README.md and docs/ type-checks, in a project of its own", () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-blocks-"));
  const write = (name: string, text: string) => {
    const path = join(folder.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  for (const [name, text] of pages.flatMap((page) => ownFiles(basename(page, ".md")))) {
    write(name, text);
  }
  const files = blocks.filter(({ language }) => language === "ts").flatMap(filesOf);
  expect(files.length).toBeGreaterThan(20);
  for (const [name, text] of files) {
    write(name, text);
  }
  mkdirSync(join(folder.path, "node_modules"));
  symlinkSync(root, join(folder.path, "node_modules/plugboard"));
  for (const scope of ["@bufbuild", "@connectrpc"]) {
    symlinkSync(join(root, "node_modules", scope), join(folder.path, "node_modules", scope));
  }
  write("package.json", JSON.stringify({ type: "module" }));
  write(
    "tsconfig.json",
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions: { typeRoots: [join(root, "node_modules/@types")] },
      include: ["**/*.ts"],
      exclude: ["node_modules"],
    }),
  );
  const { stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder.path, "--pretty", "false"], {
    cwd: folder.path,
    encoding: "utf8",
  });
  expect(stdout).toBe("");
}, 120_000);

/** Commands that stand alone in a page: blocks of sh, and indented lines that begin with a program. */
function commandsOf(page: string): readonly string[] {
  const text = readFileSync(join(root, page), "utf8");
  const indented = text
    .replace(/^```[\s\S]*?^```$/gm, "")
    .split("\n")
    .filter((line) => /^ {4}[a-z]\S* /.test(line));
  const fenced = blocks
    .filter((block) => block.page === page && block.language === "sh")
    .flatMap((block) => block.text.split("\n"));
  const inline = [...text.matchAll(/`(node (?!-e)[^`]*)`/g)].map(([, command = ""]) => command);
  return [...indented, ...fenced, ...inline].map((line) => line.trim());
}

test.each(pages)("no command in %s takes for granted which Node is on the PATH", (page) => {
  expect(commandsOf(page).filter((command) => /^node\s/.test(command))).toEqual([]);
});

test("every script of npm that README.md and docs/ name is there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const named = pages.flatMap((page) =>
    [...readFileSync(join(root, page), "utf8").matchAll(/`?npm run ([\w:]+)/g)].map(([, name = ""]) => name),
  );
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});
