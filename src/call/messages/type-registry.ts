import type { DescFile, DescService, Registry } from "@bufbuild/protobuf";
import { createRegistry } from "@bufbuild/protobuf";

/**
 * Every type that is declared in the files of some services and in all files that those import: what a
 * `google.protobuf.Any` or an extension can hold where messages travel as JSON.
 */
export function typesOf(services: readonly DescService[]): Registry {
  return createRegistry(...withDependencies(services.map((service) => service.file)));
}

/** Some files, and all files that they import, each of them once. */
export function withDependencies(files: readonly DescFile[]): ReadonlySet<DescFile> {
  const all = new Set(files);
  // A set can grow while it is walked.
  for (const file of all) {
    for (const dependency of file.dependencies) {
      all.add(dependency);
    }
  }
  return all;
}
