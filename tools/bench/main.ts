import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { isMet } from './figure.ts';
import { renderReport, type ScenarioReport } from './report.ts';
import type { BenchScenario } from './scenario.ts';
import { addedLatency } from './scenarios/added-latency.ts';
import { allDown } from './scenarios/all-down.ts';
import { autoscaling } from './scenarios/autoscaling.ts';
import { callTokens } from './scenarios/call-tokens.ts';
import { fairness } from './scenarios/fairness.ts';
import { identicalCalls } from './scenarios/identical-calls.ts';
import { manyClients } from './scenarios/many-clients.ts';
import { memory } from './scenarios/memory.ts';
import { overload } from './scenarios/overload.ts';
import { providerDies } from './scenarios/provider-dies.ts';
import { queueHop } from './scenarios/queue-hop.ts';
import { rateLimited } from './scenarios/rate-limited.ts';
import { slowTail } from './scenarios/slow-tail.ts';
import { snet } from './scenarios/snet.ts';
import { throughput } from './scenarios/throughput.ts';
import { createStage } from './stage.ts';

const SCENARIOS: readonly BenchScenario[] = [
  throughput,
  addedLatency,
  identicalCalls,
  providerDies,
  slowTail,
  rateLimited,
  fairness,
  overload,
  allDown,
  manyClients,
  memory,
  queueHop,
  autoscaling,
  callTokens,
  snet,
];

const HELP = `Measures the chain gateway against its aims, on this machine, over loopback.

Usage
  make bench                                  everything (about eight minutes)
  make bench ARGS="--quick"                   shorter runs: figures jump more
  make bench ARGS="--only throughput,memory"

Options
  --only NAMES     comma-separated scenarios
  --quick          shorter runs
  --json FILE      where the figures go as JSON. Default .state/bench/figures.json
  --strict         exit 1 when an aim is missed
  --list           name the scenarios

Each scenario starts its own upstream simulators, gateway and load process, and stops them. "direct" is the same
load against the upstream itself in the same run; ratios travel between machines, absolute numbers do not. CPU is the
gateway process alone, read from /proc. Logs are in .state/bench/.

Scenarios
${SCENARIOS.map(({ name, title }) => `  ${name.padEnd(16)} ${title}`).join('\n')}
`;

async function runScenario(scenario: BenchScenario, quick: boolean): Promise<ScenarioReport> {
  const startedAt = performance.now();
  const stage = createStage(scenario.name);
  const report = (rest: Pick<ScenarioReport, 'figures' | 'error'>): ScenarioReport => ({
    scenario: scenario.name,
    title: scenario.title,
    seconds: (performance.now() - startedAt) / 1_000,
    ...rest,
  });
  try {
    return report({ figures: await scenario.run(stage, { quick }) });
  } catch (error) {
    return report({ figures: [], error: (error as Error).message });
  } finally {
    await stage.stop();
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', short: 'h' },
      list: { type: 'boolean' },
      only: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'string' },
      strict: { type: 'boolean' },
    },
  });
  if (values.help || values.list) {
    process.stdout.write(values.list ? `${SCENARIOS.map(({ name }) => name).join('\n')}\n` : HELP);
    return 0;
  }
  const wanted = values.only?.split(',').map((name) => name.trim());
  const unknown = wanted?.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) {
    process.stderr.write(`bench: there is no scenario "${unknown}"; try --list\n`);
    return 2;
  }
  const reports: ScenarioReport[] = [];
  for (const scenario of SCENARIOS) {
    if (wanted !== undefined && !wanted.includes(scenario.name)) continue;
    process.stderr.write(`${scenario.name} …\n`);
    const [load = 0] = loadavg();
    if (load > cpus().length) {
      process.stderr.write(
        `  other work keeps this machine busy (load ${load.toFixed(1)}): figures will be worse than they are\n`,
      );
    }
    reports.push({ ...(await runScenario(scenario, values.quick ?? false)), loadBefore: load });
  }
  process.stdout.write(renderReport(reports));
  const file = values.json ?? '.state/bench/figures.json';
  await mkdir(dirname(file), { recursive: true });
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  await writeFile(
    file,
    `${JSON.stringify({ measuredAt: new Date().toISOString(), machine, quick: values.quick ?? false, reports }, null, 2)}\n`,
  );
  process.stderr.write(`figures: ${file}\n`);
  if (reports.some(({ error }) => error !== undefined)) return 1;
  const missed = reports.some(({ figures }) => figures.some((figure) => isMet(figure) === false));
  return values.strict && missed ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
