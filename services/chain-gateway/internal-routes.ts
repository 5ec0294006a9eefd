import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../lib/http/route.ts';
import type { Clock } from '../../lib/time.ts';
import type { KeyUsage } from './admission/keys/routes.ts';
import type { ClusterBus, Question } from './cluster-bus.ts';
import { addPeriods, type CostPeriod } from './cost/cost-book.ts';
import type { CostStore } from './cost/cost-store.ts';
import { describeRequest, type RequestDescription } from './explain/describe-request.ts';
import type { Provider } from './providers/provider.ts';
import type { ReadPath } from './read-path.ts';

const providerView = z.object({
  id: z.string(),
  rank: z.int(),
  usable: z.boolean(),
  excluded: z.string().nullable(),
  score: z.number(),
  reasons: z.array(z.string()).describe('How the score came about, factor by factor'),
  tier: z.int(),
  breaker: z.string(),
  errorRate: z.number().describe('0 … 1, recent attempts count most'),
  latencyMs: z.object({ p50: z.number().nullable(), p95: z.number().nullable() }),
  head: z.int().nullable(),
  inFlight: z.int(),
  rateLimit: z.object({ callsPerSecond: z.number().nullable(), learned: z.boolean(), pausedMs: z.number() }),
  joinLimit: z.int().describe('Calls that share one HTTP request at most, learned'),
  cordonedBy: z.string().nullable(),
});

const costLine = z.object({ calls: z.number(), units: z.number(), money: z.number() });
const costPeriod = z.object({
  period: z.string(),
  total: costLine,
  byPrincipal: z.record(z.string(), costLine),
  byMethod: z.record(z.string(), costLine),
  byProvider: z.record(z.string(), costLine),
  byReason: z.record(z.string(), costLine).describe('first, retry, hedge, verify: what resilience costs'),
  saved: costLine.describe('What cache and coalescing made unnecessary'),
});

export interface Spending {
  readonly today: CostPeriod;
  readonly month: CostPeriod;
}

/** Spending of all replicas when they share a store, else of this gateway's processes. */
export async function totalSpending(
  path: ReadPath,
  bus: ClusterBus,
  costs: CostStore | undefined,
): Promise<Spending> {
  if (costs !== undefined) return costs.report();
  const others = (await bus.askOthers({ kind: 'cost' })) as Spending[];
  const reports = [path.cost.report(), ...others];
  return {
    today: addPeriods(reports.map(({ today }) => today)),
    month: addPeriods(reports.map(({ month }) => month)),
  };
}

/** One principal's part of it. */
export function usageOf(principal: string, { today, month }: Spending): KeyUsage {
  const part = ({ period, byPrincipal }: CostPeriod): KeyUsage['today'] => ({
    period,
    ...(byPrincipal[principal] ?? { calls: 0, units: 0, money: 0 }),
  });
  return { today: part(today), month: part(month) };
}

/** Routes for operators and the console: why things are as they are, and the few switches there are. */
export function internalRoutes(deps: {
  path: ReadPath;
  clock: Clock;
  /** Open to anybody who can reach the port: the standalone gateway without service keys. */
  open: boolean;
  bus: ClusterBus;
  /** Spending of all replicas; without it, of this gateway's processes. */
  costs: CostStore | undefined;
}): Route[] {
  const { path, clock, bus } = deps;
  const auth = deps.open ? (['public'] as const) : (['service'] as const);

  const find = (id: string): Provider => {
    const provider = path.pool.providers().find((candidate) => candidate.id === id);
    if (provider === undefined) throw new AppError('not_found', `There is no provider ${id}.`);
    return provider;
  };

  return [
    defineRoute({
      method: 'get',
      path: '/internal/providers',
      operationId: 'listProviders',
      summary: 'Providers in the order of preference, each with the reasons for its place',
      tags: ['operations'],
      auth: [...auth],
      responses: {
        200: {
          description: 'Providers',
          schema: z.object({
            chainId: z.int(),
            head: z.object({
              served: z.int().nullable(),
              safe: z.int().nullable(),
              finalized: z.int().nullable(),
            }),
            providers: z.array(providerView),
          }),
        },
      },
      errors: [],
      handler: async () =>
        reply(200, {
          chainId: path.view.chainId,
          head: {
            served: path.view.head() ?? null,
            safe: path.view.safe() ?? null,
            finalized: path.view.finalized() ?? null,
          },
          providers: path.pool.ranking().map((ranked, index) => describeProvider(ranked, index + 1)),
        }),
    }),
    defineRoute({
      method: 'post',
      path: '/internal/providers/{id}/cordon',
      operationId: 'cordonProvider',
      summary: 'Takes a provider out of traffic; probes go on, so that its state stays known',
      tags: ['operations'],
      auth: [...auth],
      params: z.object({ id: z.string() }),
      responses: {
        200: {
          description: 'Cordoned',
          schema: z.object({ id: z.string(), cordonedBy: z.string().nullable() }),
        },
      },
      errors: ['not_found'],
      handler: async ({ params, principal }) => {
        const provider = find(params.id);
        provider.cordonedBy = principal.kind === 'public' ? 'operator' : principal.id;
        path.pool.invalidate();
        await bus.askOthers({ kind: 'cordon', provider: provider.id, by: provider.cordonedBy });
        return reply(200, { id: provider.id, cordonedBy: provider.cordonedBy });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/internal/providers/{id}/uncordon',
      operationId: 'uncordonProvider',
      summary: 'Puts a cordoned provider back into traffic',
      tags: ['operations'],
      auth: [...auth],
      params: z.object({ id: z.string() }),
      responses: {
        200: {
          description: 'Uncordoned',
          schema: z.object({ id: z.string(), cordonedBy: z.string().nullable() }),
        },
      },
      errors: ['not_found'],
      handler: async ({ params }) => {
        const provider = find(params.id);
        provider.cordonedBy = undefined;
        path.pool.invalidate();
        await bus.askOthers({ kind: 'cordon', provider: provider.id, by: null });
        return reply(200, { id: provider.id, cordonedBy: null });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/internal/cost',
      operationId: 'getCost',
      summary:
        'Compute units and money spent at providers: today and this month (UTC), by whom, on what, and why',
      tags: ['operations'],
      auth: [...auth],
      responses: { 200: { description: 'Cost', schema: z.object({ today: costPeriod, month: costPeriod }) } },
      errors: [],
      handler: async () => {
        return reply(200, await totalSpending(path, bus, deps.costs));
      },
    }),
    defineRoute({
      method: 'get',
      path: '/internal/explain/{requestId}',
      operationId: 'explainRequest',
      summary:
        'The whole path of a recent JSON-RPC request: stages with their times, providers asked, cache verdict',
      tags: ['operations'],
      auth: [...auth],
      params: z.object({ requestId: z.string().max(128) }),
      responses: {
        200: {
          description: 'Path',
          schema: z.object({
            requestId: z.string(),
            principal: z.string(),
            at: z.string(),
            calls: z.array(
              z.object({
                method: z.string(),
                outcome: z.string().nullable(),
                ms: z.number().nullable(),
                events: z.array(
                  z.object({
                    ms: z.number(),
                    stage: z.string(),
                    detail: z.record(z.string(), z.unknown()).optional(),
                  }),
                ),
              }),
            ),
          }),
        },
      },
      errors: ['not_found'],
      handler: async ({ params }) => {
        const found = path.explainer?.find(params.requestId);
        if (found !== undefined) return reply(200, describeRequest(found));
        const [other] = (await bus.askOthers({
          kind: 'explain',
          requestId: params.requestId,
        })) as RequestDescription[];
        if (other !== undefined) return reply(200, other);
        throw new AppError('not_found', 'No request with this id was answered here in the last ten minutes.');
      },
    }),
  ];

  function describeProvider(
    ranked: ReturnType<ReadPath['pool']['ranking']>[number],
    rank: number,
  ): z.input<typeof providerView> {
    const { provider, excluded, score, reasons } = ranked;
    const rate = provider.rateLimit.rate();
    const age =
      provider.head === undefined ? undefined : Math.round(clock.monotonic() - provider.head.seenAt);
    return {
      id: provider.id,
      rank,
      usable: excluded === undefined,
      excluded: excluded ?? null,
      score: round(score),
      reasons: age === undefined ? [...reasons] : [...reasons, `head seen ${age} ms ago`],
      tier: provider.config.tier,
      breaker: provider.breaker.state,
      errorRate: round(provider.health.errorRate()),
      latencyMs: {
        p50: roundOrNull(provider.health.latency.quantile(0.5)),
        p95: roundOrNull(provider.health.latency.quantile(0.95)),
      },
      head: provider.head?.number ?? null,
      inFlight: provider.inFlight,
      rateLimit: {
        callsPerSecond: Number.isFinite(rate) ? round(rate) : null,
        learned: provider.rateLimit.learned,
        pausedMs: Math.round(provider.rateLimit.pausedMs()),
      },
      joinLimit: provider.dispatcher.joinLimit(),
      cordonedBy: provider.cordonedBy ?? null,
    };
  }
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;
const roundOrNull = (value: number | undefined): number | null => (value === undefined ? null : round(value));

/** What this process tells the other workers of the same gateway. */
export function answerQuestion(path: ReadPath, question: Question): unknown {
  switch (question.kind) {
    case 'explain': {
      const found = path.explainer?.find(question.requestId);
      return found === undefined ? undefined : describeRequest(found);
    }
    case 'cost':
      return path.cost.report();
    case 'cordon': {
      const provider = path.pool.providers().find((candidate) => candidate.id === question.provider);
      if (provider !== undefined) provider.cordonedBy = question.by ?? undefined;
      path.pool.invalidate();
      return undefined;
    }
  }
}
