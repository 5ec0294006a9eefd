/**
 * The vocabulary of faults. One zod schema parses the control API, the command line, scenario files and
 * in-process tests alike, so a mistyped fault is refused the same way everywhere.
 *
 * Two families:
 * - exchange faults strike a whole HTTP exchange (or one WebSocket message) and roll their dice once per exchange;
 * - call faults strike one JSON-RPC call and roll once per item of a batch.
 */
import { z } from 'zod';

const milliseconds = z.number().min(0).max(3_600_000);

/** When a fault is active, counted from the moment it was set. Without `repeatMs` there is one window. */
const windowSchema = z.strictObject({
  afterMs: milliseconds.default(0).describe('Quiet time before the fault starts.'),
  forMs: milliseconds.optional().describe('How long it lasts; without it, until removed.'),
  repeatMs: milliseconds.optional().describe('Start again every so many ms (must exceed forMs).'),
});

const common = {
  id: z.string().min(1).max(64).optional().describe('Name to remove or replace it by; chosen when absent.'),
  probability: z.number().min(0).max(1).default(1).describe('Fraction of exchanges or calls it strikes.'),
  methods: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Method names; `eth_get*` matches a prefix.'),
  transport: z.enum(['http', 'ws', 'both']).default('both'),
  times: z.int().min(1).optional().describe('Strike at most this often, then fall silent.'),
  window: windowSchema.optional(),
};

const retryAfter = z
  .union([z.number().min(0), z.string()])
  .optional()
  .describe('Value of Retry-After: seconds, or an HTTP date as text.');

export const faultSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('latency'),
    ms: milliseconds,
    jitterMs: milliseconds.default(0).describe('Uniform ± this much; or the mean of the tail.'),
    distribution: z.enum(['uniform', 'exponential']).default('uniform'),
    ...common,
  }),
  z.strictObject({
    type: z.literal('capacity'),
    slots: z
      .int()
      .min(1)
      .max(10_000)
      .describe('Calls that it works on at once; the rest wait and are never refused.'),
    ms: milliseconds.describe('How long one call takes.'),
    ...common,
  }),
  z.strictObject({
    type: z.literal('error'),
    code: z.int().default(-32000),
    message: z.string().default('injected failure'),
    data: z.unknown().optional(),
    ...common,
  }),
  z.strictObject({
    type: z.literal('http-error'),
    status: z.int().min(400).max(599).default(503),
    body: z.string().default('<html><body>upstream unavailable</body></html>'),
    retryAfter,
    ...common,
  }),
  z.strictObject({ type: z.literal('too-many-requests'), retryAfter, ...common }),
  z.strictObject({
    type: z.literal('too-many-requests-in-body'),
    code: z.union([z.literal(429), z.literal(-32005)]).default(429),
    message: z.string().default('Too Many Requests: compute units per second exceeded'),
    ...common,
  }),
  z.strictObject({ type: z.literal('timeout'), ...common }),
  z.strictObject({
    type: z.literal('reset'),
    when: z.enum(['before-answer', 'mid-body']).default('before-answer'),
    ...common,
  }),
  z.strictObject({ type: z.literal('block-lag'), blocks: z.int().min(1).max(100_000), ...common }),
  z.strictObject({ type: z.literal('frozen-head'), ...common }),
  z.strictObject({ type: z.literal('wrong-empty'), ...common }),
  z.strictObject({ type: z.literal('fork'), depth: z.int().min(1).max(64), ...common }),
  z.strictObject({ type: z.literal('wrong-chain-id'), chainId: z.int().min(1).default(666), ...common }),
  z.strictObject({
    type: z.literal('truncated'),
    keep: z.number().min(0).max(1).default(0.5).describe('Fraction of the body that is sent.'),
    ...common,
  }),
  z.strictObject({
    type: z.literal('slow-drip'),
    chunkBytes: z.int().min(1).default(16),
    intervalMs: milliseconds.default(50),
    ...common,
  }),
  z.strictObject({
    type: z.literal('rate-limit'),
    callsPerSecond: z.number().positive(),
    burst: z.number().positive().optional().describe('Bucket size in calls; one second’s worth by default.'),
    shape: z.enum(['http', 'body']).default('http').describe('HTTP 429, or code 429 inside HTTP 200.'),
    retryAfter,
    ...common,
  }),
  z.strictObject({ type: z.literal('batch-limit'), maxCalls: z.int().min(1), ...common }),
  z.strictObject({
    type: z.literal('log-limit'),
    maxBlocks: z.int().min(1).optional(),
    maxResults: z.int().min(1).optional(),
    ...common,
  }),
  z.strictObject({ type: z.literal('unsupported'), ...common }),
]);

/** A fault as written by a person (defaults not yet filled in). */
export type FaultInput = z.input<typeof faultSchema>;
export type Fault = z.output<typeof faultSchema>;
export type FaultType = Fault['type'];
export type FaultOf<T extends FaultType> = Extract<Fault, { type: T }>;

export const faultListSchema = z.array(faultSchema).max(64);

/** Faults that strike the exchange as a whole; all others strike single calls. */
export const EXCHANGE_FAULTS: ReadonlySet<FaultType> = new Set<FaultType>([
  'latency',
  'capacity',
  'http-error',
  'too-many-requests',
  'timeout',
  'reset',
  'truncated',
  'slow-drip',
  'rate-limit',
  'batch-limit',
]);

/** One clear line per problem: `faults[0].probability: expected number ≤ 1`. */
export function describeFaultProblems(error: z.ZodError): string[] {
  return error.issues.map((issue) => {
    const path = issue.path
      .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
      .join('');
    return `${path === '' ? 'faults' : `faults${path}`}: ${issue.message}`;
  });
}
