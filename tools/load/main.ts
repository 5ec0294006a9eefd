import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nearest } from '../../lib/nearest.ts';
import { isAlive, readState, stateDirectory } from '../stack/state.ts';
import { K6Error, type LoadTarget, runLoadTest, SCENARIOS, TargetDownError } from './run-load-test.ts';
import { targetOfStack } from './target-of-stack.ts';
import { verdictTable } from './verdict.ts';

const OUTPUT = join(import.meta.dirname, '..', '..', 'output', 'load');

/** As many as a scenario usually has virtual users: each plays a person of her own. */
const PEOPLE = 100;

const EXIT = { kept: 0, broken: 1, usage: 2, noTarget: 3, k6: 4 } as const;

const scenarios = (): string[] => readdirSync(SCENARIOS).map((file) => file.replace(/\.ts$/, ''));

const usage = (): string => `Usage: make load [SCENARIO=peak] [DURATION=1m]
       node tools/load/main.ts [scenario] [--duration 1m] [--people 100] [--prometheus URL]
                               [--api URL --user URL --gateway URL] [--api-key KEY]

Runs a k6 scenario against the running platform and says which promises it kept.
Scenarios: ${scenarios().join(', ')} (loadtests/scenarios). Without URLs: the stack that make up started.
  --prometheus  base URL of a Prometheus that accepts remote write; the dashboard "k6 run" shows the run
Writes output/load/SCENARIO.{json,html,junit.xml}.
Exit code: 0 kept, 1 a promise was broken, 2 wrong call, 3 the platform does not answer, 4 k6 itself failed.`;

function findTarget(values: Record<string, string | boolean | undefined>): LoadTarget | undefined {
  const text = (name: string): string => String(values[name] ?? '');
  if (values.api && values.user) {
    const urls = { api: text('api'), user: text('user'), gateway: text('gateway') };
    const processes = Object.fromEntries(Object.entries(urls).filter(([, url]) => url !== ''));
    return { ...urls, chainId: 31_337, apiKey: text('api-key'), token: '', processes };
  }
  const state = readState(stateDirectory());
  return state && isAlive(state.supervisor) && state.ready ? targetOfStack(state) : undefined;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      duration: { type: 'string' },
      people: { type: 'string' },
      prometheus: { type: 'string' },
      api: { type: 'string' },
      user: { type: 'string' },
      gateway: { type: 'string' },
      'api-key': { type: 'string' },
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
  const people = Number(values.people ?? PEOPLE);
  if (!Number.isInteger(people) || people < 1) {
    console.error(`--people ${values.people}: a whole number above 0 is needed.`);
    return EXIT.usage;
  }
  if (values.duration !== undefined && !/^\d+(s|m|h)$/.test(values.duration)) {
    console.error(`--duration ${values.duration}: write 30s, 10m or 1h.`);
    return EXIT.usage;
  }
  const target = findTarget(values);
  if (!target) {
    console.error(
      'Nothing runs here to test: start it with `make up` in another terminal, or give --api and --user.',
    );
    return EXIT.noTarget;
  }
  const { rows, kept, files } = await runLoadTest(target, {
    scenario,
    people,
    duration: values.duration,
    remoteWrite: values.prometheus && `${values.prometheus.replace(/\/$/, '')}/api/v1/write`,
    outputFolder: OUTPUT,
    say: (line) => console.log(line),
  });
  const broken = rows.filter((row) => !row.kept).length;
  console.log(`\n${verdictTable(rows)}\n`);
  console.log(
    `  ${kept ? 'Every promise was kept.' : `${broken} of ${rows.length} measurements were missed.`}`,
  );
  for (const file of files) console.log(`  ${file}`);
  return kept ? EXIT.kept : EXIT.broken;
}

if (import.meta.main) {
  process.exitCode = await main().catch((error: unknown) => {
    if (error instanceof TargetDownError) {
      console.error(`The platform does not answer, so nothing was tested: ${error.message}`);
      return EXIT.noTarget;
    }
    console.error(error instanceof Error ? error.message : error);
    return error instanceof K6Error ? EXIT.k6 : EXIT.noTarget;
  });
}
