/**
 * Checks that every relative link of README, docs and the other pages leads to a file, and its #anchor to a heading there.
 * What a page of the packed package links to has to be in the package, too.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, normalize } from "node:path";

const pages = globSync([
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "docs/**/*.md",
  "examples/**/README.md",
  "packages/*/README.md",
]);

interface Link {
  readonly page: string;
  readonly line: number;
  readonly target: string;
}

/** The page without its code: that has the same brackets, and means no links. Lines stay where they are. */
function prose(page: string): string {
  const blank = (code: string) => code.replace(/[^\n]/g, " ");
  return readFileSync(page, "utf8")
    .replace(/^(`{3,}).*\n[\s\S]*?^\1$/gm, blank)
    .replace(/<!--[\s\S]*?-->/g, blank);
}

function linksOf(page: string): readonly Link[] {
  return prose(page)
    .split("\n")
    .flatMap((text, index) =>
      [...text.replace(/`[^`]*`/g, "``").matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map(
        ([, inline, attribute]) => ({ page, line: index + 1, target: inline ?? attribute ?? "" }),
      ),
    )
    .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose(page).matchAll(/^#{1,6} +(.+?)\s*$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = text.replace(/[^\p{L}\p{N}\p{M} _-]/gu, "").replaceAll(" ", "-");
    let anchor = slug;
    for (let copy = 1; anchors.has(anchor); copy += 1) {
      anchor = `${slug}-${copy}`;
    }
    anchors.add(anchor);
  }
  return anchors;
}

/** The files of the package, as npm packs them. */
function packedFiles(): ReadonlySet<string> {
  const { status, stdout, stderr } = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const start = stdout.search(/[[{]/);
  if (status !== 0 || start === -1) {
    throw new Error(`npm pack lists no files: ${stderr}`);
  }
  // npm prints a list of packages, or from version 12 on a record of them by name.
  const packages: readonly { files: readonly { path: string }[] }[] = Object.values(JSON.parse(stdout.slice(start)));
  return new Set(packages.flatMap(({ files }) => files.map(({ path }) => path)));
}

const packed = packedFiles();
const anchors = new Map<string, ReadonlySet<string>>();

function faultOf({ page, target }: Link): string | undefined {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? page : normalize(`${dirname(page)}/${path}`).replace(/\/$/, "");
  if (file.startsWith("..")) {
    return "that is out of the repository";
  }
  if (!existsSync(file)) {
    return "there is no such file";
  }
  if (packed.has(page) && ![...packed].some((each) => each === file || each.startsWith(`${file}/`))) {
    return "the package lacks that file: name it in `files` of package.json, or link to its address";
  }
  if (anchor === undefined || !file.endsWith(".md")) {
    return undefined;
  }
  const known = anchors.get(file) ?? anchorsOf(file);
  anchors.set(file, known);
  return known.has(anchor) ? undefined : "that page has no such heading";
}

const links = pages.flatMap(linksOf);
const faults = links.flatMap((link) => {
  const fault = faultOf(link);
  return fault === undefined ? [] : [`${link.page}:${link.line}: ${link.target}: ${fault}`];
});

if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exitCode = 1;
} else {
  console.log(`${links.length} links of ${pages.length} pages resolve, also in the package`);
}
