import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSeededRandom } from '../../lib/random.ts';
import type { MeasuredCosts } from './measure.ts';
import { type Need, needOf, saturationOf, scaled, TODAY } from './model.ts';
import { simulateP99 } from './queue-simulation.ts';

export const FACTORS = [1, 10, 100, 1_000] as const;
/** Databases and the network, for an answer that has to ask both; the median of a quiet platform is below it. */
export const WAIT_SECONDS = 0.02;
const REQUESTS = 200_000;

const COSTS = join(import.meta.dirname, 'costs.json');

/** What tools/capacity/measure.ts wrote; undefined before the first measurement. */
export const measuredCosts = (): MeasuredCosts | undefined =>
  existsSync(COSTS) ? (JSON.parse(readFileSync(COSTS, 'utf8')) as MeasuredCosts) : undefined;

/** p99 of the busiest service by simulation, seconds, with so many processes (the model's number when absent). */
export function simulatedP99(need: Need, costs: MeasuredCosts, processes = need.replicas.api): number {
  return simulateP99({
    perSecond: need.requestsPerSecond * costs.ratios.apiShare,
    serviceSeconds: costs.cpu.apiPerRequest,
    waitSeconds: WAIT_SECONDS,
    processes,
    requests: REQUESTS,
    random: createSeededRandom(1),
  });
}

const ms = (seconds: number): string => `${(seconds * 1000).toFixed(2)} ms`;
const rate = (value: number): string =>
  value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en');
const mib = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;

/** The measured part of the page. */
function figures(costs: MeasuredCosts): string {
  const { cpu, ratios } = costs;
  const needs = FACTORS.map((factor) => needOf(scaled(TODAY, factor), costs));
  const across = (title: string, value: (need: Need) => string): string =>
    `| ${title} | ${needs.map(value).join(' | ')} |`;
  return `## What was measured

${costs.measuredAt}, ${costs.duration} of the peak test (\`make load\`), ${costs.requests} requests and ${costs.transfers} transfers, all processes on one machine with two cores. CPU time, not time on the clock: it differs little when the machine does other things as well.

| unit of work | CPU | one process (60 % of a core) does |
|---|---|---|
| a request to the API | ${ms(cpu.apiPerRequest)} | ${rate(saturationOf(costs)['api requests'] ?? 0)} a second |
| a request to the user service, other services' included | ${ms(cpu.userPerRequest)} | ${rate(saturationOf(costs)['user service requests'] ?? 0)} a second |
| a call through the gateway, JSON-RPC or internal | ${ms(cpu.gatewayPerCall)} | ${rate(saturationOf(costs)['gateway calls'] ?? 0)} a second |
| a transaction, in the worker (with its polling in idle times) | ${ms(cpu.workerPerTransaction)} | ${rate(saturationOf(costs)['worker transactions'] ?? 0)} a second, and more when it is not idle |
| a block, in the indexer (with its polling) | ${ms(cpu.indexerPerBlock)} | ${rate(saturationOf(costs)['indexer blocks'] ?? 0)} a second |
| Postgres, for each request of people | ${ms(cpu.postgresPerRequest)} | ${rate(saturationOf(costs)['Postgres core: requests of people'] ?? 0)} a second for each core (50 %) |
| Redis, for each request of people | ${ms(cpu.redisPerRequest)} | ${rate(saturationOf(costs)['Redis: requests of people'] ?? 0)} a second (40 % of its one core) |

An API request causes ${ratios.gatewayCallsPerApiRequest.toFixed(2)} calls to the gateway; a call through the gateway causes ${ratios.providerCallsPerGatewayCall.toFixed(2)} calls to providers, head polling included. Resident memory at the end: ${Object.entries(
    costs.memory,
  )
    .map(([name, bytes]) => `${name} ${mib(bytes)}`)
    .join(', ')}.

## What the promises need

| | ${FACTORS.map((factor) => `${factor.toLocaleString('en')} ×`).join(' | ')} |
|---|${FACTORS.map(() => '---|').join('')}
${across('requests a second', (n) => rate(n.requestsPerSecond))}
${across('transactions a minute', (n) => rate(n.demand.transactionsPerMinute))}
${across('open streams', (n) => rate(n.demand.streams))}
${across('API replicas', (n) => String(n.replicas.api))}
${across('user service replicas', (n) => String(n.replicas.user))}
${across('gateway replicas', (n) => String(n.replicas.gateway))}
${across('workers', (n) => String(n.replicas.worker))}
${across('Postgres cores', (n) => String(n.postgresCores))}
${across('Postgres servers (persons divided)', (n) => String(n.postgresShards))}
${across('Redis servers', (n) => String(n.redisShards))}
${across('provider calls a second', (n) => rate(n.providerCallsPerSecond))}
${across('signers per pool (12 s blocks)', (n) => String(n.signerLanes))}
${across('p99 of the API by simulation', (n) => ms(simulatedP99(n, costs)))}

Two replicas are the least, for a release or the loss of a node. The simulation gives requests at random to so many processes and takes the 99th percentile of 200,000 answers; \`tools/capacity/model.test.ts\` proves that it keeps the promise at each level and breaks it with far fewer processes.
`;
}

const NOT_MEASURED = `## What was measured

Nothing yet: \`node tools/capacity/measure.ts --duration 10m\` on a machine that does nothing else writes \`tools/capacity/costs.json\`, and \`node dashboards/generate.ts\` puts the cost of each unit of work, the saturation of each part and the needs at 1, 10, 100 and 1,000 times today's peak here.
`;

/** `docs/scaling.md`. */
export function scalingPage(costs: MeasuredCosts | undefined = measuredCosts()): string {
  return `<!-- Generated by dashboards/generate.ts from tools/capacity. Measure again: node tools/capacity/measure.ts --duration 10m -->
# Scaling

How much one unit of work costs, where each part saturates, and what the promises need at 1, 10, 100 and 1,000 times today's peak. The costs are measured, the rest is a small model (\`tools/capacity/model.ts\`) that a simulation checks.

${costs === undefined ? NOT_MEASURED : figures(costs)}
## What limits today's design, in the order in which it is met

1. **Signers.** A nonce lane has at most 16 transactions under way, so a pool of one signer sends 16 for every two blocks. More signers in the pool are more lanes; nothing else has to change.
2. **Provider plans.** What is asked of providers grows with distinct reads, not with people: the cache and coalescing answer the rest. Each plan's limit is known to the gateway, which queues and refuses honestly above it; \`ProviderBudgetNearlySpent\` says when to buy.
3. **One consumer of the event log.** The user service applies events in order, one process at a time. Its limit is the number of transfers of *linked* wallets a second that one transaction loop commits; the measure to watch is \`chain_event_apply_delay_seconds\`. Beyond it, consume by shards of the wallet's hash: each shard has its own cursor, order matters only within a wallet.
4. **One Postgres for the user service.** Reads can go to replicas at once (inbox, statements). Beyond the largest machine, persons are divided: every table of the service is keyed by a person or by a wallet of one person, and no query joins two people.
5. **One active indexer per chain.** It writes in the chain's own order. A chain with sub-second blocks needs its writes in larger batches before it needs anything else. Chains are independent: one indexer, one event log and one set of lanes each, so they are divided by chain without any change.
6. **One Redis.** Limits, cache, queues and leases share it. They use key prefixes of their own and no command that touches two of them, so each can move to a server of its own; the cache and the limits can then be a cluster by key.

## What does not limit

- Stateless processes (API, gateway, user service's HTTP side) are added one by one; the gateway's workers by the controller, from the age of the oldest job.
- Streams: a process holds thousands of open sockets; ${rate(10_000)} is what the model allows itself.
`;
}
