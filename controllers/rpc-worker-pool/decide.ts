import { budgetCap, type ProviderVerdict, providerCapacity } from './capacity.ts';
import { type Estimates, estimate } from './estimate.ts';
import type { Observation, QueueReading } from './observation.ts';
import { applyPolicies, rememberScale } from './policy.ts';
import { type Bounds, boundsAt } from './schedule.ts';
import { remember, stabilise } from './stabilise.ts';
import { createTrace, number, pods, type Term } from './trace.ts';
import type { DecisionStatus, Memory, PoolSpec } from './types.ts';

/** What kept the answer from being what the queue alone would ask for. */
export type Limit =
  | 'None'
  | 'ProviderCapacity'
  | 'Budget'
  | 'Policy'
  | 'Stabilized'
  | 'MaxReplicas'
  | 'MinReplicas';
/** Why the scale does not follow the queue at all. */
export type HoldReason = 'QueueUnreadable' | 'QueuePaused' | 'ProvidersDown' | 'CompetingAutoscaler';

export interface Decision {
  readonly at: number;
  readonly from: number;
  readonly replicas: number;
  readonly action: DecisionStatus['action'];
  readonly summary: string;
  readonly terms: readonly Term[];
  readonly hold?: HoldReason;
  readonly limit: Limit;
  readonly providers: ProviderVerdict;
  readonly bounds: Bounds;
  readonly bursting: boolean;
  readonly objectiveSeconds: number;
  /** Present when the queue could be read. */
  readonly estimates?: Estimates;
}

export const emptyMemory = (): Memory => ({ recommendations: [], scaleEvents: [] });

/**
 * Decides how many replicas a pool should have. Pure: the same spec, memory and observation give the same answer,
 * in the controller, in `what-if` and in the simulation.
 *
 *     λ = arrivals per second    S = service seconds    c = concurrency    ρ = target utilisation
 *     base    = ceil(λ·S / (c·ρ))
 *     drain   = ceil(backlog·S / (c·max(1, objective − oldest age − startup)))
 *     cap     = floor(free provider calls/s · S / (c·calls per job)) + ready pods
 *     desired = clamp(policy(stabilise(min(base + drain, cap))), min, max)
 *
 * An unreadable or paused queue, a rival autoscaler and dead providers hold the scale: an error is not a zero.
 */
export function decide(
  spec: PoolSpec,
  memory: Memory,
  seen: Observation,
): { decision: Decision; memory: Memory } {
  const { at } = seen;
  const current = seen.replicas.wanted;
  const trace = createTrace();
  const bounds = boundsAt(spec, at);
  const providers = providerCapacity(seen.providers, spec.providers);
  let next = noticeScale(spec, memory, seen);

  const finish = (
    replicas: number,
    rest: Pick<Decision, 'action' | 'summary'> &
      Partial<Pick<Decision, 'hold' | 'limit' | 'bursting' | 'estimates'>>,
  ): { decision: Decision; memory: Memory } => ({
    decision: {
      at,
      from: current,
      replicas,
      terms: trace.terms,
      limit: 'None',
      bursting: false,
      objectiveSeconds: spec.objective.oldestJobAgeSeconds,
      providers,
      bounds,
      ...rest,
    },
    memory: next,
  });
  const hold = (reason: HoldReason, summary: string) => {
    // The bounds are the user's own word: they hold even while we know nothing. Dead providers forbid growth, though.
    const held =
      reason === 'ProvidersDown' ? Math.min(current, bounds.max) : clamp(current, bounds.min, bounds.max);
    trace.add(
      'hold',
      pods(held),
      held === current ? 'the scale stays as it is' : 'the scale stays, within minReplicas and maxReplicas',
    );
    return finish(held, { action: 'Hold', summary, hold: reason });
  };

  for (const problem of bounds.invalid) trace.add('schedule', 'ignored', problem);
  if (bounds.windows.length > 0) {
    trace.add('bounds', `${bounds.min}–${bounds.max}`, `schedule ${bounds.windows.join(', ')} is open`);
  }

  if (spec.paused) {
    const replicas = spec.paused.replicas ?? current;
    trace.add('paused', pods(replicas), spec.paused.reason || 'spec.paused is set');
    return finish(replicas, {
      action: 'Paused',
      summary: `paused${spec.paused.reason ? `: ${spec.paused.reason}` : ''}`,
    });
  }
  if (seen.competitor) {
    trace.add('competitor', seen.competitor, 'scales the same target; two autoscalers would fight');
    return hold(
      'CompetingAutoscaler',
      `holding, because ${seen.competitor} scales the same target: delete one of the two`,
    );
  }
  if (!seen.queue.readable) {
    next = { ...next, unreadableSince: memory.unreadableSince ?? at };
    return fallbackOrHold(
      spec,
      seen.queue.error,
      at - (next.unreadableSince as number),
      current,
      bounds,
      trace,
      hold,
      finish,
    );
  }

  const { reading } = seen.queue;
  const measured = estimate(spec, next, reading, at);
  const { estimates } = measured;
  const { unreadableSince: _readAgain, ...known } = next;
  next = { ...known, ...measured.memory, readableAt: at };
  if (isBusy(reading) || addedSince(memory, reading)) next = { ...next, busyAt: at };
  else next = { ...next, busyAt: next.busyAt ?? at };

  if (reading.paused)
    return hold('QueuePaused', 'holding, because the queue is paused and nobody may take jobs');

  const need = explainNeed(spec, estimates, reading, seen, trace, next, bounds.min);
  const needsMore = Math.min(need.replicas, bounds.max) > current;
  /** Remembers since when more pods have been needed than we may start. */
  const prevented = (): Memory => (needsMore ? { ...next, heldSince: next.heldSince ?? at } : next);
  if (providers.known > 0 && providers.healthy === 0) {
    trace.add('providers', '0 healthy', providers.detail);
    next = prevented();
    return hold('ProvidersDown', `holding, because no provider of chain ${spec.chainId} is healthy`);
  }

  let limit: Limit = 'None';
  let wanted = need.replicas;
  const cap = capByProviders(spec, estimates, providers, seen, trace);
  const ceiling = ceilingOfRefusals(spec, estimates, providers, current, trace);
  if (wanted > Math.min(cap, ceiling)) {
    wanted = Math.min(ceiling, Math.max(cap, Math.min(current, wanted)));
    limit = 'ProviderCapacity';
  }
  const budget = budgetCap(spec, estimates.serviceSeconds, estimates.jobsThisHour, at);
  if (budget) {
    trace.add(
      'budget',
      pods(budget.pods),
      `${number(budget.leftUnits)} compute units left for ${number(budget.restSeconds)} s; more pods could burn more`,
    );
    if (wanted > budget.pods) {
      wanted = budget.pods;
      limit = 'Budget';
    }
  }

  const danger =
    spec.burst &&
    reading.oldestAgeSeconds >= (spec.objective.oldestJobAgeSeconds * spec.burst.whenAgePercent) / 100;
  if (danger) next = { ...next, burstAt: at };
  const downWindowMs = spec.behavior.scaleDown.stabilizationWindowSeconds * 1000;
  const burstCeiling =
    next.burstAt !== undefined && at - next.burstAt <= downWindowMs ? (spec.burst?.maxReplicas ?? 0) : 0;
  const max = Math.max(bounds.max, burstCeiling);
  const bursting = Boolean(danger) && wanted > current;
  const isPrevented = needsMore && (limit === 'ProviderCapacity' || limit === 'Budget');
  if (isPrevented) next = prevented();
  const outcome = move(
    spec,
    next,
    { current, wanted, at, min: bounds.min, max, ceiling, bursting, limit },
    trace,
  );
  next = outcome.memory;
  // Caught up, or no longer needed: from here on policies count as usual.
  if (!isPrevented && outcome.limit !== 'Policy') {
    const { heldSince: _over, ...rest } = next;
    next = rest;
  }

  const shadow = spec.mode === 'Shadow';
  const up = shadow ? 'WouldScaleUp' : 'ScaleUp';
  const down = shadow ? 'WouldScaleDown' : 'ScaleDown';
  return finish(outcome.replicas, {
    action: outcome.replicas > current ? up : outcome.replicas < current ? down : 'Keep',
    summary: summarise(outcome.replicas, current, reading, estimates, spec, outcome.limit),
    limit: outcome.limit,
    bursting,
    estimates,
  });
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);
const isBusy = (reading: QueueReading): boolean => reading.waiting > 0 || reading.active > 0;
const addedSince = (memory: Memory, reading: QueueReading): boolean =>
  memory.arrivals !== undefined && reading.addedTotal !== memory.arrivals.added;

/** Notes every change of the scale since the last pass, whoever made it, so that the policies count it. */
function noticeScale(spec: PoolSpec, memory: Memory, seen: Observation): Memory {
  const { at } = seen;
  const current = seen.replicas.wanted;
  const changed = memory.replicas !== undefined && memory.replicas !== current;
  const event = changed ? { at, from: memory.replicas as number, to: current } : undefined;
  // Without history the present scale counts as recommended until now: a restart holds the scale for a window.
  const recommendations =
    memory.recommendations.length > 0 ? memory.recommendations : [{ replicas: current, from: at }];
  return {
    ...memory,
    replicas: current,
    recommendations,
    scaleEvents: rememberScale(spec.behavior, memory.scaleEvents, event, at),
  };
}

type Finish = (
  replicas: number,
  rest: Pick<Decision, 'action' | 'summary'> & Partial<Pick<Decision, 'hold' | 'limit' | 'estimates'>>,
) => { decision: Decision; memory: Memory };

/** An unreadable queue: hold, and after a while the fallback the user chose. */
function fallbackOrHold(
  spec: PoolSpec,
  error: string,
  unreadableMs: number,
  current: number,
  bounds: Bounds,
  trace: ReturnType<typeof createTrace>,
  hold: (reason: HoldReason, summary: string) => { decision: Decision; memory: Memory },
  finish: Finish,
): { decision: Decision; memory: Memory } {
  const seconds = Math.round(unreadableMs / 1000);
  trace.add('queue', 'unreadable', error);
  const { fallback } = spec;
  if (!fallback) return hold('QueueUnreadable', 'holding, because the queue cannot be read');
  if (seconds < fallback.afterSeconds) {
    return hold(
      'QueueUnreadable',
      `holding, because the queue cannot be read; fallback after ${fallback.afterSeconds} s`,
    );
  }
  const asked = fallback.direction === 'UpOnly' ? Math.max(current, fallback.replicas) : fallback.replicas;
  const replicas = clamp(asked, bounds.min, bounds.max);
  trace.add(
    'fallback',
    pods(replicas),
    `unreadable for ${fallback.afterSeconds} s or more; direction ${fallback.direction}`,
  );
  return finish(replicas, {
    action: 'Fallback',
    summary: `fallback to ${pods(replicas)}, because the queue could not be read for ${fallback.afterSeconds} s`,
    hold: 'QueueUnreadable',
  });
}

/** base + drain, raised by the forecast, softened by the tolerance, and zero only when the queue is truly idle. */
function explainNeed(
  spec: PoolSpec,
  estimates: Estimates,
  reading: QueueReading,
  seen: Observation,
  trace: ReturnType<typeof createTrace>,
  memory: Memory,
  min: number,
): { replicas: number } {
  const { worker, objective } = spec;
  const current = seen.replicas.wanted;
  const S = estimates.serviceSeconds;
  const c = worker.concurrency;
  const rho = spec.targetUtilizationPercent / 100;
  const reactive = estimates.arrivalsPerSecond;
  const forecast = spec.prediction.mode === 'Disabled' ? undefined : seen.forecast;
  const raises =
    spec.prediction.mode === 'RaiseOnly' &&
    forecast?.usable === true &&
    forecast.arrivalsPerSecond > reactive;
  const lambda = raises ? (forecast?.arrivalsPerSecond ?? reactive) : reactive;

  trace.add(
    'λ',
    `${number(reactive)} jobs/s`,
    `arrivals: ${number(estimates.fast)}/s over 10 s, ${number(estimates.slow)}/s over 60 s; the larger counts`,
  );
  if (forecast) {
    const error =
      forecast.scaledError === undefined
        ? 'error not known yet'
        : `error ${number(forecast.scaledError)} of naive`;
    const verdict = raises
      ? 'raises λ'
      : spec.prediction.mode === 'Shadow'
        ? 'shadow, not used'
        : forecast.usable
          ? 'not above λ'
          : 'not used';
    trace.add(
      'forecast',
      `${number(forecast.arrivalsPerSecond)} jobs/s`,
      `in ${spec.prediction.horizonSeconds} s; ${error}; ${verdict}`,
    );
  }
  trace.add('S', `${number(S)} s`, `time one job occupies a slot, ${estimates.serviceSource}`);
  trace.add(
    'c·ρ',
    `${number(c * rho)} slots`,
    `${c} slots per pod, ${spec.targetUtilizationPercent} % busy in steady state`,
  );

  const baseExact = (lambda * S) / (c * rho);
  const base = Math.ceil(baseExact - 1e-9);
  trace.add('base', pods(base), `λ·S / (c·ρ) = ${number(baseExact)}, to keep up with arrivals`);

  const window = Math.max(
    1,
    objective.oldestJobAgeSeconds - reading.oldestAgeSeconds - worker.startupSeconds,
  );
  const drainExact = (reading.waiting * S) / (c * window);
  const drain = Math.ceil(drainExact - 1e-9);
  trace.add(
    'backlog',
    `${reading.waiting} jobs`,
    `oldest ${number(reading.oldestAgeSeconds)} s of ${objective.oldestJobAgeSeconds} s; ${reading.active} active`,
  );
  trace.add(
    'drain',
    pods(drain),
    `backlog·S / (c·${number(window)} s) = ${number(drainExact)}, to finish it in time`,
  );

  let wanted = base + drain;
  const exact = baseExact + drainExact;
  if (wanted > current && current > 0 && exact <= current * (1 + spec.tolerancePercent / 100)) {
    trace.add(
      'tolerance',
      pods(current),
      `${number(exact)} is within ${spec.tolerancePercent} % of the present ${current}`,
    );
    wanted = current;
  }
  if (min > 0) return { replicas: wanted };

  const idleSeconds = (seen.at - (memory.busyAt ?? seen.at)) / 1000;
  if (!isBusy(reading) && idleSeconds >= spec.scaleToZero.idleSeconds) {
    trace.add('idle', pods(0), `no job for ${spec.scaleToZero.idleSeconds} s or more`);
    return { replicas: 0 };
  }
  // Nothing to do yet and nothing running: an arrival average that fades out must not start a pod.
  if (current === 0 && !isBusy(reading) && !raises) return { replicas: 0 };
  if (wanted < 1) {
    trace.add(
      'floor',
      pods(1),
      isBusy(reading)
        ? 'there is work'
        : `the last pod stays until ${spec.scaleToZero.idleSeconds} s without a job`,
    );
    wanted = 1;
  }
  return { replicas: wanted };
}

/** The replicas that the providers can feed: those that run, and what their free calls allow on top. */
function capByProviders(
  spec: PoolSpec,
  estimates: Estimates,
  providers: ProviderVerdict,
  seen: Observation,
  trace: ReturnType<typeof createTrace>,
): number {
  if (providers.known === 0) {
    trace.add(
      'cap',
      'unlimited',
      `no ChainProvider of chain ${spec.chainId} in this namespace, so nothing is known of its limits`,
    );
    return Number.POSITIVE_INFINITY;
  }
  const { concurrency, callsPerJob } = spec.worker;
  const more = Math.floor(
    (providers.leftPerSecond * estimates.serviceSeconds) / (concurrency * callsPerJob) + 1e-9,
  );
  const cap = more + Math.min(seen.replicas.ready, seen.replicas.wanted);
  trace.add(
    'cap',
    pods(cap),
    `${seen.replicas.ready} ready + ${number(more)} that the providers can feed: ${providers.detail}`,
  );
  return cap;
}

/**
 * While providers refuse calls, the pods that what they do take keeps busy. Going down to it does not wait for the
 * stabilisation window: until then the pods beyond it would only make more refusals.
 */
function ceilingOfRefusals(
  spec: PoolSpec,
  estimates: Estimates,
  providers: ProviderVerdict,
  current: number,
  trace: ReturnType<typeof createTrace>,
): number {
  if (providers.takenPerSecond === undefined) return Number.POSITIVE_INFINITY;
  const { concurrency, callsPerJob } = spec.worker;
  // With the same room as the base: pods that are all busy all the time would not offer the providers their fill.
  const slots = concurrency * (spec.targetUtilizationPercent / 100);
  const exact = (providers.takenPerSecond * estimates.serviceSeconds) / (slots * callsPerJob);
  const ceiling = Math.max(1, Math.ceil(exact - 1e-9));
  if (ceiling < current) {
    trace.add(
      'refusals',
      pods(ceiling),
      `providers take ${number(providers.takenPerSecond)} calls/s and refuse the rest; that keeps ${number(exact)} pods busy`,
    );
  }
  return ceiling;
}

interface Move {
  readonly current: number;
  readonly wanted: number;
  readonly at: number;
  readonly min: number;
  readonly max: number;
  /** Not above this, and down to it at once. */
  readonly ceiling: number;
  readonly bursting: boolean;
  readonly limit: Limit;
}

/** stabilise → policy → clamp. */
function move(
  spec: PoolSpec,
  memory: Memory,
  m: Move,
  trace: ReturnType<typeof createTrace>,
): { replicas: number; limit: Limit; memory: Memory } {
  const { behavior } = spec;
  const bounded = clamp(m.wanted, m.min, m.max);
  const longestMs =
    Math.max(behavior.scaleUp.stabilizationWindowSeconds, behavior.scaleDown.stabilizationWindowSeconds) *
    1000;
  const recommendations = remember(memory.recommendations, bounded, m.at, longestMs);
  let limit: Limit = bounded < m.wanted ? 'MaxReplicas' : bounded > m.wanted ? 'MinReplicas' : m.limit;

  const stable = m.bursting ? bounded : stabilise(behavior, recommendations, m.current, m.at);
  if (stable !== bounded) {
    limit = 'Stabilized';
    const window = bounded < m.current ? behavior.scaleDown : behavior.scaleUp;
    trace.add(
      'stabilise',
      pods(stable),
      `${pods(bounded)} was not asked for throughout the last ${window.stabilizationWindowSeconds} s`,
    );
  }
  const target = clamp(Math.min(stable, m.ceiling), m.min, m.max);
  const policy = m.bursting
    ? { replicas: target }
    : applyPolicies(
        behavior,
        memory.scaleEvents,
        m.current,
        target,
        m.at,
        memory.heldSince === undefined ? 0 : m.at - memory.heldSince,
      );
  if (m.bursting)
    trace.add('burst', pods(target), 'the objective is in danger: policies and stabilisation are skipped');
  if (policy.limitedBy !== undefined && policy.replicas !== target) {
    limit = 'Policy';
    trace.add('policy', pods(policy.replicas), policy.limitedBy);
  }
  const replicas = clamp(policy.replicas, m.min, m.max);
  trace.add('desired', pods(replicas), `within ${m.min}–${m.max}`);
  return { replicas, limit, memory: { ...memory, recommendations } };
}

const LIMIT_WORDS: Record<Limit, string> = {
  None: '',
  ProviderCapacity: '; more would exceed what the providers can take',
  Budget: '; more could exceed the budget of this hour',
  Policy: '; limited by the scaling policy',
  Stabilized: '; waiting until the need has held for the stabilisation window',
  MaxReplicas: '; maxReplicas reached',
  MinReplicas: '; minReplicas',
};

function summarise(
  replicas: number,
  current: number,
  reading: QueueReading,
  estimates: Estimates,
  spec: PoolSpec,
  limit: Limit,
): string {
  const verb = replicas > current ? 'grow to' : replicas < current ? 'shrink to' : 'stay at';
  return `${verb} ${pods(replicas)}: ${number(estimates.arrivalsPerSecond)} jobs/s arriving, ${reading.waiting} waiting, the oldest for ${number(reading.oldestAgeSeconds)} s of ${spec.objective.oldestJobAgeSeconds} s${LIMIT_WORDS[limit]}`;
}
