import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ZodError } from 'zod';
import { describeFaultProblems, type FaultInput } from './faults.ts';
import { parseScenario } from './scenario.ts';
import { type SimulatorOptions, startSimulator } from './simulator.ts';

const HELP = `A JSON-RPC node that misbehaves on demand, over HTTP and WebSocket.

Usage
  node tools/simulator/main.ts --synthetic [options]        a made-up chain, the same for every process and seed
  node tools/simulator/main.ts --upstream URL [options]     in front of a real node (anvil, geth, a provider)

Where it listens
  --host HOST              default 127.0.0.1
  --port PORT              JSON-RPC over HTTP and WebSocket, any path. Default 8600; 0 picks a free port
  --control-port PORT      control API. Default PORT + 1000 (a free port when PORT is 0)
  --name NAME              shown in the log line and by the control API. Default "simulator"

The synthetic chain
  --chain-id N             default 31337
  --block-time MS          default 2000; 0 mines by hand only (POST /control/chain/mine)
  --transactions N         per block, default 4
  --logs N                 per transaction, default 1
  --multicall3             the chain has Multicall3
  --finalized N, --safe N  blocks behind the head, defaults 64 and 32

Faults
  --seed N                 all dice are rolled from it. Default 1
  --faults FILE|JSON       faults to start with, e.g. '[{"type":"latency","ms":15,"jitterMs":5}]'
  --scenario FILE          a timeline of faults, YAML or JSON, started at once
  --no-record              do not keep recent calls (cheaper under load)

Output
  --json                   print where it listens as one line of JSON instead of prose

Try it
  node tools/simulator/main.ts --synthetic --port 8600
  curl -s localhost:8600 -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'
  curl -s -X PUT localhost:9600/control/faults -d '[{"type":"too-many-requests","probability":0.3}]'
  curl -s localhost:9600/control/stats

Every fault, the control API and scenarios are described in tools/simulator/README.md.
`;

/** A mistake on the command line: told in one line, exit 2. */
class UsageError extends Error {}

function integer(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name} wants a whole number, not "${text}"`);
  return Number(text);
}

function readArguments(argv: readonly string[]): { options: SimulatorOptions; json: boolean } | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', short: 'h' },
      synthetic: { type: 'boolean' },
      upstream: { type: 'string' },
      'upstream-ws': { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      'control-port': { type: 'string' },
      name: { type: 'string' },
      'chain-id': { type: 'string' },
      'block-time': { type: 'string' },
      transactions: { type: 'string' },
      logs: { type: 'string' },
      finalized: { type: 'string' },
      safe: { type: 'string' },
      multicall3: { type: 'boolean' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      scenario: { type: 'string' },
      'no-record': { type: 'boolean' },
      json: { type: 'boolean' },
    },
  });
  if (values.help) return 'help';
  if (values.upstream === undefined && !values.synthetic)
    throw new UsageError('say --synthetic or --upstream URL');
  if (values.upstream !== undefined && values.synthetic)
    throw new UsageError('--synthetic and --upstream exclude each other');
  if (values.upstream !== undefined && !/^https?:\/\//.test(values.upstream)) {
    throw new UsageError(`--upstream wants an http(s) URL, not "${values.upstream}"`);
  }
  const port = integer('port', values.port, 8_600);
  const seed = integer('seed', values.seed, 1);
  const faultText =
    values.faults === undefined || /^\s*[[{]/.test(values.faults)
      ? values.faults
      : readFileSync(values.faults, 'utf8');
  const faults = faultText === undefined ? undefined : (JSON.parse(faultText) as FaultInput[]);
  return {
    json: values.json ?? false,
    options: {
      name: values.name ?? 'simulator',
      host: values.host ?? '127.0.0.1',
      port,
      controlPort: integer('control-port', values['control-port'], port === 0 ? 0 : port + 1_000),
      ...(values.upstream === undefined ? {} : { upstream: values.upstream }),
      ...(values['upstream-ws'] === undefined ? {} : { upstreamWs: values['upstream-ws'] }),
      synthetic: {
        chainId: integer('chain-id', values['chain-id'], 31_337),
        blockTimeMs: integer('block-time', values['block-time'], 2_000),
        transactionsPerBlock: integer('transactions', values.transactions, 4),
        logsPerTransaction: integer('logs', values.logs, 1),
        safeDistance: integer('safe', values.safe, 32),
        finalizedDistance: integer('finalized', values.finalized, 64),
        seed,
      },
      multicall3: values.multicall3 ?? false,
      seed,
      record: !values['no-record'],
      ...(faults === undefined ? {} : { faults }),
      ...(values.scenario === undefined
        ? {}
        : { scenario: parseScenario(readFileSync(values.scenario, 'utf8')) }),
    },
  };
}

async function main(argv: readonly string[]): Promise<void> {
  const read = readArguments(argv);
  if (read === 'help') {
    process.stdout.write(HELP);
    return;
  }
  const simulator = await startSimulator(read.options);
  const { name, url, wsUrl, controlUrl } = simulator;
  process.stdout.write(
    read.json
      ? `${JSON.stringify({ name, url, wsUrl, controlUrl, pid: process.pid })}\n`
      : `${name}: JSON-RPC ${url} and ${wsUrl}, control ${controlUrl}/control\n`,
  );
  const stop = (): void => {
    simulator.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main(process.argv.slice(2)).catch((error: Error & { code?: string }) => {
  const usage = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS') === true;
  const text = error instanceof ZodError ? describeFaultProblems(error).join('\n') : error.message;
  process.stderr.write(`simulator: ${text}\n${usage ? 'Try --help.\n' : ''}`);
  process.exit(2);
});
