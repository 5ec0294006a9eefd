import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from '../../../../lib/log.ts';
import { createTestRedis, type TestRedis } from '../../../../tools/testing/test-redis.ts';
import { createPurse, type Purse, type PurseHold, type PurseLoad } from './purse.ts';
import { guardsOf, PURSE_SCRIPTS, type PurseScripts, withoutGuard } from './purse-scripts.ts';

const log = createLogger({ service: 'guards', level: 'fatal' });
const FAR = 10 ** 13;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Everything the scripts promise, as a list of checks on a fresh purse; returns the first that does not hold. */
async function firstBroken(
  open: (options?: { maxLogEntries?: number }) => Purse,
): Promise<string | undefined> {
  let n = 0;
  const fresh = async (limits: Partial<PurseLoad> = {}, options?: { maxLogEntries?: number }) => {
    const purse = open(options);
    const id = `a${++n}`;
    await purse.setGeneration('g1');
    const load: PurseLoad = {
      generation: 'g1',
      allotmentId: id,
      epoch: 1,
      lease: 1,
      granted: 100,
      maxInFlight: 3,
      maxPerCall: 50,
      validAfter: 0,
      validBefore: FAR,
      price: 1,
      ...limits,
    };
    await purse.load(load);
    const hold = (callId: string, units: number, more: Partial<PurseHold> = {}) =>
      purse.hold({
        generation: 'g1',
        allotmentId: id,
        epoch: 1,
        callId,
        units,
        expiresInMs: 60_000,
        method: 'm',
        ...more,
      });
    const end = (
      callId: string,
      units: number,
      generation = 'g1',
      state: 'settled' | 'released' = 'settled',
    ) => purse.finish({ generation, allotmentId: id, callId, state, units });
    const sight = async (lease = 1) => {
      const seen = await purse.look((await purse.generation()) ?? '', id, lease);
      return typeof seen === 'object' ? seen : undefined;
    };
    return { purse, id, load, hold, end, sight };
  };
  const checks: Record<string, () => Promise<boolean>> = {
    async 'a hold of another life is refused'() {
      const { purse, hold } = await fresh();
      await purse.setGeneration('g2');
      return (await hold('c', 1)).kind === 'LOST';
    },
    async 'a purse of another life gives nothing'() {
      const { purse, hold } = await fresh();
      await purse.setGeneration('g2');
      return (await hold('c', 1, { generation: 'g2' })).kind === 'COLD';
    },
    async 'an ending of another life changes nothing'() {
      const { purse, hold, end } = await fresh();
      await hold('c', 10);
      await purse.setGeneration('g2');
      return !(await end('c', 10, 'g2'));
    },
    async 'an earlier epoch is revoked'() {
      const { purse, id, hold } = await fresh();
      await purse.revoke('g1', id, 2);
      return (await hold('c', 1)).kind === 'REVOKED';
    },
    async 'a load does not take a revocation back'() {
      const { purse, id, load, hold } = await fresh();
      await purse.revoke('g1', id, 2);
      await purse.load(load);
      return (await hold('c', 1)).kind === 'REVOKED';
    },
    async 'too early is refused'() {
      const { hold } = await fresh({ validAfter: FAR - 1 });
      return (await hold('c', 1)).kind === 'EARLY';
    },
    async 'too late is refused'() {
      const { hold } = await fresh({ validBefore: 1 });
      return (await hold('c', 1)).kind === 'EXPIRED';
    },
    async 'a repeated hold is the same hold'() {
      const { hold, sight } = await fresh();
      await hold('c', 10);
      return (await hold('c', 10)).kind === 'HELD' && (await sight())?.held === 10;
    },
    async 'a call id is one call'() {
      const { hold } = await fresh();
      await hold('c', 10);
      return (await hold('c', 11)).kind === 'CONFLICT';
    },
    async 'an ended call is not held again'() {
      const { hold, end } = await fresh();
      await hold('c', 10);
      await end('c', 5);
      return (await hold('c', 10)).kind === 'DONE';
    },
    async 'one call has its limit'() {
      const { hold } = await fresh();
      return (await hold('c', 51)).kind === 'PER_CALL';
    },
    async 'so many at a time'() {
      const { hold } = await fresh();
      for (const c of ['a', 'b', 'c']) await hold(c, 1);
      return (await hold('d', 1)).kind === 'BUSY';
    },
    async 'no more than there is'() {
      const { hold } = await fresh();
      await hold('a', 50);
      await hold('b', 40);
      const last = await hold('c', 11);
      return last.kind === 'LOW' && last.remaining === 10;
    },
    async 'a full log stops holds'() {
      const { hold, end } = await fresh({}, { maxLogEntries: 0 });
      const first = (await hold('a', 1)).kind;
      await end('a', 1);
      return first === 'BEHIND';
    },
    async 'an overdue hold gives its slot to the next'() {
      const { hold } = await fresh({ maxInFlight: 1 });
      await hold('a', 1, { expiresInMs: 1 });
      await sleep(5);
      return (await hold('b', 1)).kind === 'HELD';
    },
    async 'an overdue hold is swept without a next'() {
      const { hold, sight } = await fresh();
      await hold('a', 10, { expiresInMs: 1 });
      await sleep(5);
      const seen = await sight();
      return seen?.inFlight === 0 && seen.remaining === 100;
    },
    async 'ends once'() {
      const { hold, end, sight } = await fresh();
      await hold('a', 10);
      const told = [await end('a', 10), await end('a', 10)];
      const seen = await sight();
      return told[0] === true && told[1] === false && seen?.settled === 10 && seen.inFlight === 0;
    },
    async 'charges at most what was held'() {
      const { hold, end, sight } = await fresh();
      await hold('a', 10);
      await end('a', 99);
      return (await sight())?.settled === 10;
    },
    async 'a fenced lease stays shut'() {
      const { purse, id, hold, end, sight } = await fresh();
      await hold('a', 10);
      await purse.fence('g1', id, 1);
      await end('a', 4);
      const seen = await sight();
      return seen?.remaining === 0 && seen.unspent === 96 && (await hold('b', 1)).kind === 'LOW';
    },
    async 'a load that comes too late is refused'() {
      const { purse, id, load, hold } = await fresh();
      await purse.fence('g1', id, 1);
      await purse.load({ ...load, granted: 200 });
      return (await hold('b', 1)).kind === 'LOW';
    },
    async 'a load is told once and for all'() {
      const { purse, load, sight } = await fresh();
      await purse.load(load);
      await purse.load({ ...load, granted: 60 });
      const seen = await sight();
      return seen?.granted === 100 && seen.remaining === 100;
    },
    async 'a load of another life is refused'() {
      const { purse, load, sight } = await fresh();
      await purse.setGeneration('g2');
      await purse.load({ ...load, granted: 500 });
      await purse.setGeneration('g1');
      return (await sight())?.granted === 100;
    },
  };
  for (const [what, holds] of Object.entries(checks)) {
    // A script that breaks down for want of its guard has not kept the promise either.
    if (!(await holds().catch(() => false))) return what;
  }
  return undefined;
}

jest.setTimeout(60_000);

describe('the guards of the purse', () => {
  let redis: TestRedis;
  const purses: Purse[] = [];
  let prefix = 0;
  const opener = (scripts: PurseScripts) => {
    prefix += 1;
    const name = `guard${prefix}`;
    return (options: { maxLogEntries?: number } = {}) => {
      const purse = createPurse({ url: redis.url, prefix: name, log, scripts, ...options });
      purses.push(purse);
      return purse;
    };
  };
  beforeAll(async () => {
    redis = await createTestRedis();
  });
  afterAll(async () => {
    for (const purse of purses) await purse.close();
    await redis.drop();
  });

  it('keep every promise together', async () => {
    expect(await firstBroken(opener(PURSE_SCRIPTS))).toBeUndefined();
  });

  const mutants = (Object.keys(PURSE_SCRIPTS) as (keyof PurseScripts)[]).flatMap((script) =>
    guardsOf(PURSE_SCRIPTS[script]).map((guard) => [script, guard] as const),
  );
  // The prelude is part of three scripts; its guards are looked for where they act.
  const ofFinish = guardsOf(PURSE_SCRIPTS.finish);
  const acting = mutants.filter(([script, guard]) => script === 'finish' || !ofFinish.includes(guard));
  it.each(acting)('%s: "%s" is needed', async (script, guard) => {
    const scripts = { ...PURSE_SCRIPTS, [script]: withoutGuard(PURSE_SCRIPTS[script], guard) };
    expect(scripts[script]).not.toBe(PURSE_SCRIPTS[script]);
    expect(await firstBroken(opener(scripts))).toBeDefined();
  });
});
