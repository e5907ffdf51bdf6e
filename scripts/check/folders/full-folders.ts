/** The most files that a folder may hold: more than that have a second idea among them, which gets a folder of its own. */
export const mostFiles = 15;

/** The folders of code. Elsewhere each page or setting has the place that its reader or its tool expects. */
const code = /^(?:src|test|examples|bench|scripts|workers|packages)\//;

/**
 * The folders that hold too many files, and how many.
 * @param files Paths from the repository's root, as Git has them: what is generated is not among them.
 */
export function fullFolders(files: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const file of files) {
    if (code.test(file)) {
      const folder = file.slice(0, file.lastIndexOf("/"));
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
  }
  return new Map([...counts].filter(([, count]) => count > mostFiles));
}
