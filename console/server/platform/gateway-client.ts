import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import type { ServiceClient } from '../../../lib/service-client.ts';

/** What the console asks of the gateway. The gateway's schemas are its own; here is what is shown. */

const providersSchema = z.object({
  chainId: z.number(),
  head: z.object({
    served: z.number().nullable(),
    safe: z.number().nullable(),
    finalized: z.number().nullable(),
  }),
  providers: z.array(
    z.object({
      id: z.string(),
      rank: z.number(),
      usable: z.boolean(),
      excluded: z.string().nullable(),
      score: z.number(),
      reasons: z.array(z.string()),
      tier: z.number(),
      breaker: z.string(),
      errorRate: z.number(),
      latencyMs: z.object({ p50: z.number().nullable(), p95: z.number().nullable() }),
      head: z.number().nullable(),
      inFlight: z.number(),
      rateLimit: z.object({
        callsPerSecond: z.number().nullable(),
        learned: z.boolean(),
        pausedMs: z.number(),
      }),
      cordonedBy: z.string().nullable(),
    }),
  ),
});

export const transactionSchema = z.object({
  id: z.string(),
  chainId: z.number(),
  state: z.string(),
  signer: z.object({ alias: z.string(), address: z.string().nullable() }),
  to: z.string(),
  contract: z.string().nullable(),
  function: z.string().nullable(),
  nonce: z.number().nullable(),
  hash: z.string().nullable(),
  confirmations: z.number(),
  outcome: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  waitingReason: z.string().nullable(),
  urgency: z.string(),
  purpose: z.string().nullable(),
  requestedBy: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type TransactionView = z.output<typeof transactionSchema>;

const lanesSchema = z.object({
  lanes: z.array(
    z.object({
      signer: z.string(),
      pool: z.string(),
      nextNonce: z.number(),
      paused: z.object({ reason: z.string(), since: z.string() }).nullable(),
      open: z.number(),
      prepared: z.number(),
      oldestOpenSeconds: z.number().nullable(),
    }),
  ),
});

const findingsSchema = z.object({
  findings: z.array(
    z.object({
      kind: z.string(),
      subject: z.string(),
      detail: z.record(z.string(), z.unknown()),
      repaired: z.boolean(),
      firstAt: z.string(),
      runbook: z.string(),
    }),
  ),
});

const timelineSchema = z.object({
  entries: z.array(
    z.object({
      at: z.string(),
      action: z.string(),
      actor: z.string(),
      details: z.record(z.string(), z.unknown()),
    }),
  ),
  attempts: z.array(
    z.object({
      nonce: z.number(),
      number: z.number(),
      kind: z.string(),
      hash: z.string(),
      maxFeePerGas: z.string(),
      maxPriorityFeePerGas: z.string(),
      signedAt: z.string(),
      broadcasts: z.number(),
      accepted: z.boolean(),
      lastError: z.string().nullable(),
    }),
  ),
});

const explanationSchema = z.object({
  requestId: z.string(),
  principal: z.string(),
  at: z.string(),
  calls: z.array(
    z.object({
      method: z.string(),
      outcome: z.string().nullable(),
      ms: z.number().nullable(),
      events: z.array(
        z.object({ ms: z.number(), stage: z.string(), detail: z.record(z.string(), z.unknown()).optional() }),
      ),
    }),
  ),
});

const line = z.object({ calls: z.number(), units: z.number(), money: z.number() });
const period = z.object({
  period: z.string(),
  total: line,
  byPrincipal: z.record(z.string(), line),
  byMethod: z.record(z.string(), line),
  byProvider: z.record(z.string(), line),
  byReason: z.record(z.string(), line),
  saved: line,
});
const costSchema = z.object({ today: period, month: period });
const gasSchema = z.object({
  spend: z.array(
    z.object({
      day: z.string(),
      purpose: z.string(),
      pool: z.string(),
      transactions: z.number(),
      gasWei: z.string(),
    }),
  ),
  suggestions: z.array(z.object({ kind: z.string(), text: z.string(), savesWei: z.string() })),
});

/** States in which a transaction waits for something. */
const OPEN_STATES = ['queued', 'prepared', 'signed', 'submitted'] as const;
const PER_STATE = 50;

export type GatewayClient = ReturnType<typeof createGatewayClient>;

export function createGatewayClient(client: Pick<ServiceClient, 'request'>) {
  const get = <S extends z.ZodType>(
    path: string,
    schema: S,
    query: Record<string, string | number> = {},
  ): Promise<z.output<S>> => client.request({ method: 'GET', path, query, schema, timeoutMs: 5_000 });
  const post = <S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> =>
    client.request({ method: 'POST', path, schema });
  const id = encodeURIComponent;

  return {
    providers: () => get('/internal/providers', providersSchema),
    cordon: (provider: string, on: boolean) =>
      post(`/internal/providers/${id(provider)}/${on ? 'cordon' : 'uncordon'}`, z.object({ id: z.string() })),
    lanes: () => get('/internal/lanes', lanesSchema),
    findings: () => get('/internal/findings', findingsSchema),
    /** What waits, the longest first. */
    async open(): Promise<TransactionView[]> {
      const lists = await Promise.all(
        OPEN_STATES.map((state) =>
          get('/v1/transactions', z.object({ data: z.array(transactionSchema) }), {
            state,
            limit: PER_STATE,
          }),
        ),
      );
      return lists.flatMap(({ data }) => data).sort((a, b) => a.createdAt.localeCompare(b.createdAt));
    },
    transaction: (transactionId: string) => get(`/v1/transactions/${id(transactionId)}`, transactionSchema),
    byHash: (hash: string) =>
      get('/v1/transactions', z.object({ data: z.array(transactionSchema) }), { hash }),
    timeline: (transactionId: string) =>
      get(`/v1/transactions/${id(transactionId)}/timeline`, timelineSchema),
    cancel: (transactionId: string) =>
      post(`/v1/transactions/${id(transactionId)}/cancel`, transactionSchema),
    speedUp: (transactionId: string) =>
      post(`/v1/transactions/${id(transactionId)}/speed-up`, transactionSchema),
    explain: (requestId: string) => get(`/internal/explain/${id(requestId)}`, explanationSchema),
    cost: () => get('/internal/cost', costSchema),
    gas: (days: number) => get('/internal/cost/gas', gasSchema, { days }),
  };
}

/** `undefined` for what is not there; every other failure stays one. */
export async function ifFound<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof AppError && ['not_found', 'invalid_request'].includes(error.code)) return undefined;
    throw error;
  }
}
