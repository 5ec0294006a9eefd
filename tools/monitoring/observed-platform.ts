import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { driveStory } from '../demo/drive.ts';
import { type E2eStack, startE2eStack } from '../demo/testing/e2e-stack.ts';
import { runLoadTest } from '../load/run-load-test.ts';
import { targetOfStack } from '../load/target-of-stack.ts';
import { type ControllerWorld, startControllerWorld } from './controller-world.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';
import { targetsOf } from './targets.ts';

const RULES = join(
  import.meta.dirname,
  '..',
  '..',
  'charts',
  'rejuve-platform',
  'files',
  'prometheus-rules.yaml',
);
/** Often, so that two minutes have enough samples for every rate; a scrape may take as long. */
const EVERY_SECONDS = 4;

/** What the browser of a visitor sends about one page load; a real browser does it in console/console.e2e.test.ts. */
async function visitConsole(url: string | undefined): Promise<void> {
  if (url === undefined) return;
  const timestamp = new Date().toISOString();
  const answer = await fetch(`${url}/collect`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      meta: { app: { name: 'console' }, view: { name: 'overview' } },
      measurements: [
        { type: 'web-vitals', values: { ttfb: 40, fcp: 180, lcp: 420, inp: 30, cls: 0.02 }, timestamp },
      ],
      exceptions: [{ type: 'TypeError', value: 'x is undefined', timestamp }],
    }),
  });
  if (!answer.ok) throw new Error(`/collect answered ${answer.status}: ${await answer.text()}`);
}

/** A whole platform of its own, with a controller on a real API server, watched by a real Prometheus with our rules. */
export interface ObservedPlatform {
  readonly platform: E2eStack;
  readonly prometheus: Prometheus;
  /** Uses every part once: the demo's story, a subscription, jobs for the controller. */
  use(): Promise<void>;
  stop(): Promise<void>;
}

export async function startObservedPlatform(say: (line: string) => void): Promise<ObservedPlatform> {
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    say('starting a platform of its own');
    const platform = await startE2eStack();
    closers.push(() => platform.stop());
    say('starting an API server and the controller');
    const world: ControllerWorld = await startControllerWorld(platform.access.url('redis'));
    closers.push(() => world.stop());
    const prometheus = await startPrometheus({
      targets: { ...targetsOf(platform.access.state.urls), controller: world.url },
      ruleFiles: [RULES],
      everySeconds: EVERY_SECONDS,
      log: say,
    });
    closers.push(() => prometheus.stop());
    return {
      platform,
      prometheus,
      async use() {
        const { chainId, urls } = platform.access.state;
        const socket = new WebSocket(`${(urls.gateway ?? '').replace('http', 'ws')}/rpc/${chainId}`);
        closers.push(async () => socket.close());
        await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
        socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }));
        await visitConsole(urls.console);
        await world.enqueue(200);
        say("driving the demo's story");
        const summary = await driveStory({
          stack: platform.access,
          signal: AbortSignal.timeout(240_000),
          observer: { onStart: ({ title }) => say(`  ${title}`), onDone: () => undefined },
        });
        const failed = summary.reports.filter((report) => report.status === 'failed').length;
        if (failed > 0) say(`${failed} steps of the demo failed; what they use may have no data`);
        say('a short load test, written to Prometheus');
        await runLoadTest(targetOfStack(platform.access.state), {
          scenario: 'notifications',
          duration: '8s',
          people: 4,
          remoteWrite: prometheus.remoteWriteUrl,
          outputFolder: join(platform.stateDir, 'load'),
          say,
        });
        // Counters need a second sample, and the recording rules a round after it.
        await sleep(3 * EVERY_SECONDS * 1000);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
