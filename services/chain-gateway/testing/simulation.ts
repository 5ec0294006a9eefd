import { createSeededRandom, type Random } from '../../../lib/random.ts';
import { createVirtualGateway } from './virtual-gateway.ts';
import type { Faults } from './virtual-upstream.ts';

/** One thing that goes wrong at one provider for a while. Times in virtual milliseconds since the start. */
export interface Episode {
  readonly provider: number;
  readonly from: number;
  readonly to: number;
  readonly faults: Faults;
}

export interface SimulationPlan {
  readonly seed: number;
  readonly durationMs: number;
  readonly callsPerSecond: number;
  readonly episodes: readonly Episode[];
  /** When the chain reorganises, and how deep. */
  readonly reorgs: readonly { readonly at: number; readonly depth: number }[];
}

export interface SimulationReport {
  readonly seed: number;
  readonly calls: number;
  readonly errors: number;
  readonly upstreamCalls: number;
  /** Sentences that must be empty. */
  readonly violations: readonly string[];
}

const PROVIDERS = 3;
/** A provider that is well is given this long after an episode before everything is expected to work again. */
const SETTLE_MS = 1_000;
/** A limit that was learned and then lifted is found out this late: the gateway goes up to it carefully. */
const LIMIT_SETTLE_MS = 120_000;
/** A client notices a timeout this late at most (the coalescer's gates). */
const DEADLINE_SLACK_MS = 60;
const CALL_TIMEOUT_MS = 5_000;
/** Retry and hedge budgets of read-path.ts, with the reserve that a run may start from. */
const RETRY_RESERVE = 1_000;
const RETRY_RATIO = 0.2;
const RETRY_PER_SECOND = 10;
const HEDGE_RESERVE = 50;
const HEDGE_RATIO = 0.055;
const HEDGE_PER_SECOND = 0.1;

const KINDS: readonly ((random: Random) => Faults)[] = [
  () => ({ down: true }),
  () => ({ hang: true }),
  (random) => ({ errorRate: 0.1 + random.float() * 0.9 }),
  (random) => ({ slowRate: 0.05 + random.float() * 0.3, slowMs: 2_000 }),
  (random) => ({
    limit: {
      perSecond: 5 + Math.floor(random.float() * 40),
      style: (['http', 'http-retry-after', 'in-200'] as const)[Math.floor(random.float() * 3)] ?? 'http',
    },
  }),
  (random) => ({ lag: 1 + Math.floor(random.float() * 20) }),
  (random) => ({ wrongEmptyRate: 0.2 + random.float() * 0.8 }),
  (random) => ({ truncateRate: 0.1 + random.float() * 0.9 }),
  () => ({ wrongChain: true }),
];

/** A random fault schedule; the same seed gives the same one. */
export function planFrom(seed: number): SimulationPlan {
  const random = createSeededRandom(seed);
  const durationMs = 60_000;
  const episodes: Episode[] = [];
  const count = 2 + Math.floor(random.float() * 8);
  for (let i = 0; i < count; i++) {
    const from = 2_000 + random.float() * (durationMs - 15_000);
    const kind = KINDS[Math.floor(random.float() * KINDS.length)] as (random: Random) => Faults;
    episodes.push({
      provider: Math.floor(random.float() * PROVIDERS),
      from,
      to: from + 500 + random.float() * 12_000,
      faults: kind(random),
    });
  }
  const reorgs = Array.from({ length: Math.floor(random.float() * 3) }, () => ({
    at: 3_000 + random.float() * (durationMs - 10_000),
    depth: 1 + Math.floor(random.float() * 8),
  }));
  return { seed, durationMs, callsPerSecond: 20 + Math.floor(random.float() * 60), episodes, reorgs };
}

/** Runs a plan against the production read path in virtual time and checks what must always hold. */
export async function simulate(plan: SimulationPlan): Promise<SimulationReport> {
  const gateway = await createVirtualGateway({ seed: plan.seed, callTimeoutMs: CALL_TIMEOUT_MS });
  const { clock, random, chain, upstreams, path } = gateway;
  const start = clock.monotonic();
  const violations: string[] = [];
  const violate = (text: string): void => {
    if (violations.length < 20) violations.push(`at ${Math.round(clock.monotonic() - start)} ms: ${text}`);
  };

  const applyFaults = (): void => {
    const now = clock.monotonic() - start;
    upstreams.forEach((upstream, provider) => {
      const active = plan.episodes.filter(
        (episode) => episode.provider === provider && episode.from <= now && now < episode.to,
      );
      upstream.faults = Object.assign({}, ...active.map(({ faults }) => faults)) as Faults;
    });
  };
  for (const { from, to } of plan.episodes) {
    clock.setTimeout(applyFaults, from);
    clock.setTimeout(applyFaults, to);
  }
  let lastReorgAt = Number.NEGATIVE_INFINITY;
  for (const { at, depth } of plan.reorgs) {
    clock.setTimeout(() => {
      chain.reorg(depth);
      lastReorgAt = clock.monotonic();
    }, at);
  }

  /** True when some provider had no episode from a while before until now: then no call may fail. */
  const somebodyWasWell = (from: number, to: number): boolean =>
    upstreams.some((_, provider) =>
      plan.episodes.every(
        (episode) =>
          episode.provider !== provider ||
          episode.to + (episode.faults.limit === undefined ? SETTLE_MS : LIMIT_SETTLE_MS) < from - start ||
          episode.from > to - start,
      ),
    );

  let calls = 0;
  let errors = 0;
  let highestHead = 0;
  const pending: Promise<void>[] = [];

  const readHead = async (): Promise<void> => {
    const { result } = await gateway.call('eth_blockNumber', []);
    if (result === undefined) return;
    const head = Number(result);
    if (head < highestHead) violate(`latest went back from ${highestHead} to ${head}`);
    highestHead = Math.max(highestHead, head);
  };
  const readBalance = async (): Promise<void> => {
    const from = clock.monotonic();
    const address = `0x${'0'.repeat(38)}${Math.floor(random.float() * 40)
      .toString(16)
      .padStart(2, '0')}`;
    const latest = random.float() < 0.7;
    const number = latest ? undefined : Math.floor(random.float() * chain.finalized());
    const before = path.view.head() ?? 0;
    const answer = await gateway.call(
      'eth_getBalance',
      [address, number === undefined ? 'latest' : `0x${number.toString(16)}`],
      CALL_TIMEOUT_MS,
    );
    const to = clock.monotonic();
    if (to - from > CALL_TIMEOUT_MS + DEADLINE_SLACK_MS)
      violate(`a call took ${Math.round(to - from)} ms of ${CALL_TIMEOUT_MS} allowed`);
    if (answer.error !== undefined) {
      errors++;
      if (somebodyWasWell(from, to))
        violate(
          `a call failed although a provider was well all the time: ${answer.error.code} ${answer.error.message}`,
        );
      return;
    }
    // Around a reorg either branch is a fair answer; long after it only the canonical one is.
    // With nobody left to tell of a reorg, the gateway cannot know of it.
    if (from - lastReorgAt < 3_000 || !somebodyWasWell(from - 3_000, clock.monotonic())) return;
    const right =
      number === undefined
        ? [before, before + 1, before + 2].some((candidate) => {
            const block = chain.block(candidate);
            return block !== undefined && chain.balance(address, block) === answer.result;
          })
        : chain.balance(address, chain.block(number) as NonNullable<ReturnType<typeof chain.block>>) ===
          answer.result;
    if (!right)
      violate(`wrong balance (${answer.cache}, ${answer.provider}) at ${number ?? `latest=${before}`}`);
  };
  const readBlock = async (): Promise<void> => {
    const from = clock.monotonic();
    const number = Math.floor(random.float() * chain.finalized());
    const answer = await gateway.call(
      'eth_getBlockByNumber',
      [`0x${number.toString(16)}`, false],
      CALL_TIMEOUT_MS,
    );
    if (answer.error !== undefined) {
      errors++;
      if (somebodyWasWell(from, clock.monotonic()))
        violate(`a block could not be read although a provider was well: ${answer.error.message}`);
      return;
    }
    const block = answer.result as { hash: string } | null;
    if (block === null) {
      if (somebodyWasWell(from, clock.monotonic()))
        violate(`block ${number} exists and was answered with null`);
    } else if (block.hash !== chain.block(number)?.hash)
      violate(`block ${number} is an orphan (${answer.cache})`);
  };

  const kinds = [readHead, readBalance, readBalance, readBlock];
  let at = 0;
  while (at < plan.durationMs) {
    // Poisson arrivals: bursts and gaps as in life.
    const gap = (-Math.log(1 - random.float()) * 1_000) / plan.callsPerSecond;
    at += gap;
    await clock.advance(gap);
    calls++;
    pending.push((kinds[Math.floor(random.float() * kinds.length)] as () => Promise<void>)());
  }
  await clock.advance(CALL_TIMEOUT_MS + 1_000);
  await Promise.all(pending);

  const { byReason } = path.cost.report().month;
  const seconds = (clock.monotonic() - start) / 1_000;
  const spent = (reason: string): number => byReason[reason]?.calls ?? 0;
  const retryBudget = RETRY_RESERVE + RETRY_RATIO * calls + RETRY_PER_SECOND * seconds;
  if (spent('retry') + spent('verify') > retryBudget)
    violate(`${spent('retry')} retries exceed the budget of ${retryBudget}`);
  const hedgeBudget = HEDGE_RESERVE + HEDGE_RATIO * calls + HEDGE_PER_SECOND * seconds;
  if (spent('hedge') > hedgeBudget) violate(`${spent('hedge')} hedges exceed the budget of ${hedgeBudget}`);
  await gateway.close();
  return {
    seed: plan.seed,
    calls,
    errors,
    upstreamCalls: upstreams.reduce((sum, upstream) => sum + upstream.calls(), 0),
    violations,
  };
}
