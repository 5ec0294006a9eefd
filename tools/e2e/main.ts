import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nearest } from '../../lib/nearest.ts';
import { CannotHostError } from '../cluster/node/up.ts';
import { type Check, CheckFailure, type Context, type Plot, SkipCheck } from './check.ts';
import { rememberMachine } from './checks/cluster.ts';
import { CHECKS } from './checks.ts';
import { prepareImages } from './deploy.ts';
import { loadWhile } from './load.ts';
import { createRelease } from './release.ts';
import { type Figure, OUTPUT, type Outcome, type Result, totalsLine, writeResults } from './results.ts';
import { openTarget, type Target, TargetError } from './target.ts';

const USAGE = `Usage: make e2e [ARGS="--only NAME[,NAME] --skip NAME --assume NAME --rate N --keep"]

Proves the platform on a real cluster: the one of KUBECONFIG (with IMAGE_REGISTRY=ghcr.io/you or kind[:NAME]), else one
that is started on this machine (Linux, root). Each check says what it measured; output/e2e/report.html has the plots.
  --only   these checks, and those they need
  --skip   not these
  --assume take these for passed: with --keep, a release can be worked on without installing it again
  --rate   requests a second of the steady load (20)
  --keep   leave the release and the cluster running at the end

Checks:
${CHECKS.map(({ id, title }) => `  ${id.padEnd(20)} ${title}`).join('\n')}

Exit code: 0 all passed or skipped, 1 a check failed, 2 wrong call, 3 this machine cannot host a cluster (all skipped).`;

class UsageError extends Error {}

const NAMESPACE = process.env.NAMESPACE || 'rejuve-e2e';

/**
 * The development preset, with two of what serves requests (one pod cannot be replaced without a gap by an eviction),
 * data that outlives its pod, and reservations that fit on two cores.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  'gateway.replicas': '2',
  'api.replicas': '2',
  'user.replicas': '2',
  'embedded.postgres.persistence.enabled': 'true',
  'embedded.redis.persistence.enabled': 'true',
  'embedded.chain.persistence.enabled': 'true',
  ...Object.fromEntries(
    [
      'gateway',
      'transactions',
      'rpcWorkers',
      'indexer',
      'api',
      'user',
      'notifications',
      'controller',
      'console',
    ]
      .map((part) => [`${part}.resources.requests.cpu`, '20m'])
      .concat(
        ['postgres', 'redis', 'chain'].map((part) => [`embedded.${part}.resources.requests.cpu`, '20m']),
      ),
  ),
};

function choose(only: readonly string[] | undefined, skip: readonly string[]): readonly Check[] {
  const find = (id: string): Check => {
    const found = CHECKS.find((check) => check.id === id);
    if (found) return found;
    const guess = nearest(
      id,
      CHECKS.map((check) => check.id),
    );
    throw new UsageError(`there is no check "${id}"${guess ? `; did you mean ${guess}?` : ''}`);
  };
  const wanted = new Set<string>();
  const want = (id: string): void => {
    wanted.add(id);
    for (const need of find(id).needs) want(need);
  };
  for (const id of only ?? CHECKS.map((check) => check.id)) want(id);
  for (const id of skip) wanted.delete(find(id).id);
  return CHECKS.filter(({ id }) => wanted.has(id));
}

/** These clean up, so they run whatever the clock says. */
const LAST: ReadonlySet<string> = new Set(['uninstall', 'cluster-down']);

/** Minutes that the run may take, the building of programs included; checks that would begin later are skipped. */
const BUDGET_MINUTES = Number(process.env.E2E_MINUTES || 120);

async function runChecks(
  checks: readonly Check[],
  context: Context,
  results: Result[],
  assumed: readonly string[],
): Promise<void> {
  const passed = new Set<string>(assumed);
  for (const check of checks) {
    const { id, title } = check;
    const from = performance.now();
    const add = (status: Result['status'], text: string) => {
      const seconds = (performance.now() - from) / 1000;
      results.push({ id, title, status, seconds, text });
      const mark = { passed: '✓', failed: '✗', skipped: '–' }[status];
      console.log(`${mark} ${title} (${seconds.toFixed(1)} s)\n      ${text}`);
    };
    const isOver = performance.now() > BUDGET_MINUTES * 60_000;
    const missing = check.needs.filter((need) => !passed.has(need));
    if (missing.length > 0) add('skipped', `needs ${missing.join(', ')}`);
    else if (isOver && !LAST.has(id))
      add('skipped', `the ${BUDGET_MINUTES} minutes of E2E_MINUTES were over`);
    else if (check.ownNodeOnly && context.target.kind !== 'own')
      add('skipped', 'the nodes of this cluster are not ours to break');
    else {
      try {
        add('passed', await check.run(context));
        passed.add(id);
      } catch (error) {
        if (error instanceof SkipCheck) add('skipped', error.message);
        else
          add(
            'failed',
            error instanceof CheckFailure ? error.message : String((error as Error).stack ?? error),
          );
      }
    }
  }
}

async function run(): Promise<number> {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      skip: { type: 'string', multiple: true },
      assume: { type: 'string', multiple: true },
      rate: { type: 'string' },
      keep: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const names = (list: readonly string[] | undefined) =>
    list?.flatMap((text) => text.split(',')).map((text) => text.trim());
  const rate = Number(options.rate ?? 20);
  if (!(rate > 0)) throw new UsageError(`--rate wants a number of requests a second, not "${options.rate}"`);
  const assumed = names(options.assume) ?? [];
  let checks = choose(names(options.only), [...(names(options.skip) ?? []), ...assumed]);
  if (options.keep) checks = checks.filter(({ id }) => !['uninstall', 'cluster-down'].includes(id));

  const outcome = {
    results: [] as Result[],
    figures: [] as Figure[],
    plots: [] as Plot[],
    startedAt: new Date().toISOString(),
  };
  const log = (line: string): void => console.log(`   · ${line}`);
  rmSync(OUTPUT, { recursive: true, force: true });
  mkdirSync(OUTPUT, { recursive: true });
  let target: Target;
  try {
    rememberMachine();
    target = await openTarget(process.env, log);
  } catch (error) {
    if (!(error instanceof CannotHostError)) throw error;
    return skipAll(checks, error.message, outcome);
  }
  try {
    const release = createRelease({ target, namespace: NAMESPACE, name: 'rejuve' });
    // The first check takes the cluster down and up again: images are loaded after it.
    const values: Record<string, string> = {};
    const loaded = async (): Promise<void> =>
      void Object.assign(values, SETTINGS, await prepareImages(target, log));
    const folder = join(OUTPUT, 'work');
    mkdirSync(folder, { recursive: true });
    const context: Context = {
      target,
      release,
      values,
      folder,
      log,
      plot: (plot) => void outcome.plots.push(plot),
      figure: (name, value, unit) => void outcome.figures.push({ name, value, unit }),
      underLoad: async (act) =>
        loadWhile({
          target: {
            api: await release.url('api', 4100),
            user: await release.url('user', 4200),
            gateway: await release.url('gateway', 4000),
            apiKey: await release.secret(`${release.name}-made`, 'api-bootstrap-key'),
            chainId: 31_337,
          },
          perSecond: rate,
          folder,
          act,
        }),
    };
    const first = checks.filter(({ id }) => id === 'cluster');
    await runChecks(first, context, outcome.results, assumed);
    await loaded();
    await runChecks(checks.slice(first.length), context, outcome.results, assumed);
  } finally {
    target.close();
  }
  const report = writeResults(outcome);
  console.log(`\n${totalsLine(outcome.results)}    ${report}`);
  return outcome.results.some(({ status }) => status === 'failed') ? 1 : 0;
}

/** The machine cannot host a cluster: said, and counted as skipped. */
function skipAll(checks: readonly Check[], why: string, outcome: Outcome & { results: Result[] }): number {
  console.log(why);
  for (const { id, title } of checks)
    outcome.results.push({ id, title, status: 'skipped', seconds: 0, text: why });
  writeResults(outcome);
  console.log(`\n${totalsLine(outcome.results)}`);
  return 3;
}

try {
  process.exitCode = await run();
} catch (error) {
  const isUsage = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  if (!(error instanceof UsageError || error instanceof TargetError || isUsage)) throw error;
  console.error(`${(error as Error).message}\nTry --help.`);
  process.exitCode = 2;
}
