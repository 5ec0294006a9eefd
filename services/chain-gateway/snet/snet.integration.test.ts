import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { createSnetFixture, type Replica, type SnetFixture } from '../testing/snet-fixture.ts';
import type { CallResult } from './calls/call-service.ts';
import type { Channel } from './store/channel-store.ts';

describe('calls to a SingularityNET service', () => {
  let world: SnetFixture;
  let gateway: Replica;
  let channel: Channel;
  beforeAll(async () => {
    world = await createSnetFixture();
    gateway = await world.replica();
    channel = await world.openChannel(gateway);
  }, 180_000);
  afterAll(() => world.close());

  const json = ({ method, message }: CallResult): Record<string, unknown> =>
    gateway.snet.calls.toJson(method, message as Buffer) as Record<string, unknown>;
  const refusal = (call: Promise<unknown>): Promise<AppError> =>
    call.then(
      () => {
        throw new Error('the call was answered');
      },
      (error) => {
        expect(error).toBeInstanceOf(AppError);
        return error as AppError;
      },
    );
  const charged = async (): Promise<bigint> => (await gateway.snet.statement(channel.id)).books.answered;

  it('opens and fills a channel on the real contract by itself', () => {
    expect(channel.chainValue).toBe(100_000n);
    expect(channel.signer).not.toBe(channel.sender);
  });

  it('answers one call and charges its price', async () => {
    const result = await gateway.call('Echo/Say', {
      text: 'hello',
      tone: 'LOUD',
      sequence: '9007199254740993',
    });
    expect(json(result)).toMatchObject({ text: 'HELLO', sequence: '9007199254740993' });
    expect(result.receipt).toMatchObject({ mode: 'prepaid', charged: 10n });
    const inferred = await gateway.call('Infer', { evidence: { exercise: 'low' }, query: ['sleep'] });
    expect(inferred.receipt.charged).toBe(25n);
  });

  it('makes many calls at once on one token, and buys more before it runs out', async () => {
    const before = await charged();
    const results = await Promise.all(
      Array.from({ length: 400 }, (_, i) => gateway.call('Say', { text: `${i}` })),
    );
    expect(results.map((result) => json(result).text)).toEqual(results.map((_, i) => `${i}`));
    const { drift, books } = await gateway.snet.statement(channel.id);
    expect(books.answered - before).toBe(4000n);
    expect(drift.total).toBe(0n);
  });

  it('shares one token and its credit with other gateways', async () => {
    const other = await world.replica();
    const tokens = world.daemon.context.observed.counts.tokens;
    await Promise.all(
      [gateway, other].flatMap((one) => Array.from({ length: 20 }, () => one.call('Say', {}))),
    );
    expect((world.daemon.context.observed.counts.tokens ?? 0) - (tokens ?? 0)).toBeLessThan(20);
    expect((await other.snet.statement(channel.id)).drift.total).toBe(0n);
    await other.close();
  });

  it('streams answers and charges once, at the end', async () => {
    const before = await charged();
    const seen: number[] = [];
    const { receipt } = await gateway.call(
      'Echo/Repeat',
      { text: 'again', times: 5 },
      {
        onMessage: (message, method) =>
          void seen.push(Number((gateway.snet.calls.toJson(method, message) as { number: number }).number)),
      },
    );
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(receipt.charged).toBe(10n);
    expect(await charged()).toBe(before + 10n);
  });

  it('charges nothing when the service fails, and the books still agree with the daemon', async () => {
    const before = await charged();
    const error = await refusal(gateway.call('Infer', { query: ['shoe size'] }));
    expect(error.code).toBe('invalid_argument');
    expect(error.message).toMatch(/unknown variable shoe size.*Nothing was charged/);
    const { books, drift } = await gateway.snet.statement(channel.id);
    expect(books.answered).toBe(before);
    expect(books.refunded).toBe(25n);
    expect(drift.total).toBe(0n);
  });

  it('replays an answer for the same Idempotency-Key and charges once', async () => {
    const before = await charged();
    const first = await gateway.call('Say', { text: 'once' }, { idempotencyKey: 'k1' });
    const second = await gateway.call('Say', { text: 'once' }, { idempotencyKey: 'k1' });
    expect(second.receipt).toMatchObject({ id: first.receipt.id, replayed: true });
    expect(json(second)).toEqual(json(first));
    expect(await charged()).toBe(before + 10n);
    expect((await refusal(gateway.call('Say', { text: 'other' }, { idempotencyKey: 'k1' }))).code).toBe(
      'idempotency_key_reused',
    );
    const racing = await Promise.allSettled(
      Array.from({ length: 5 }, () =>
        gateway.call('Say', { text: 'race', pauseMs: 50 }, { idempotencyKey: 'k2' }),
      ),
    );
    expect(racing.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await charged()).toBe(before + 20n);
  });

  it('refuses what is not known or does not fit, each by its name, and charges nothing', async () => {
    const before = await charged();
    const cases: [Promise<unknown>, string, RegExp][] = [
      [gateway.call('Say', {}, { org: 'rejuvee' }), 'not_found', /did you mean rejuve\?/],
      [gateway.call('Say', {}, { service: 'exampel' }), 'not_found', /did you mean example\?/],
      [gateway.call('Sai', {}), 'not_found', /did you mean rejuve\.example\.Echo\/Say\?/],
      [
        gateway.call('Say', { txt: 'x' }),
        'invalid_argument',
        /\/txt: .* has no field txt; did you mean text\?/,
      ],
      [gateway.call('Say', { text: 5 }), 'invalid_argument', /\/text: expected a string, found a number/],
      [
        gateway.call('Say', { times: -1 }),
        'invalid_argument',
        /\/times: expected a whole number from 0 to 4294967295/,
      ],
      [gateway.call('Say', { tone: 'LOUDER' }), 'invalid_argument', /\/tone: expected one of PLAIN, LOUD/],
      [gateway.call('Infer', { query: 'x' }), 'invalid_argument', /\/query: expected a list, found a string/],
      [gateway.call('Say', [1]), 'invalid_argument', /expected an object/],
      [gateway.call('Say', { attachment: 'A'.repeat(6_000_000) }), 'body_too_large', /at most 4194304/],
      [gateway.call('Repeat', { times: 2 }), 'invalid_argument', /Accept: text\/event-stream/],
    ];
    for (const [call, code, text] of cases) {
      const error = await refusal(call);
      expect({ code: error.code, text: error.message }).toEqual({ code, text: expect.stringMatching(text) });
    }
    expect(await charged()).toBe(before);
  });

  it('learns the methods by reflection', async () => {
    const other = await world.replica({ service: { protos: undefined, reflection: true } });
    expect((await other.call('Infer', { query: ['stress'] })).receipt.charged).toBe(25n);
    await other.close();
  });

  it('pays call by call where it is told to, in order over two gateways, and each payment exactly once', async () => {
    const [a, b] = await Promise.all([1, 2].map(() => world.replica({ service: { payment: ['escrow'] } })));
    const { observed } = world.daemon.context;
    const from = observed.acceptedPayments.length;
    const results = await Promise.all(
      [a, b].flatMap((one) => Array.from({ length: 8 }, () => (one as Replica).call('Say', {}))),
    );
    expect(results.every(({ receipt }) => receipt.mode === 'escrow')).toBe(true);
    const amounts = observed.acceptedPayments.slice(from).map(({ amount }) => BigInt(amount));
    expect(amounts.map((amount, i) => amount - (amounts[i - 1] ?? (amounts[0] as bigint) - 10n))).toEqual(
      amounts.map(() => 10n),
    );
    expect((await (a as Replica).snet.statement(channel.id)).drift.total).toBe(0n);
    for (const one of [a, b]) await one?.close();
  });

  it('falls back to escrow at a daemon that sells nothing in advance', async () => {
    world.daemon.set({ prepaid: false });
    const other = await world.replica({ service: { payment: ['prepaid', 'escrow'] } });
    // The credit in the database is no use there, either.
    expect((await other.call('Say', {})).receipt.mode).toBe('escrow');
    world.daemon.set({ prepaid: true });
    await other.close();
  });

  it('uses free calls while there are any', async () => {
    const other = await world.replica({ service: { payment: ['free', 'prepaid'] } });
    const modes: string[] = [];
    for (let i = 0; i < 5; i++) modes.push((await other.call('Say', {})).receipt.mode);
    expect(modes).toEqual(['free', 'free', 'free', 'prepaid', 'prepaid']);
    await other.close();
  });

  it('takes calls from a call token and settles what was charged', async () => {
    const ends: string[] = [];
    const account = {
      hold: async ({ units }: { units: number }) => ({
        settle: (spent: number) => void ends.push(`settle ${spent} of ${units}`),
        release: () => void ends.push(`release ${units}`),
      }),
    };
    await gateway.call('Say', {}, { account });
    await refusal(gateway.call('Infer', { query: ['nothing'] }, { account }));
    expect(ends).toEqual(['settle 10 of 10', 'release 25']);
    const empty = {
      hold: async () => ({
        ok: false as const,
        code: -32005,
        message: 'the budget is used up',
        retry: 'never' as const,
      }),
    };
    const before = await charged();
    expect((await refusal(gateway.call('Say', {}, { account: empty }))).message).toMatch(
      /the budget is used up/,
    );
    expect(await charged()).toBe(before);
  });

  it('tells by person and service what was spent', async () => {
    await gateway.call('Say', {}, { person: 'p-1' });
    await gateway.call('Infer', {}, { person: 'p-1' });
    const { statementLines } = await import('./calls/statement.ts');
    const lines = await statementLines(gateway.snet.postgres.db, {
      person: 'p-1',
      from: new Date(0),
      to: new Date(Date.now() + 60_000),
    });
    expect(lines).toEqual([
      expect.objectContaining({ person: 'p-1', service: 'example', answered: 2, charged: '35' }),
    ]);
  });
});
