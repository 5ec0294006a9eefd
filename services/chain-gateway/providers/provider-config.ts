/** One provider as the gateway uses it, after parsing (see providers-file.ts for the file's schema). */
export interface ProviderConfig {
  readonly id: string;
  readonly url: string;
  /** For subscriptions; derived by nobody: providers differ. */
  readonly wsUrl?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** 1 is used first; a higher tier only when no lower one can serve. */
  readonly tier: number;
  /** Relative preference inside a tier. */
  readonly weight: number;
  /** Price of a million compute units in `currency` of the file; ties are broken by it. */
  readonly pricePerMillionUnits: number;
  /** Compute units by method where the provider's price list differs from ours. */
  readonly units: Readonly<Record<string, number>>;
  readonly limits: {
    readonly callsPerSecond?: number | undefined;
    readonly maxInFlight: number;
    /** Most blocks in one eth_getLogs. */
    readonly maxLogRange?: number | undefined;
  };
  readonly methods: { readonly allow: readonly string[]; readonly deny: readonly string[] };
  readonly connections: number;
  readonly http2: boolean;
  /** Most calls joined into one HTTP request; 1 for providers without JSON-RPC batches. */
  readonly maxJoin: number;
  readonly attemptTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Taken out by the operator in the file; traffic goes elsewhere, probes go on. */
  readonly cordoned: boolean;
}

export const PROVIDER_DEFAULTS = {
  tier: 1,
  weight: 1,
  pricePerMillionUnits: 0,
  maxInFlight: 2_000,
  connections: 32,
  maxJoin: 20,
  attemptTimeoutMs: 5_000,
  connectTimeoutMs: 2_000,
} as const;

/** A provider known by its URL only, as with RPC_URLS. */
export function providerFromUrl(id: string, url: string): ProviderConfig {
  return {
    id,
    url,
    headers: {},
    tier: PROVIDER_DEFAULTS.tier,
    weight: PROVIDER_DEFAULTS.weight,
    pricePerMillionUnits: PROVIDER_DEFAULTS.pricePerMillionUnits,
    units: {},
    limits: { maxInFlight: PROVIDER_DEFAULTS.maxInFlight },
    methods: { allow: [], deny: [] },
    connections: PROVIDER_DEFAULTS.connections,
    http2: false,
    maxJoin: PROVIDER_DEFAULTS.maxJoin,
    attemptTimeoutMs: PROVIDER_DEFAULTS.attemptTimeoutMs,
    connectTimeoutMs: PROVIDER_DEFAULTS.connectTimeoutMs,
    cordoned: false,
  };
}

/** A method pattern of an allow or deny list: an exact name, or a prefix that ends in `*`. */
export function matchesMethod(patterns: readonly string[], method: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? method.startsWith(pattern.slice(0, -1)) : pattern === method,
  );
}
