import { createSeededRandom } from '../../../lib/random.ts';
import { unlimitedPrincipal } from '../admission/principal.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import { createVirtualGateway } from './virtual-gateway.ts';
import type { Faults } from './virtual-upstream.ts';

/** One client and what it offers. */
export interface Contender {
  readonly name: string;
  readonly priority: RpcPriority;
  readonly weight: number;
  readonly callsPerSecond: number;
  /** Virtual milliseconds since the start. */
  readonly from: number;
  readonly to: number;
}

export interface ContentionPlan {
  readonly seed: number;
  readonly durationMs: number;
  /** Calls per second that the providers can do together. */
  readonly capacity: number;
  readonly providers: readonly Faults[];
  readonly contenders: readonly Contender[];
}

export interface ContenderReport {
  readonly offered: number;
  readonly ok: number;
  readonly refused: number;
  readonly failed: number;
  /** Of successes, milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Of refusals. */
  readonly slowestRefusalMs: number;
}

const TIMEOUT_MS = 5_000;

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Clients that want more than there is, against the production read path in virtual time. */
export async function contend(plan: ContentionPlan): Promise<{
  readonly by: Readonly<Record<string, ContenderReport>>;
  readonly goodput: number;
  readonly peakQueue: number;
  /** Sentences that must be empty. */
  readonly violations: readonly string[];
}> {
  const gateway = await createVirtualGateway({
    seed: plan.seed,
    providers: plan.providers.map(() => ({})),
    callTimeoutMs: TIMEOUT_MS,
    blockTimeMs: 0,
    latencyMs: 2,
    jitterMs: 2,
  });
  const { clock, upstreams, path } = gateway;
  const random = createSeededRandom(plan.seed);
  plan.providers.forEach((faults, index) => {
    const upstream = upstreams[index];
    if (upstream !== undefined) upstream.faults = faults;
  });
  const violations: string[] = [];
  const by = Object.fromEntries(
    plan.contenders.map(({ name }) => [
      name,
      { offered: 0, ok: 0, refused: 0, failed: 0, times: [] as number[], refusals: [] as number[] },
    ]),
  );
  const principals = new Map(
    plan.contenders.map(({ name, weight }) => [name, { ...unlimitedPrincipal('api-key', name), weight }]),
  );
  const start = clock.monotonic();
  let unique = 0;
  let peakQueue = 0;
  const pending: Promise<void>[] = [];
  const one = async ({ name, priority }: Contender): Promise<void> => {
    const report = by[name] as (typeof by)[string];
    report.offered++;
    const at = clock.monotonic();
    const address = `0x${(++unique).toString(16).padStart(40, '0')}`;
    const answer = await gateway.call('eth_getBalance', [address, '0x1'], TIMEOUT_MS, {
      principal: principals.get(name) ?? unlimitedPrincipal('api-key', name),
      priority,
    });
    const ms = clock.monotonic() - at;
    if (answer.error === undefined) {
      report.ok++;
      report.times.push(ms);
    } else if (answer.error.code === -32005) {
      report.refused++;
      report.refusals.push(ms);
    } else report.failed++;
    if (ms > TIMEOUT_MS + 60) violations.push(`${name} waited ${ms} ms of ${TIMEOUT_MS} allowed`);
  };
  const nextAt = plan.contenders.map(({ from }) => from);
  for (;;) {
    let who = -1;
    plan.contenders.forEach(({ to }, index) => {
      const at = nextAt[index] as number;
      if (at < to && (who < 0 || at < (nextAt[who] as number))) who = index;
    });
    if (who < 0) break;
    const contender = plan.contenders[who] as Contender;
    const wait = (nextAt[who] as number) - (clock.monotonic() - start);
    if (wait > 0) await clock.advance(wait);
    pending.push(one(contender));
    peakQueue = Math.max(peakQueue, path.queue.length());
    nextAt[who] =
      (nextAt[who] as number) + (-Math.log(1 - random.float()) * 1_000) / contender.callsPerSecond;
  }
  path.heads.stop();
  await clock.advance(TIMEOUT_MS + 1_000);
  await Promise.all(pending);
  if (path.queue.length() !== 0) violations.push(`${path.queue.length()} calls were left in the queue`);
  if (path.queue.bytes() !== 0) violations.push(`the empty queue holds ${path.queue.bytes()} bytes`);
  const inFlight = path.pool.providers().reduce((sum, provider) => sum + provider.inFlight, 0);
  if (inFlight !== 0) violations.push(`${inFlight} calls are still counted as under way`);
  await gateway.close();
  let ok = 0;
  const reports = Object.fromEntries(
    Object.entries(by).map(([name, { times, refusals, ...counts }]) => {
      ok += counts.ok;
      times.sort((a, b) => a - b);
      return [
        name,
        {
          ...counts,
          p50: percentile(times, 0.5),
          p99: percentile(times, 0.99),
          slowestRefusalMs: Math.max(0, ...refusals),
        },
      ];
    }),
  );
  return { by: reports, goodput: (ok * 1_000) / plan.durationMs, peakQueue, violations };
}
