import { id } from 'ethers';
import { createServiceAuth, serviceAuthKeys } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import { DemoFailure, expectThat } from '../demo-failure.ts';
import { eventually } from '../eventually.ts';
import { createProviderControl } from '../provider-control.ts';
import type { Step, Story } from '../story.ts';

const CALLS = 200;
/** A slow provider on the internet answers in about this time; it keeps calls in flight while the outage begins. */
const PROVIDER_LATENCY_MS = 250;

/** 7. One of two providers is shut off in the middle of a burst of concurrent calls: no call fails. */
export const providerOutageStep: Step = {
  id: 'provider-outage',
  title: `A provider dies under ${CALLS} concurrent calls`,
  needs: [],
  async run(story) {
    const { stack, cleanup, signal } = story;
    const call = await createCaller(story);
    const providers = { alpha: providerOf(story, 'alpha'), beta: providerOf(story, 'beta') };
    for (const [name, provider] of Object.entries(providers)) {
      cleanup.add(`latency of provider ${name}`, () => provider.removeFault('demo-latency'));
      await provider.addFault({ id: 'demo-latency', type: 'latency', ms: PROVIDER_LATENCY_MS });
    }
    // The victim is the one that the gateway prefers: shutting the other off would prove nothing.
    const victim = (await call(randomBalance())).provider === 'beta' ? 'beta' : 'alpha';
    const other = victim === 'alpha' ? 'beta' : 'alpha';
    // Nobody else on the platform asks for transaction counts of strangers in the meantime.
    const seenByVictim = () => providers[victim].callsOf('eth_getTransactionCount');
    const before = await seenByVictim();

    const start = (from: number, to: number) =>
      Array.from({ length: to - from }, (_unused, index) => call(burstCall(from + index, stack.manifest)));
    const firstHalf = Promise.allSettled(start(0, CALLS / 2));
    await eventually(
      { expected: `calls of the burst at ${victim}`, withinMs: 5_000, everyMs: 5, signal },
      async () => ((await seenByVictim()) > before ? true : undefined),
    );
    const putBack = cleanup.add(`provider ${victim}`, () => providers[victim].up());
    await providers[victim].down();
    // The first half is still under way; for the second the preferred provider is gone from the start.
    const outcomes = [
      ...(await Promise.all([firstHalf, Promise.allSettled(start(CALLS / 2, CALLS))])),
    ].flat();
    await putBack();

    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as Error] : [],
    );
    if (failures.length) {
      const [first] = failures;
      throw new DemoFailure({
        expected: `none of ${CALLS} calls to fail`,
        seen: `${failures.length} failed, the first: ${first?.message}`,
        service: 'gateway',
      });
    }
    const answers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const byOther = answers.filter((answer) => answer.provider === other).length;
    expectThat(
      byOther > 0,
      `calls answered by ${other} while ${victim} was off`,
      answers.slice(0, 3),
      'gateway',
    );
    const retried = answers.filter((answer) => answer.attempts > 1).length;
    const slowest = Math.max(...answers.map((answer) => answer.ms));
    return {
      did:
        `${CALLS} of ${CALLS} answered; ${victim} was shut off with calls in flight, ${retried} calls needed another ` +
        `attempt, ${byOther} came from ${other}; slowest ${slowest} ms`,
      look: `${story.gateway.baseUrl}/metrics`,
    };
  },
};

interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
  /** Whether the result is the right one for exactly this call: a mixed-up id would show here. */
  readonly isRight: (result: unknown) => boolean;
}

interface RpcAnswer {
  readonly provider: string;
  readonly attempts: number;
  readonly ms: number;
}

/** Makes one JSON-RPC call through the gateway; fails unless it is answered rightly. */
async function createCaller({ stack, signal }: Story): Promise<(call: RpcCall) => Promise<RpcAnswer>> {
  const auth = createServiceAuth({
    self: 'tools',
    keys: serviceAuthKeys.parse(stack.credential('serviceAuthKeys')),
    clock: systemClock,
  });
  const token = await auth.sign('gateway');
  const url = stack.url('rpc');
  let nextId = 1;
  return async ({ method, params, isRight }) => {
    const started = performance.now();
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ jsonrpc: '2.0', id: nextId++, method, params }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(15_000)]),
    });
    const text = await response.text();
    const body = response.ok ? (JSON.parse(text) as { result?: unknown; error?: unknown }) : undefined;
    if (!body || body.error || !isRight(body.result)) {
      throw new DemoFailure({
        expected: `${method} ${JSON.stringify(params)} to be answered rightly`,
        seen: `${response.status} ${text}`,
        service: 'gateway',
      });
    }
    return {
      // In a cluster the name of the release stands before it.
      provider: response.headers.get('x-provider')?.split('-').at(-1) ?? '',
      attempts: Number(response.headers.get('x-attempts') ?? 1),
      ms: Math.round(performance.now() - started),
    };
  };
}

/** Calls that no cache can answer, of several kinds. */
function burstCall(index: number, manifest: Story['stack']['manifest']): RpcCall {
  if (index % 3 === 0) return randomBalance();
  const token = manifest.contracts.RejuveToken?.address;
  if (index % 3 === 1) {
    const data = `0x70a08231${randomAddress().slice(2).padStart(64, '0')}`;
    return {
      method: 'eth_call',
      params: [{ to: token, data }, 'latest'],
      isRight: (result) => typeof result === 'string' && BigInt(result) === 0n,
    };
  }
  return {
    method: 'eth_getTransactionCount',
    params: [randomAddress(), 'latest'],
    isRight: (result) => result === '0x0',
  };
}

function randomBalance(): RpcCall {
  return {
    method: 'eth_getBalance',
    params: [randomAddress(), 'latest'],
    isRight: (result) => result === '0x0',
  };
}

/** An address that nobody has used. */
const randomAddress = () => `0x${id(crypto.randomUUID()).slice(-40)}`;

function providerOf({ stack }: Story, name: 'alpha' | 'beta') {
  return createProviderControl(stack.url(`${name}Control`), name);
}
