import { appendFileSync } from 'node:fs';
import { createLogger } from '../../../lib/log.ts';
import { createMetrics } from '../../../lib/metrics.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { systemRandom } from '../../../lib/random.ts';
import { systemClock as clock } from '../../../lib/time.ts';
import { createCallLedger } from '../admission/tokens/call-ledger.ts';
import { createLedgerWorker } from '../admission/tokens/ledger-worker.ts';
import { createPurse } from '../admission/tokens/purse.ts';
import { createSpendingAccounts } from '../admission/tokens/spending-account.ts';
import { createHoldMetrics, createLedgerMetrics } from '../admission/tokens/token-metrics.ts';
import { createAdvisoryLease } from '../store/advisory-lease.ts';
import type { GatewayTables } from '../store/gateway-database.ts';
import { TEST_TIMING } from './token-timing.ts';

/** What one process of a storm does; given as JSON in its first argument. */
export interface StormJob {
  readonly role: 'replica' | 'ledger';
  readonly name: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly chunk: number;
  readonly allotmentId: string;
  readonly calls: number;
  /** Calls under way at the same time. */
  readonly parallel: number;
  /** Units held and spent per call. */
  readonly hold: number;
  readonly spend: number;
  /** Milliseconds until a call is over, whatever happens. */
  readonly deadlineMs: number;
  /** Tries again what was refused for a reason that passes. */
  readonly stubborn: boolean;
  /** Ids of the calls that Redis confirmed as settled are appended here. */
  readonly toldFile: string;
}

/** One process of a storm: a replica that takes holds, or a ledger worker. Prints what it saw as one JSON line. */
const job = JSON.parse(process.argv[2] ?? '{}') as StormJob;
const log = createLogger({ service: 'storm', level: 'fatal' });
const random = systemRandom(clock);
const postgres = createPostgres<GatewayTables>({ url: job.databaseUrl, schema: 'gateway', log, poolMax: 4 });
const purse = createPurse({ url: job.redisUrl, prefix: job.prefix, log });
const ledger = createCallLedger({ postgres, purse, chunk: job.chunk, random, log });
const metrics = createMetrics({ service: 'storm', processMetrics: false });

if (job.role === 'ledger') {
  const worker = createLedgerWorker({
    postgres,
    purse,
    ledger,
    lease: createAdvisoryLease({ pool: postgres.pool, log, clock }),
    clock,
    log,
    metrics: createLedgerMetrics(metrics),
    timing: TEST_TIMING,
  });
  process.stdout.write('ready\n');
  await worker.run(new AbortController().signal);
}

const accounts = createSpendingAccounts({
  purse: {
    ...purse,
    async finish(request) {
      const told = await purse.finish(request);
      if (told && request.state === 'settled') appendFileSync(job.toldFile, `${request.callId}\n`);
      return told;
    },
  },
  ledger,
  clock,
  log,
  metrics: createHoldMetrics(metrics),
});
const account = accounts.open({ allotmentId: job.allotmentId, epoch: 1 });
const outcomes: Record<string, number> = {};
const LATER = new Set(['too_many_in_flight', 'accounting_unavailable']);
let next = 0;

async function lane(): Promise<void> {
  while (next < job.calls) {
    const callId = `${job.name}-${next++}`;
    for (let attempt = 0; ; attempt++) {
      const hold = await account.hold({
        callId: `${callId}.${attempt}`,
        method: 'eth_call',
        units: job.hold,
        deadlineMs: job.deadlineMs,
      });
      const reason = 'ok' in hold ? String(JSON.parse(hold.data ?? '{}').reason) : 'held';
      outcomes[reason] = (outcomes[reason] ?? 0) + 1;
      if (!('ok' in hold)) {
        await clock.sleep(random.float() * 3);
        hold.settle(job.spend);
        break;
      }
      if (!job.stubborn || !LATER.has(reason)) break;
      await clock.sleep(20 + random.float() * 50);
    }
  }
}

process.stdout.write('ready\n');
await Promise.all(Array.from({ length: job.parallel }, lane));
await accounts.close(20_000);
await clock.sleep(200);
process.stdout.write(`${JSON.stringify(outcomes)}\n`);
await purse.close();
await postgres.close();
