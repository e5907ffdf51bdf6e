import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Address, Carrier, Endpoint, Protocol } from "../../../src/address/endpoint.ts";
import { describeEndpoint } from "../../../src/address/endpoint.ts";
import type { Runtime } from "../../../src/address/runtime.ts";
import type { Capability, MethodKind } from "../../../src/client/routes/capability.ts";
import { capabilities, methodKinds } from "../../../src/client/routes/capability.ts";
import { explainRoutes } from "../../../src/client/routes/explain-routes.ts";
import type { Dialable, NegotiateInput, Offer, Routes } from "../../../src/client/routes/negotiate.ts";
import { negotiate } from "../../../src/client/routes/negotiate.ts";

const everyDialer: readonly Dialable[] = capabilities.map(({ protocol, carrier, httpVersion }) =>
  httpVersion === undefined ? { protocol, carrier } : { protocol, carrier, httpVersion },
);
const portableDialers = everyDialer.filter(({ carrier }) => ["memory", "service-binding", "http"].includes(carrier));
const nodeDialers = everyDialer;

/** Negotiation looks at an address's carrier and text; what else is in it is the dialer's business. */
function offer(protocol: Protocol, carrier: Carrier, where: string, refused?: string): Offer {
  const address = { carrier, text: where, url: where } as unknown as Address;
  const endpoint: Endpoint = { protocol, address, encrypted: where.startsWith("https:"), extensions: [], limits: {} };
  return refused === undefined ? { endpoint } : { endpoint, refused };
}

const names = (routes: Routes, kind: MethodKind) => routes[kind].routes.map((route) => route.name);
const reasons = (routes: Routes, kind: MethodKind) =>
  routes[kind].rejected.map(({ endpoint, reason }) => `${endpoint}: ${reason}`);

const atTheEdge = [offer("connect", "http", "https://host"), offer("grpc-web", "http", "https://host")];
const inAProcess = [
  offer("grpc", "unix", "unix:/a"),
  offer("connect", "unix", "unix:/a"),
  offer("grpc-web", "unix", "unix:/a"),
];

describe("negotiate", () => {
  test("gives a browser Connect over http for what fetch can send there, and says why not for the rest", () => {
    const routes = negotiate({ runtime: "browser", dialers: portableDialers, offers: atTheEdge });
    expect(names(routes, "unary")).toEqual(["http+connect", "http+grpc-web"]);
    expect(names(routes, "server_streaming")).toEqual(["http+connect", "http+grpc-web"]);
    for (const kind of ["client_streaming", "bidi_streaming"] as const) {
      expect(names(routes, kind)).toEqual([]);
      expect(reasons(routes, kind)).toEqual([
        "connect at https://host: fetch can't stream a request body in a browser",
        "grpc-web at https://host: fetch can't stream a request body in a browser",
      ]);
    }
  });

  test("gives Node and a Worker everything but bidi streams over http", () => {
    for (const runtime of ["node", "workerd"] as const) {
      const routes = negotiate({ runtime, dialers: portableDialers, offers: atTheEdge });
      for (const kind of ["unary", "server_streaming", "client_streaming"] as const) {
        expect(names(routes, kind)).toEqual(["http+connect", "http+grpc-web"]);
      }
      expect(names(routes, "bidi_streaming")).toEqual([]);
    }
  });

  test("gives Node gRPC over a Unix socket, then Connect over HTTP/2, then over HTTP/1.1", () => {
    const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers: inAProcess });
    for (const kind of ["unary", "server_streaming", "client_streaming"] as const) {
      expect(names(routes, kind)).toEqual(["unix+grpc", "unix+connect", "unix+connect (HTTP/1.1)"]);
    }
    expect(names(routes, "bidi_streaming")).toEqual(["unix+grpc", "unix+connect"]);
    expect(reasons(routes, "bidi_streaming")).toEqual([
      "connect at unix:/a (HTTP/1.1): HTTP/1.1 can't carry both directions of a call at once",
      "grpc-web at unix:/a: over Unix sockets connect() speaks ttrpc, gRPC, Connect, not gRPC-Web",
    ]);
  });

  test("gives a browser no Unix socket, though someone had made a dialer for it", () => {
    const routes = negotiate({ runtime: "browser", dialers: nodeDialers, offers: inAProcess });
    expect(names(routes, "unary")).toEqual([]);
    expect(reasons(routes, "unary")).toContain(
      "grpc at unix:/a (HTTP/2): connect() can't dial Unix sockets in a browser",
    );
  });

  test("gives a service binding to Workers only", () => {
    const offers = [offer("connect", "service-binding", "the service binding")];
    const of = (runtime: Runtime) => names(negotiate({ runtime, dialers: portableDialers, offers }), "bidi_streaming");
    expect([of("workerd"), of("node"), of("browser")]).toEqual([["service-binding+connect"], [], []]);
  });

  test("puts this process before all else", () => {
    const offers = [...atTheEdge, ...inAProcess, offer("none", "memory", "sample in this process")];
    const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers });
    expect(names(routes, "unary")).toEqual([
      "memory",
      "unix+grpc",
      "unix+connect",
      "unix+connect (HTTP/1.1)",
      "http+connect",
      "http+grpc-web",
    ]);
  });

  test("keeps the order of the offers among those that cost the same", () => {
    const hosts = ["https://b", "https://a", "https://c"];
    const offers = hosts.map((host) => offer("connect", "http", host));
    const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers });
    expect(routes.unary.routes.map((route) => route.endpoint.address.text)).toEqual(hosts);
  });

  test("takes only what is encrypted, or needs no encryption, if the caller requires it", () => {
    const offers = [
      offer("connect", "http", "http://host"),
      offer("connect", "http", "https://host"),
      offer("grpc", "unix", "unix:/a"),
      offer("none", "memory", "sample in this process"),
      offer("connect", "service-binding", "the service binding"),
    ];
    const requirements = { encryption: true };
    const onNode = negotiate({ runtime: "node", dialers: nodeDialers, offers, requirements });
    expect(names(onNode, "unary")).toEqual(["memory", "http+connect"]);
    expect(onNode.unary.routes[1]?.endpoint.address.text).toBe("https://host");
    expect(reasons(onNode, "unary")).toContain(
      "connect at http://host: not encrypted, and the caller requires encryption",
    );
    expect(reasons(onNode, "unary")).toContain(
      "grpc at unix:/a (HTTP/2): not encrypted, and the caller requires encryption",
    );
    const inWorker = negotiate({ runtime: "workerd", dialers: portableDialers, offers, requirements });
    expect(names(inWorker, "unary")).toEqual(["memory", "service-binding+connect", "http+connect"]);
  });

  test("takes only the protocols that the caller allows, and this process always", () => {
    const offers = [...inAProcess, ...atTheEdge, offer("none", "memory", "sample in this process")];
    const of = (protocols: readonly Exclude<Protocol, "none">[]) =>
      negotiate({ runtime: "node", dialers: nodeDialers, offers, requirements: { protocols } });
    expect(names(of(["grpc-web", "grpc"]), "unary")).toEqual(["memory", "unix+grpc", "http+grpc-web"]);
    expect(reasons(of(["grpc-web", "grpc"]), "unary")).toContain(
      "connect at unix:/a: the caller allows only grpc-web, grpc",
    );
    expect(names(of([]), "unary")).toEqual(["memory"]);
  });

  test("takes only the version of HTTP that the caller wants, where a carrier knows more than one", () => {
    const offers = [...inAProcess, ...atTheEdge];
    const of = (httpVersion: "1.1" | "2") =>
      negotiate({ runtime: "node", dialers: nodeDialers, offers, requirements: { httpVersion } });
    expect(names(of("1.1"), "unary")).toEqual(["unix+connect (HTTP/1.1)", "http+connect", "http+grpc-web"]);
    expect(reasons(of("1.1"), "unary")).toContain("grpc at unix:/a (HTTP/2): the caller allows only HTTP/1.1");
    expect(names(of("2"), "unary")).toEqual(["unix+grpc", "unix+connect", "http+connect", "http+grpc-web"]);
  });

  test("keeps the reason of an offer that was refused before", () => {
    const offers = [offer("grpc", "unix", "unix:/a", "can't connect there"), ...atTheEdge];
    const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers });
    expect(names(routes, "unary")).toEqual(["http+connect", "http+grpc-web"]);
    for (const kind of methodKinds) {
      expect(reasons(routes, kind)).toContain("grpc at unix:/a: can't connect there");
    }
  });

  test("takes an offer that holds for one version of HTTP over that one alone", () => {
    const connect = offer("connect", "unix", "unix:/a");
    const offers: Offer[] = [
      { ...connect, httpVersion: "2", refused: "it does not speak HTTP/2" },
      { ...connect, httpVersion: "1.1" },
    ];
    const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers });
    expect(names(routes, "unary")).toEqual(["unix+connect (HTTP/1.1)"]);
    expect(names(routes, "bidi_streaming")).toEqual([]);
    expect(reasons(routes, "unary")).toEqual(["connect at unix:/a (HTTP/2): it does not speak HTTP/2"]);
  });

  test("says which version of HTTP a protocol needs", () => {
    const offers: Offer[] = [{ ...offer("grpc", "unix", "unix:/a"), httpVersion: "1.1" }];
    const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers });
    expect(reasons(routes, "unary")).toEqual(["grpc at unix:/a (HTTP/1.1): gRPC needs HTTP/2"]);
  });

  test("takes an offer for every version of HTTP once, though it stands there for one version, too", () => {
    const every = offer("connect", "unix", "unix:/a");
    const one: Offer = { ...every, httpVersion: "1.1" };
    for (const offers of [
      [every, one],
      [one, every],
    ]) {
      const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers });
      expect(names(routes, "unary")).toEqual(["unix+connect", "unix+connect (HTTP/1.1)"]);
    }
  });

  test("says which protocol can't be spoken, and what can't be dialed where", () => {
    const offers = [offer("ttrpc", "websocket", "websocket"), offer("grpc", "unix", "unix:/a")];
    const routes = negotiate({ runtime: "browser", dialers: portableDialers, offers });
    expect(reasons(routes, "unary")).toEqual([
      "ttrpc at websocket: this connect() does not speak ttrpc over WebSockets",
      "grpc at unix:/a: connect() can't dial Unix sockets in a browser",
    ]);
  });

  test("takes an offer that works over its double that was refused, whichever comes first", () => {
    const refused = offer("connect", "http", "https://host", "can't connect there");
    const works = offer("connect", "http", "https://host");
    for (const offers of [
      [refused, works],
      [works, refused],
    ]) {
      const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers });
      expect(names(routes, "unary")).toEqual(["http+connect"]);
      expect(reasons(routes, "unary")).toEqual([]);
    }
  });

  test("gives no route, and no reason, if nothing is offered", () => {
    const routes = negotiate({ runtime: "node", dialers: nodeDialers, offers: [] });
    expect(methodKinds.map((kind) => routes[kind])).toEqual(new Array(4).fill({ routes: [], rejected: [] }));
  });
});

test("explainRoutes says which route each kind of method takes, what comes after it, and what was skipped", () => {
  const offers = [offer("grpc", "unix", "unix:/a"), ...atTheEdge];
  expect(explainRoutes(negotiate({ runtime: "browser", dialers: portableDialers, offers }))).toBe(
    [
      "unary: http+connect, then http+grpc-web",
      "server-streaming: http+connect, then http+grpc-web",
      "client-streaming: no route",
      "bidi-streaming: no route",
      "skipped: grpc at unix:/a: connect() can't dial Unix sockets in a browser",
      "skipped for client-streaming, bidi-streaming: connect, grpc-web at https://host: fetch can't stream a request body in a browser",
    ].join("\n"),
  );
});

describe("the capability table", () => {
  test("has each way once", () => {
    const ways = capabilities.map(({ protocol, carrier, httpVersion }) => `${protocol} ${carrier} ${httpVersion}`);
    expect(new Set(ways).size).toBe(ways.length);
  });

  test("gives a reason for whatever can't be carried", () => {
    for (const { carries } of capabilities) {
      for (const kinds of Object.values(carries)) {
        for (const kind of methodKinds) {
          expect(kinds[kind] === true || kinds[kind].length > 10).toBe(true);
        }
      }
    }
  });
});

describe("whatever is offered, dialed and required,", () => {
  const protocols = ["none", "ttrpc", "grpc", "grpc-web", "connect"] as const;
  const places: readonly (readonly [Carrier, string])[] = [
    ["memory", "sample in this process"],
    ["message-port", "message-port"],
    ["unix", "unix:/a"],
    ["unix", "unix:/b"],
    ["tcp", "tcp:127.0.0.1:1"],
    ["service-binding", "the service binding"],
    ["http", "http://host"],
    ["http", "https://host"],
    ["http", "https://other"],
    ["websocket", "websocket"],
  ];
  const endpoints = fc.tuple(fc.constantFrom(...protocols), fc.constantFrom(...places));
  const versions = fc.option(fc.constantFrom("1.1" as const, "2" as const), { nil: undefined, freq: 2 });
  /** One offer for each endpoint and version of HTTP, and some for every version beside those. */
  const offers = fc.uniqueArray(
    fc
      .tuple(
        endpoints,
        versions,
        fc.option(fc.constantFrom("can't connect", "not trusted"), { nil: undefined, freq: 4 }),
      )
      .map(
        ([[protocol, [carrier, text]], httpVersion, refused]): Offer => ({
          ...offer(protocol, carrier, text, refused),
          ...(httpVersion && { httpVersion }),
        }),
      ),
    {
      maxLength: 15,
      selector: ({ endpoint, httpVersion }) => `${describeEndpoint(endpoint)} ${endpoint.protocol} ${httpVersion}`,
    },
  );
  const requirements = fc.record(
    {
      encryption: fc.boolean(),
      protocols: fc.subarray(["ttrpc", "grpc", "grpc-web", "connect"] as const),
      httpVersion: fc.constantFrom("1.1" as const, "2" as const),
    },
    { requiredKeys: [] },
  );
  const carries = fc.record({
    unary: fc.oneof(fc.constant(true as const), fc.constant("not unary")),
    server_streaming: fc.oneof(fc.constant(true as const), fc.constant("not server-streaming")),
    client_streaming: fc.oneof(fc.constant(true as const), fc.constant("not client-streaming")),
    bidi_streaming: fc.oneof(fc.constant(true as const), fc.constant("not bidi-streaming")),
  });
  /** The real table, and others that say the most various things. */
  const table = fc.oneof(
    fc.constant(capabilities),
    fc.tuple(...capabilities.map((row) => withOtherCapabilities(row))).chain((rows) => fc.shuffledSubarray(rows)),
  );
  function withOtherCapabilities(row: Capability): fc.Arbitrary<Capability> {
    return fc
      .tuple(fc.record({ node: carries, workerd: carries, browser: carries }, { requiredKeys: [] }), fc.boolean())
      .map(([otherCarries, isPrivate]) => ({ ...row, carries: otherCarries, private: isPrivate }));
  }
  const inputs: fc.Arbitrary<Required<NegotiateInput<Dialable>>> = fc.record({
    runtime: fc.constantFrom("node", "workerd", "browser"),
    dialers: fc.shuffledSubarray([...everyDialer]),
    offers,
    requirements,
    tls: fc.boolean(),
    table,
  });
  const check = (property: (input: Required<NegotiateInput<Dialable>>) => void) =>
    fc.assert(fc.property(inputs, property), { numRuns: 1000 });

  test("a route's capability carries the kind of method from that runtime, and a dialer dials it", () => {
    check((input) => {
      const routes = negotiate(input);
      for (const kind of methodKinds) {
        for (const { capability, dialer, endpoint } of routes[kind].routes) {
          expect(input.table).toContain(capability);
          expect(capability.carries[input.runtime]?.[kind]).toBe(true);
          expect(input.dialers).toContain(dialer);
          expect([dialer.protocol, dialer.carrier, dialer.httpVersion]).toEqual([
            capability.protocol,
            capability.carrier,
            capability.httpVersion,
          ]);
          expect([endpoint.protocol, endpoint.address.carrier]).toEqual([capability.protocol, capability.carrier]);
          expect(["unix", "tcp"].includes(capability.carrier) && endpoint.encrypted !== input.tls).toBe(false);
        }
      }
    });
  });

  test("every route was offered, was not refused, and fulfils what the caller requires", () => {
    check((input) => {
      const { encryption = false, protocols: allowed, httpVersion } = input.requirements;
      for (const { routes } of Object.values(negotiate(input))) {
        for (const { endpoint, capability } of routes) {
          const offered = input.offers.find((each) => each.endpoint === endpoint);
          expect(offered).not.toHaveProperty("refused");
          expect([undefined, capability.httpVersion]).toContain(offered?.httpVersion);
          expect(!encryption || endpoint.encrypted || capability.private).toBe(true);
          expect(
            endpoint.protocol === "none" || allowed === undefined || allowed.some((each) => each === endpoint.protocol),
          ).toBe(true);
          expect(
            httpVersion === undefined || capability.httpVersion === undefined || capability.httpVersion === httpVersion,
          ).toBe(true);
        }
      }
    });
  });

  test("no endpoint is lost: for each kind of method it is a route or has a reason, and no way is both", () => {
    check((input) => {
      const routes = negotiate(input);
      for (const kind of methodKinds) {
        const taken = routes[kind].routes.map((route) => describeEndpoint(route.endpoint));
        const passedOver = routes[kind].rejected.map((each) => each.endpoint);
        for (const { endpoint } of input.offers) {
          const name = describeEndpoint(endpoint);
          const ways = passedOver.filter((each) => each === name || each.startsWith(`${name} (HTTP/`));
          expect(taken.includes(name) || ways.length > 0).toBe(true);
        }
        for (const { endpoint, capability } of routes[kind].routes) {
          const version = capability.httpVersion === undefined ? "" : ` (HTTP/${capability.httpVersion})`;
          expect(passedOver).not.toContain(describeEndpoint(endpoint) + version);
        }
        for (const { reason } of routes[kind].rejected) {
          expect(reason).not.toBe("");
        }
      }
    });
  });

  test("no way stands there twice", () => {
    check((input) => {
      for (const { routes } of Object.values(negotiate(input))) {
        const taken = routes.map(({ name, endpoint }) => `${name} ${endpoint.address.text}`);
        expect(new Set(taken).size).toBe(taken.length);
      }
    });
  });

  test("routes stand in the order of the table", () => {
    check((input) => {
      for (const { routes } of Object.values(negotiate(input))) {
        const costs = routes.map((route) => input.table.indexOf(route.capability));
        expect(costs).toEqual(costs.toSorted((a, b) => a - b));
      }
    });
  });

  test("the order of offers changes nothing but the order of what costs the same", () => {
    fc.assert(
      fc.property(
        inputs.chain((input) =>
          fc.tuple(fc.constant(input), fc.shuffledSubarray([...input.offers], { minLength: input.offers.length })),
        ),
        ([input, shuffled]) => {
          const one = negotiate(input);
          const other = negotiate({ ...input, offers: shuffled });
          for (const kind of methodKinds) {
            expect(names(other, kind)).toEqual(names(one, kind));
            expect(endpointsByName(other, kind)).toEqual(endpointsByName(one, kind));
            expect(reasons(other, kind).toSorted()).toEqual(reasons(one, kind).toSorted());
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("an offer that stands twice counts once", () => {
    check((input) => {
      expect(negotiate({ ...input, offers: [...input.offers, ...input.offers] })).toEqual(negotiate(input));
    });
  });

  test("the input stays as it was, and the same input gives the same routes", () => {
    check((input) => {
      const frozen = deepFreeze(structuredClone(input));
      expect(negotiate(frozen)).toEqual(negotiate(frozen));
      expect(negotiate(frozen)).toEqual(negotiate(input));
    });
  });

  function endpointsByName(routes: Routes, kind: MethodKind): Map<string, string[]> {
    const byName = new Map<string, string[]>();
    for (const { name, endpoint } of routes[kind].routes) {
      byName.set(name, [...(byName.get(name) ?? []), endpoint.address.text].toSorted());
    }
    return byName;
  }
});

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
