/** Counts the loads that go on, in whichever copies of this module: several bundles may be in one process. */
const loads = Symbol.for("plugboard.withRequire.loads");

/**
 * Loads a module that has CommonJS in it, such as ws, also where all of it was bundled into ES modules: bundlers have it look for
 * a global `require` to load Node's own modules, and there is none. It is there only while modules are loaded, and knows
 * nothing but Node's modules; those that a package can do without are then not found, as it expects.
 *
 * A plugin's author could define it by esbuild's `banner`; a package can't, and a bundle without it would fail with its
 * first WebSocket. Our own bundle has no use for it, as packages stay outside.
 */
export async function withRequire<Module>(load: () => Promise<Module>): Promise<Module> {
  const found: unknown = Reflect.get(globalThis, "require");
  if (found !== undefined && !isOurs(found)) {
    return await load();
  }
  const require = found ?? Object.assign((name: string) => requireBuiltin(name), { [loads]: 0 });
  if (found === undefined) {
    Object.defineProperty(globalThis, "require", { configurable: true, value: require });
  }
  require[loads] += 1;
  try {
    return await load();
  } finally {
    require[loads] -= 1;
    if (require[loads] === 0) {
      Reflect.deleteProperty(globalThis, "require");
    }
  }
}

function isOurs(found: unknown): found is { [loads]: number } {
  return typeof found === "function" && loads in found;
}

function requireBuiltin(name: string): unknown {
  const found: unknown = process.getBuiltinModule(name);
  if (found === undefined) {
    throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
  }
  return found;
}
