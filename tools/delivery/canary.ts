import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock as clock } from '../../lib/time.ts';
import { canaryValues, createHelmCanary, helmArguments } from './canary-helm.ts';
import { CANARY_PARTS, type CanaryPart, compareTracks, objectivesOf } from './canary-prometheus.ts';
import { runCanary } from './canary-run.ts';

const USAGE = `Usage: node tools/delivery/canary.ts PART --version TAG --prometheus URL [options]

Tries another version of a part (${Object.keys(CANARY_PARTS).join(', ')}) on a growing share of the work, judges it by its
objectives against the stable pods at each step, and makes it the only one, or takes it away. docs/runbooks/canary.md

  --version TAG          tag of the image that is tried, or its digest sha256:…
  --prometheus URL       Prometheus that scrapes the pods with their label \`track\` (PodMonitor of the chart)
  --selector MATCHERS    further label matchers (namespace="NAMESPACE")
  --track-label NAME     label with the values stable and canary (track)
  --release NAME         Helm release (rejuve)     --namespace NAME   its namespace (rejuve)
  --steps LIST           shares in percent (5,25,50)
  --step-seconds N       how long each is watched (300)
  --every-seconds N      how often it is looked at (15)
  --patience-seconds N   how long a step may wait for enough events (1800)
  --enough N             events of the canary that make a judgement (200)
  --chart PATH           the chart     --helm PATH   helm     --timeout T   of each upgrade (5m)
  --dry-run              show the objectives and what helm would be asked

Environment: PROMETHEUS_TOKEN (bearer token). Exit code: 0 promoted, 1 rolled back, 2 wrong usage, 3 look at it yourself.`;

const positive = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0)
    throw new UsageError(`--${name} must be a number above 0, not "${text}"`);
  return value;
};

class UsageError extends Error {}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      version: { type: 'string' },
      prometheus: { type: 'string' },
      selector: { type: 'string' },
      'track-label': { type: 'string', default: 'track' },
      release: { type: 'string', default: 'rejuve' },
      namespace: { type: 'string', default: 'rejuve' },
      steps: { type: 'string', default: '5,25,50' },
      'step-seconds': { type: 'string', default: '300' },
      'every-seconds': { type: 'string', default: '15' },
      'patience-seconds': { type: 'string', default: '1800' },
      enough: { type: 'string', default: '200' },
      chart: { type: 'string', default: join(import.meta.dirname, '..', '..', 'charts', 'rejuve-platform') },
      helm: { type: 'string', default: 'helm' },
      timeout: { type: 'string', default: '5m' },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const [part] = positionals;
  if (part === undefined || !Object.hasOwn(CANARY_PARTS, part))
    throw new UsageError(`say which part: ${Object.keys(CANARY_PARTS).join(', ')}`);
  if (values.version === undefined) throw new UsageError('--version is missing');
  if (values.prometheus === undefined || !URL.canParse(values.prometheus))
    throw new UsageError('--prometheus must be a URL such as http://prometheus.monitoring:9090');
  const steps = values.steps.split(',').map((step) => positive('steps', step));
  if (
    steps.some(
      (step, i) => step >= 100 || !Number.isInteger(step) || (i > 0 && step <= (steps[i - 1] as number)),
    )
  )
    throw new UsageError(`--steps must be whole percents below 100 that rise, not "${values.steps}"`);
  return {
    ...values,
    part: part as CanaryPart,
    version: values.version,
    prometheus: values.prometheus.replace(/\/+$/, ''),
    selector: values.selector ?? `namespace="${values.namespace}"`,
    plan: {
      steps,
      stepSeconds: positive('step-seconds', values['step-seconds']),
      everySeconds: positive('every-seconds', values['every-seconds']),
      patienceSeconds: positive('patience-seconds', values['patience-seconds']),
      enough: positive('enough', values.enough),
    },
  };
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readArguments>;
  try {
    options = readArguments();
  } catch (error) {
    if (
      !(error instanceof UsageError) &&
      !(error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')
    )
      throw error;
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  const { part, version, plan, prometheus: url, selector, 'track-label': trackLabel } = options;
  const measure = { url, selector, trackLabel, token: process.env.PROMETHEUS_TOKEN };
  if (options['dry-run']) {
    for (const { id, title, target } of objectivesOf(part))
      console.log(`judged by ${id}: ${title} (${target})`);
    for (const step of plan.steps)
      console.log(['helm', ...helmArguments(options, canaryValues(part, version).weight(step))].join(' '));
    console.log(['helm', ...helmArguments(options, canaryValues(part, version).promote())].join(' '));
    return 0;
  }
  const from = clock.monotonic();
  const say = (line: string): void =>
    console.log(`${((clock.monotonic() - from) / 1000).toFixed(0).padStart(5)} s  ${line}`);
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => abort.abort(new Error(signal)));
  try {
    // Before anything is changed: without eyes there is no canary.
    const now = await compareTracks(part, 300, measure);
    if (now.every(({ stable }) => stable.total === 0))
      say(
        `warning: Prometheus has seen no event of the stable ${part} in five minutes (${selector}, ${trackLabel}="stable")`,
      );
    const outcome = await runCanary({
      plan,
      release: createHelmCanary(options),
      compare: (seconds) => compareTracks(part, seconds, measure),
      clock,
      say,
      signal: abort.signal,
    });
    return outcome.result === 'promoted' ? 0 : 1;
  } catch (error) {
    console.error((error as Error).message);
    return 3;
  }
}

if (import.meta.main) process.exitCode = await main();
