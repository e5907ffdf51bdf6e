/**
 * Loads a module that has CommonJS in it, such as ws, also where all of it was bundled into ES modules: bundlers have it look for
 * a global `require` to load Node's own modules, and there is none. It is there only while the module is loaded, and knows
 * nothing but Node's modules; those that a package can do without are then not found, as it expects.
 */
export async function withRequire<Module>(load: () => Promise<Module>): Promise<Module> {
  if ("require" in globalThis) {
    return await load();
  }
  Object.defineProperty(globalThis, "require", { configurable: true, value: requireBuiltin });
  try {
    return await load();
  } finally {
    Reflect.deleteProperty(globalThis, "require");
  }
}

function requireBuiltin(name: string): unknown {
  const found: unknown = process.getBuiltinModule(name);
  if (found === undefined) {
    throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
  }
  return found;
}
