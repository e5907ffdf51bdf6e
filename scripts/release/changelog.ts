/** The sections of CHANGELOG.md: `## Unreleased`, then `## VERSION - DATE` for each version. */

/**
 * Gives what is unreleased the heading of a version, and opens an empty section above it; a changelog that has the version's
 * section stays as it is.
 * @throws Error if nothing is unreleased.
 */
export function openSection(changelog: string, version: string, date: string): string {
  if (sectionOf(changelog, version) !== undefined) {
    return changelog;
  }
  if (sectionOf(changelog, "Unreleased") === undefined) {
    throw new Error("CHANGELOG.md has nothing under ## Unreleased: say what changed");
  }
  return changelog.replace(/^## Unreleased$/m, `## Unreleased\n\n## ${version} - ${date}`);
}

/** The text under the heading of a version; undefined if there is none, or nothing. */
export function sectionOf(changelog: string, version: string): string | undefined {
  const section = changelog.split(/^## /m).find((each) => each.split(/[ \n]/, 1)[0] === version);
  const body = section?.split("\n").slice(1).join("\n").trim();
  return body === "" ? undefined : body;
}
