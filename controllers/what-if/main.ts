import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { TRACES } from '../bench/traces.ts';
import { formatDecision } from '../rpc-worker-pool/trace.ts';
import { type PoolSpec, poolSpecSchema } from '../rpc-worker-pool/types.ts';
import { plot } from './plot.ts';
import { parseCsv, RecordingError, readPrometheus, type Sample } from './recording.ts';
import { type Outcome, replay, suggest } from './replay.ts';

const USAGE = `What would the controller have done?

  what-if --pool pool.yaml [--pool other.yaml …]  one or more RpcWorkerPools to compare
          --csv recording.csv                     columns time,arrivals[,service,down,limit]
        | --prometheus URL --arrivals PROMQL [--service PROMQL] --from TIME [--to TIME] [--step SECONDS]
        | --scenario NAME                         ${TRACES.map((trace) => trace.name).join(', ')}
          [--svg what-if.svg]                     where to draw it
          [--suggest PERCENT]                     suggest settings that are late for at most PERCENT of the time
          [--explain SECOND]                      print the decision at that second of the recording`;

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

const options = (() => {
  try {
    return parseArgs({
      options: {
        pool: { type: 'string', multiple: true },
        csv: { type: 'string' },
        prometheus: { type: 'string' },
        arrivals: { type: 'string' },
        service: { type: 'string' },
        from: { type: 'string' },
        to: { type: 'string' },
        step: { type: 'string', default: '30' },
        scenario: { type: 'string' },
        svg: { type: 'string' },
        suggest: { type: 'string' },
        explain: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    fail(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
})();

function readPool(file: string): { name: string; spec: PoolSpec } {
  let document: { metadata?: { name?: string }; spec?: unknown };
  try {
    document = parse(readFileSync(file, 'utf8')) as typeof document;
  } catch (error) {
    fail(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = poolSpecSchema.safeParse(document.spec);
  if (!parsed.success) fail(`${file} is not a valid RpcWorkerPool:\n${z.prettifyError(parsed.error)}`);
  return { name: document.metadata?.name ?? file, spec: parsed.data };
}

async function readSamples(): Promise<Sample[]> {
  if (options.csv) return parseCsv(readFileSync(options.csv, 'utf8'));
  if (options.scenario) {
    const trace = TRACES.find((candidate) => candidate.name === options.scenario);
    if (!trace)
      fail(`There is no scenario "${options.scenario}". Scenarios: ${TRACES.map((t) => t.name).join(', ')}`);
    return Array.from({ length: trace.seconds / 5 }, (_, index) => {
      const { arrivals, serviceSeconds, providerDown, providerLimit } = trace.at(index * 5);
      return { at: index * 5000, arrivals, serviceSeconds, providerDown, providerLimit };
    });
  }
  if (options.prometheus) {
    if (!options.arrivals || !options.from) fail(`--prometheus needs --arrivals and --from\n\n${USAGE}`);
    return readPrometheus({
      url: options.prometheus,
      queries: { arrivals: options.arrivals, ...(options.service ? { service: options.service } : {}) },
      from: new Date(options.from),
      to: options.to ? new Date(options.to) : new Date(),
      stepSeconds: Number(options.step),
    });
  }
  fail(`Say what to replay: --csv, --prometheus or --scenario\n\n${USAGE}`);
}

if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
if (!options.pool) fail(`Say which pool: --pool FILE\n\n${USAGE}`);
const pools = options.pool.map(readPool);
let samples: Sample[];
try {
  samples = await readSamples();
} catch (error) {
  if (error instanceof RecordingError || (error as NodeJS.ErrnoException).code === 'ENOENT')
    fail((error as Error).message);
  throw error;
}

const runs = pools.map(({ name, spec }) => ({ name, spec, outcome: replay(spec, samples) }));
if (options.suggest !== undefined) {
  const [first] = pools as [{ name: string; spec: PoolSpec }];
  const found = suggest(first.spec, samples, Number(options.suggest));
  if (found) {
    const { targetUtilizationPercent, maxReplicas, outcome } = found;
    console.log(
      `Suggestion for ${first.name}: targetUtilizationPercent: ${targetUtilizationPercent}, maxReplicas: ${maxReplicas}\n`,
    );
    runs.push({ name: 'suggested', spec: { ...first.spec, targetUtilizationPercent, maxReplicas }, outcome });
  } else {
    console.log(
      `No number of pods keeps ${first.name} late for at most ${options.suggest} % of the time: look at startupSeconds, the objective, or the providers.\n`,
    );
  }
}

const rows: [string, (outcome: Outcome, spec: PoolSpec) => string][] = [
  ['late', (o) => `${o.lateSeconds} s (${((o.lateSeconds / Math.max(1, o.seconds)) * 100).toFixed(1)} %)`],
  ['worst age', (o, spec) => `${o.worstAgeSeconds} s of ${spec.objective.oldestJobAgeSeconds} s`],
  ['pod hours', (o) => (o.podSeconds / 3600).toFixed(1)],
  ['peak', (o, spec) => `${o.peakReplicas} of ${spec.maxReplicas}`],
  ['changes', (o) => String(o.changes)],
  ['compute units', (o) => (o.computeUnits === 0 ? '–' : String(o.computeUnits))],
];
const nameWidth = Math.max(...runs.map((run) => run.name.length), 4);
const cells = runs.map((run) => rows.map(([, show]) => show(run.outcome, run.spec)));
const widths = rows.map(([title], column) =>
  Math.max(title.length, ...cells.map((line) => (line[column] as string).length)),
);
console.log(
  ['pool'.padEnd(nameWidth), ...rows.map(([title], column) => title.padEnd(widths[column] as number))].join(
    '  ',
  ),
);
runs.forEach((run, index) => {
  console.log(
    [
      run.name.padEnd(nameWidth),
      ...(cells[index] as string[]).map((cell, column) => cell.padEnd(widths[column] as number)),
    ].join('  '),
  );
});

if (options.explain !== undefined) {
  for (const run of runs) {
    const point =
      run.outcome.points[Math.min(run.outcome.points.length - 1, Math.max(0, Number(options.explain)))];
    if (point) console.log(`\n${run.name}, second ${options.explain}:\n${formatDecision(point.decision)}`);
  }
}
if (options.svg) {
  mkdirSync(dirname(resolve(options.svg)), { recursive: true });
  writeFileSync(options.svg, plot(runs, (pools[0] as { spec: PoolSpec }).spec.objective.oldestJobAgeSeconds));
  console.log(`\nDrawn: ${options.svg}`);
}
