import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { parse, stringify } from 'yaml';
import { prometheusRules } from '../../dashboards/rules/prometheus-rules.ts';
import { createProviderControl } from '../demo/provider-control.ts';
import { type E2eStack, startE2eStack } from '../demo/testing/e2e-stack.ts';
import { type LoadPerson, signInMany } from '../load/people.ts';
import { targetOfStack } from '../load/target-of-stack.ts';
import { type Prometheus, startPrometheus } from '../monitoring/prometheus.ts';
import { targetsOf } from '../monitoring/targets.ts';
import { rpcCall } from '../stack/parts/anvil.ts';
import type { ChaosWorld } from './fault.ts';
import { startProbes } from './probes.ts';
import { startTransfers } from './transfers.ts';

/** People who look and are paid. Few, because each signs in first. */
const PEOPLE = 8;
const SCRAPE_SECONDS = 2;
const WARM_UP_MS = 8_000;
/** An alert waits for minutes before it fires; here for seconds, with the same expressions, or nobody would stay to see it. */
const WAIT_SHRINKS_BY = 60;

/** The rules as they are, only with a shorter `for`. */
export function hurriedRules(): string {
  const file = parse(prometheusRules()) as { groups: { rules: { for?: string }[] }[] };
  for (const rule of file.groups.flatMap(({ rules }) => rules)) {
    const [, number, unit] = /^(\d+)([smh])$/.exec(rule.for ?? '') ?? [];
    if (number === undefined) continue;
    const seconds = Number(number) * ({ s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'] ?? 1);
    rule.for = `${Math.max(1, Math.round(seconds / WAIT_SHRINKS_BY))}s`;
  }
  return stringify(file, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Access tokens live for five minutes; a renewal that fails under a fault is tried again soon. */
const RENEW_MS = 150_000;

/** Gives everybody new tokens, in place: whoever looks or listens goes on with the same person. */
async function renew(userUrl: string, people: readonly LoadPerson[]): Promise<void> {
  for (const person of people) {
    try {
      const response = await fetch(`${userUrl}/v1/auth/refresh`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refreshToken: person.refreshToken }),
        signal: AbortSignal.timeout(5_000),
      });
      if (response.ok) Object.assign(person, await response.json());
    } catch {
      // The service is away: the old token lives for minutes, and the next round renews it.
    }
  }
}

export interface ChaosStage {
  readonly world: ChaosWorld;
  readonly platform: E2eStack;
  readonly probes: ReturnType<typeof startProbes>;
  readonly transfers: ReturnType<typeof startTransfers>;
  readonly prometheus: Prometheus | undefined;
  stop(): Promise<void>;
}

/** A platform of its own under load, with everything that a fault needs. */
export async function startChaosStage(options: {
  say: (line: string) => void;
  prometheus: boolean;
  /** More to scrape: instance → base URL. */
  extraTargets?: Readonly<Record<string, string>>;
}): Promise<ChaosStage> {
  const { say } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse())
      await close().catch((error: unknown) => say(String(error)));
  };
  try {
    say('starting a platform of its own');
    const platform = await startE2eStack();
    closers.push(() => platform.stop());
    const stack = platform.access;
    const target = targetOfStack(stack.state);
    const people = await signInMany(target.user, PEOPLE, () => undefined);
    const renewing = setInterval(() => void renew(target.user, people), RENEW_MS);
    closers.push(async () => clearInterval(renewing));
    let prometheus: Prometheus | undefined;
    if (options.prometheus) {
      const folder = mkdtempSync(join(tmpdir(), 'rejuve-chaos-'));
      closers.push(async () => rmSync(folder, { recursive: true, force: true }));
      writeFileSync(join(folder, 'rules.yaml'), hurriedRules());
      prometheus = await startPrometheus({
        targets: { ...targetsOf(stack.state.urls), ...options.extraTargets },
        ruleFiles: [join(folder, 'rules.yaml')],
        everySeconds: SCRAPE_SECONDS,
        log: say,
      });
      const running = prometheus;
      closers.push(() => running.stop());
    }
    const transfers = startTransfers(target, people);
    closers.push(() => transfers.stop());
    const probes = startProbes(target, people);
    closers.push(() => probes.stop());
    // Caches fill, Prometheus sees everything twice: the first fault must begin in good times.
    await sleep(WARM_UP_MS);
    const world: ChaosWorld = {
      stack,
      control: stack.control,
      providers: {
        alpha: createProviderControl(stack.url('alphaControl'), 'alpha'),
        beta: createProviderControl(stack.url('betaControl'), 'beta'),
      },
      rpc: (method, params = []) => rpcCall(stack.url('chain'), method, params),
      async sql(text) {
        const client = new pg.Client({ connectionString: stack.url('database') });
        await client.connect();
        try {
          // One statement after the other: ALTER SYSTEM may not run inside a transaction.
          let rows: Record<string, unknown>[] = [];
          for (const statement of text.split(';'))
            if (statement.trim()) rows = (await client.query(statement)).rows;
          return rows;
        } finally {
          await client.end();
        }
      },
      async redis(command, ...args) {
        const client = new Redis(stack.url('redis'), { maxRetriesPerRequest: 1 });
        try {
          return await client.call(command, ...args);
        } finally {
          client.disconnect();
        }
      },
      burst: transfers.burst,
      sleep: (ms) => sleep(ms),
    };
    return { world, platform, probes, transfers, prometheus, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
