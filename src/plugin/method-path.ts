import type { DescMethod } from "@bufbuild/protobuf";

/** Kept, as a text that is put together has to be hashed anew each time something is looked up by it. */
const paths = new WeakMap<DescMethod, string>();

/** Path of a method, "/package.Service/Method". */
export function methodPath(method: DescMethod): string {
  let path = paths.get(method);
  if (path === undefined) {
    path = `/${method.parent.typeName}/${method.name}`;
    paths.set(method, path);
  }
  return path;
}
