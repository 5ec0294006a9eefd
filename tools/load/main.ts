import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nearest } from '../../lib/nearest.ts';
import { buildPrograms } from '../cluster/build.ts';
import { isAlive, readState, stateDirectory } from '../stack/state.ts';
import { signInMany } from './people.ts';
import { type K6Summary, verdictOf, verdictTable } from './verdict.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SCENARIOS = join(ROOT, 'loadtests', 'scenarios');
const OUTPUT = join(ROOT, 'output', 'load');

/** As many as a scenario may have virtual users: each plays a person of her own. */
const PEOPLE = 100;

const EXIT = { kept: 0, broken: 1, usage: 2, noTarget: 3 } as const;

const scenarios = (): string[] => readdirSync(SCENARIOS).map((file) => file.replace(/\.ts$/, ''));

const usage = (): string => `Usage: make load [SCENARIO=peak] [DURATION=1m]
       node tools/load/main.ts [scenario] [--duration 1m] [--api URL --user URL]

Runs a k6 scenario against the running platform and says which objectives it kept.
Scenarios: ${scenarios().join(', ')} (loadtests/scenarios). Without URLs: the stack that make up started.
Exit code: 0 kept, 1 an objective was missed, 2 wrong call, 3 nothing to test against.`;

function findTarget(values: { api?: string | undefined; user?: string | undefined }) {
  if (values.api && values.user) return { api: values.api, user: values.user, gateway: '', chainId: 31_337 };
  const state = readState(stateDirectory());
  if (!state || !isAlive(state.supervisor) || !state.ready) return undefined;
  const { api = '', user = '', gateway = '' } = state.urls;
  return { api, user, gateway, chainId: state.chainId };
}

/** k6 from the PATH, else built from its pinned modules into the cache. */
async function findK6(): Promise<string> {
  const onPath = spawnSync('k6', ['version'], { encoding: 'utf8' });
  if (onPath.status === 0) return 'k6';
  return (await buildPrograms(['k6'], (line) => console.log(line))).k6;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      duration: { type: 'string' },
      api: { type: 'string' },
      user: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(usage());
    return EXIT.kept;
  }
  const scenario = positionals[0] ?? 'peak';
  if (!existsSync(join(SCENARIOS, `${scenario}.ts`))) {
    const guess = nearest(scenario, scenarios());
    console.error(
      `There is no scenario "${scenario}"${guess ? `; did you mean ${guess}?` : ''}\n\n${usage()}`,
    );
    return EXIT.usage;
  }
  const target = findTarget(values);
  if (!target) {
    console.error(
      'Nothing runs here to test: start it with `make up` in another terminal, or give --api and --user.',
    );
    return EXIT.noTarget;
  }
  const k6 = await findK6();

  mkdirSync(OUTPUT, { recursive: true });
  const peopleFile = join(OUTPUT, 'people.json');
  const summaryFile = join(OUTPUT, `${scenario}.json`);
  rmSync(summaryFile, { force: true });
  const people = await signInMany(target.user, PEOPLE, (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r… signing people in: ${done} of ${PEOPLE} `);
  });
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
  console.log(`${PEOPLE} people are signed in; k6 runs ${scenario} against ${target.api} and ${target.user}`);
  // Tokens of throw-away people on a development stack; still nobody else's business.
  writeFileSync(peopleFile, JSON.stringify(people), { mode: 0o600 });

  const code = await new Promise<number>((resolve) => {
    const child = spawn(k6, ['run', '--no-usage-report', '--quiet', join(SCENARIOS, `${scenario}.ts`)], {
      stdio: 'inherit',
      env: {
        ...process.env,
        API_URL: target.api,
        USER_URL: target.user,
        GATEWAY_URL: target.gateway,
        CHAIN_ID: String(target.chainId),
        PEOPLE_FILE: peopleFile,
        SUMMARY_FILE: summaryFile,
        ...(values.duration ? { DURATION: values.duration } : {}),
      },
    });
    child.once('error', () => resolve(EXIT.usage));
    child.once('close', (status) => resolve(status ?? EXIT.broken));
  });
  if (!existsSync(summaryFile)) {
    console.error(`k6 ended with ${code} and left no summary; what it said stands above.`);
    return EXIT.usage;
  }
  const rows = verdictOf(JSON.parse(readFileSync(summaryFile, 'utf8')) as K6Summary);
  const broken = rows.filter((row) => !row.kept).length;
  console.log(
    `\n${verdictTable(rows)}\n\n  ${broken === 0 ? 'Every objective was kept.' : `${broken} of ${rows.length} were missed.`} All figures: ${summaryFile}`,
  );
  return broken === 0 && rows.length > 0 ? EXIT.kept : EXIT.broken;
}

if (import.meta.main) {
  process.exitCode = await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    return EXIT.noTarget;
  });
}
