/**
 * The folders of src/, lowest first. A folder may import itself and what stands before it. Those that share a place may
 * not import each other.
 */
const layers = [
  ["gen"],
  ["base"],
  ["plugin"],
  ["call"],
  ["http", "memory", "telemetry", "policy", "services"],
  ["serving"],
  ["ttrpc"],
  ["address"],
  ["client"],
  ["node", "edge"],
  ["go-plugin"],
  ["plugin-process"],
  ["host"],
];

/** What each entry point of the package may import. */
const portable = layers.flat().slice(0, layers.flat().indexOf("node"));
const entries = {
  index: portable,
  browser: portable,
  edge: [...portable, "edge"],
  telemetry: ["gen", "base", "plugin", "call", "telemetry"],
  node: layers.flat().filter((folder) => folder !== "edge"),
};

const inFolders = (folders) => `^src/(${folders.join("|")})/`;
const inEntries = (names) => `^src/(${names.join("|")})[.]ts$`;

const layerRules = layers.flatMap((together, place) =>
  together.map((folder) => {
    const below = [folder, ...layers.slice(0, place).flat()];
    return {
      name: `layer-${folder}`,
      comment: `src/${folder}/ may import ${below.join(", ")}.`,
      severity: "error",
      from: { path: inFolders([folder]) },
      to: { path: "^src/", pathNot: inFolders(below) },
    };
  }),
);

const entryRules = Object.entries(entries).map(([entry, folders]) => ({
  name: `entry-${entry}`,
  comment: `src/${entry}.ts may import ${folders.join(", ")}.`,
  severity: "error",
  from: { path: inEntries([entry]) },
  // That of browsers has the place of ./index.ts, and all that is in it.
  to: { path: "^src/", pathNot: [inFolders(folders), ...(entry === "browser" ? [inEntries(["index"])] : [])] },
}));

const runsAnywhere = { path: [inFolders([...portable, "edge"]), inEntries(["index", "browser", "edge", "telemetry"])] };

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    ...layerRules,
    ...entryRules,
    {
      name: "known-places",
      comment: "A new folder or entry point of src/ needs its place in this file.",
      severity: "error",
      from: { path: "^src/", pathNot: [inFolders(layers.flat()), inEntries(Object.keys(entries))] },
      to: {},
    },
    {
      name: "portable-no-connect-node",
      comment: "Portable code runs in a browser: not the transports that need Node.",
      severity: "error",
      from: runsAnywhere,
      to: { path: "(^|node_modules/)@connectrpc/connect-node(/|$)" },
    },
    {
      name: "portable-no-node",
      comment: "Portable code runs in a browser: no built-in module of Node.",
      severity: "error",
      from: runsAnywhere,
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "portable-no-cloudflare",
      comment: "Portable code runs in a browser: nothing of Cloudflare's.",
      severity: "error",
      from: runsAnywhere,
      to: { path: ["^cloudflare:", "(^|node_modules/)(@cloudflare|wrangler|miniflare|workerd)(/|$)"] },
    },
    {
      name: "telemetry-stands-alone",
      comment: "Who does not ask for OpenTelemetry does not load it.",
      severity: "error",
      from: { path: inEntries(["index", "browser", "node", "edge"]) },
      to: { path: "(^|node_modules/)@opentelemetry/", reachable: true },
    },
    {
      name: "src-stands-alone",
      comment: "What is published imports nothing that is not.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|examples|workers|bench|scripts|packages)/" },
    },
    {
      name: "core-needs-no-package",
      comment: "The core works without the packages that stand on it.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "(^|node_modules/)@plugboard/" },
    },
    {
      name: "packages-stand-on-entry-points",
      comment:
        "A package imports plugboard, plugboard/node, plugboard/edge or plugboard/telemetry, as anybody's could.",
      severity: "error",
      from: { path: "^packages/[^/]+/src/" },
      to: {
        path: "^(src|test|examples|workers|bench|scripts)/",
        pathNot: inEntries(Object.keys(entries)),
      },
    },
    {
      name: "entry-points-by-name",
      comment: "A package imports an entry point by its name, not by its path.",
      severity: "error",
      from: { path: "^packages/[^/]+/src/" },
      to: { path: inEntries(Object.keys(entries)), dependencyTypes: ["local"] },
    },
    {
      name: "packages-stand-apart",
      comment: "A package imports another by its name.",
      severity: "error",
      from: { path: "^packages/([^/]+)/src/" },
      to: { path: "^packages/", pathNot: "^packages/$1/src/", dependencyTypes: ["local"] },
    },
    {
      name: "public-interface",
      comment:
        "Examples and Workers import plugboard, plugboard/node, plugboard/edge or plugboard/telemetry, as their readers will.",
      severity: "error",
      from: { path: "^(examples|workers)/" },
      to: { path: "^(src|test|bench|scripts)/", dependencyTypes: ["local"] },
    },
    {
      name: "no-cycle",
      comment: "Data flows one way.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    // Type-only imports cross layers like any other.
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["plugboard-source", "import", "default"],
    },
  },
};
