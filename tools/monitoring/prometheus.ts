import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { buildPrograms } from '../cluster/build.ts';
import { type ManagedProcess, manageProcess, waitFor } from '../cluster/process.ts';
import { freePort } from '../stack/parts/free-port.ts';

const READY_TIMEOUT_MS = 30_000;

export interface PrometheusOptions {
  /** What to scrape: name of the instance → base URL (`/metrics` is added). */
  readonly targets: Readonly<Record<string, string>>;
  /** Rule files, as Prometheus loads them. */
  readonly ruleFiles?: readonly string[];
  /** Seconds between scrapes and between evaluations. */
  readonly everySeconds?: number;
  readonly log?: (line: string) => void;
}

/** One series of an instant query. */
export interface VectorSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface EvaluatedRule {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
  /** Alerting rules: inactive, pending, firing. */
  readonly state?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface FiringAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
  readonly activeAt: string;
}

/** A Prometheus of our own, with its data in a temporary folder. */
export interface Prometheus {
  readonly url: string;
  /** Where k6 writes its results (remote write). */
  readonly remoteWriteUrl: string;
  /** Throws an Error with Prometheus's words when the query is wrong. */
  query(expression: string): Promise<VectorSample[]>;
  rules(): Promise<EvaluatedRule[]>;
  alerts(): Promise<FiringAlert[]>;
  targets(): Promise<{ instance: string; health: string; lastError: string }[]>;
  stop(): Promise<void>;
}

interface ApiAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data?: unknown;
}

async function ask(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  const answer = (await response.json()) as ApiAnswer;
  if (answer.status !== 'success') throw new Error(answer.error ?? `Prometheus answered ${response.status}`);
  return answer.data;
}

/** Starts the Prometheus that tools/cluster builds (once; cached), about two seconds. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { targets, ruleFiles = [], everySeconds = 5, log = () => undefined } = options;
  const { prometheus } = await buildPrograms(['prometheus'], log);
  const folder = mkdtempSync(join(tmpdir(), 'rejuve-prometheus-'));
  const config = {
    global: {
      scrape_interval: `${everySeconds}s`,
      scrape_timeout: `${everySeconds}s`,
      evaluation_interval: `${everySeconds}s`,
    },
    rule_files: ruleFiles,
    scrape_configs: [
      {
        job_name: 'rejuve',
        static_configs: Object.entries(targets).map(([instance, url]) => ({
          targets: [new URL(url).host],
          labels: { instance },
        })),
      },
    ],
  };
  writeFileSync(join(folder, 'prometheus.yaml'), stringify(config));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const process_: ManagedProcess = manageProcess({
    name: 'prometheus',
    command: prometheus,
    args: [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      '--log.level=warn',
    ],
    folder,
  });
  const stop = async (): Promise<void> => {
    await process_.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  process_.start();
  try {
    await waitFor(process_, async () => (await fetch(`${url}/-/ready`)).ok, READY_TIMEOUT_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    remoteWriteUrl: `${url}/api/v1/write`,
    async query(expression) {
      const data = (await ask(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)) as {
        resultType: string;
        result: unknown;
      };
      if (data.resultType === 'vector') return data.result as VectorSample[];
      return [{ metric: {}, value: data.result as [number, string] }];
    },
    async rules() {
      const data = (await ask(`${url}/api/v1/rules`)) as { groups: { rules: EvaluatedRule[] }[] };
      return data.groups.flatMap((group) => group.rules);
    },
    alerts: async () => ((await ask(`${url}/api/v1/alerts`)) as { alerts: FiringAlert[] }).alerts,
    async targets() {
      const data = (await ask(`${url}/api/v1/targets`)) as {
        activeTargets: { labels: { instance: string }; health: string; lastError: string }[];
      };
      return data.activeTargets.map(({ labels, health, lastError }) => ({
        instance: labels.instance,
        health,
        lastError,
      }));
    },
    stop,
  };
}
