import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { buildPrograms } from '../../tools/cluster/build.ts';
import { freePort } from '../../tools/stack/parts/free-port.ts';

// Two programs that are built once, and a machine that may be busy.
jest.setTimeout(45 * 60_000);

const MINUTES = 60;
const STEP_SECONDS = 15;
/** Half an hour at 10 jobs/s, then ten minutes at 60, then 10 again; a second pool beside it. */
const arrivalsAt = (minute: number): number => (minute >= 30 && minute < 40 ? 60 : 10);

let folder: string;
let url: string;
let from: Date;
let to: Date;
let stop: () => Promise<unknown> = async () => undefined;

beforeAll(async () => {
  const programs = await buildPrograms(['prometheus', 'promtool']);
  folder = mkdtempSync(join(tmpdir(), 'what-if-'));
  to = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 60_000);
  from = new Date(to.getTime() - MINUTES * 60_000);
  const lines = (name: string, value: (minute: number) => number): string[] => [
    `# TYPE ${name} gauge`,
    ...['mainnet', 'other'].flatMap((pool) =>
      Array.from({ length: (MINUTES * 60) / STEP_SECONDS + 1 }, (_, index) => {
        const at = from.getTime() / 1000 + index * STEP_SECONDS;
        return `${name}{namespace="apps",pool="${pool}"} ${value((index * STEP_SECONDS) / 60)} ${at}`;
      }),
    ),
  ];
  // The series that the controller itself shows (pool-metrics.ts).
  writeFileSync(
    join(folder, 'recorded.om'),
    [
      ...lines('rpcworkerpool_arrivals_per_second', arrivalsAt),
      ...lines('rpcworkerpool_service_seconds', () => 0.4),
      '# EOF',
      '',
    ].join('\n'),
  );
  const data = join(folder, 'data');
  execFileSync(programs.promtool, [
    'tsdb',
    'create-blocks-from',
    'openmetrics',
    join(folder, 'recorded.om'),
    data,
  ]);
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {}\n');
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const child = spawn(
    programs.prometheus,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const exited = new Promise((resolve) => child.once('exit', resolve));
  stop = () => {
    child.kill('SIGTERM');
    return exited;
  };
  for (let look = 0; ; look++) {
    const ready = await fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) break;
    if (look > 600) throw new Error('Prometheus did not become ready');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  writeFileSync(
    join(folder, 'pool.yaml'),
    `metadata: { name: mainnet }
spec:
  targetRef: { name: workers }
  chainId: 1
  queue: { name: q }
  maxReplicas: 20
  worker: { concurrency: 4 }
`,
  );
});
afterAll(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

const whatIf = (arrivals: string, ...more: string[]) =>
  spawnSync(
    process.execPath,
    [
      join(import.meta.dirname, 'main.ts'),
      ...['--pool', join(folder, 'pool.yaml'), '--prometheus', url, '--arrivals', arrivals],
      ...['--from', from.toISOString(), '--to', to.toISOString(), '--step', String(STEP_SECONDS), ...more],
    ],
    { encoding: 'utf8' },
  );

describe('what-if on a real Prometheus', () => {
  it('replays what the controller recorded, and draws it', () => {
    const svg = join(folder, 'out.svg');
    const { status, stdout, stderr } = whatIf(
      'sum(rpcworkerpool_arrivals_per_second{pool="mainnet"})',
      ...[
        '--service',
        'sum(rpcworkerpool_service_seconds{pool="mainnet"})',
        '--svg',
        svg,
        '--explain',
        '2100',
      ],
    );
    expect([status, stderr]).toEqual([0, '']);
    // 60 jobs/s of 0.4 s at 80 % of four slots need eight pods; ten jobs/s need two.
    expect(stdout).toMatch(/mainnet\s+\d+ s \(\d+\.\d %\)\s+\d+ s of 30 s\s+\d+\.\d\s+(8|9|1\d) of 20/);
    expect(stdout).toMatch(/λ\s+6\d(\.\d+)? jobs\/s|λ\s+5\d(\.\d+)? jobs\/s/);
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg/);
  });

  it.each([
    ['several series', 'rpcworkerpool_arrivals_per_second', 'yields 2 series; wrap it in sum'],
    ['a series that is not there', 'sum(nothing_here)', 'has no data between'],
    ['PromQL that is none', 'sum(', 'Prometheus refused sum('],
  ])('says what is wrong with %s', (_what, query, message) => {
    const { status, stderr } = whatIf(query);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
