import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type HoldRequest, type Principal, unlimitedPrincipal } from '../admission/principal.ts';
import { createVirtualGateway, type VirtualGateway } from '../testing/virtual-gateway.ts';
import { gatewayError, RPC_ERROR } from './errors.ts';
import type { Reply } from './front-door.ts';

const ADDRESS = `0x${'0'.repeat(39)}1`;
const PRICE = 20;

/** A budget that remembers what was asked of it. */
function createBudget(
  clock: VirtualGateway['clock'],
  units: number,
): { principal: Principal; events: string[]; left: () => number; ids: Set<string> } {
  const events: string[] = [];
  const ids = new Set<string>();
  let left = units;
  const end = (request: HoldRequest, what: string, spent: number): void => {
    events.push(`${what} ${spent}`);
    left += request.units - spent;
  };
  return {
    events,
    ids,
    left: () => left,
    principal: {
      ...unlimitedPrincipal('call-token', 'token:t'),
      account: {
        async hold(request) {
          await clock.sleep(1);
          if (left < request.units) return gatewayError(RPC_ERROR.budgetExhausted, 'no budget');
          expect(ids.has(request.callId)).toBe(false);
          ids.add(request.callId);
          left -= request.units;
          events.push(`hold ${request.units}`);
          return {
            settle: (spent) => end(request, 'settle', spent),
            release: () => end(request, 'release', 0),
          };
        },
      },
    },
  };
}

let gateway: VirtualGateway;
beforeEach(async () => {
  gateway = await createVirtualGateway({ blockTimeMs: 0, hedging: false });
});
afterEach(() => gateway.close());

const ask = (principal: Principal, timeoutMs = 5_000, method = 'eth_getBalance'): Promise<Reply> =>
  Promise.resolve(
    gateway.path.door.handle(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [ADDRESS, 'latest'] }), {
      requestId: 'the-same-for-all',
      principal,
      priority: 'standard',
      timeoutMs,
    }),
  );

describe('holds', () => {
  it('are taken once per upstream call, settled by what it cost, and not taken for a cached answer', async () => {
    const budget = createBudget(gateway.clock, 1_000);
    const first = ask(budget.principal);
    await gateway.clock.advance(100);
    expect((await first).calls[0]?.cache).toBe('miss');
    expect(budget.events).toEqual([`hold ${3 * PRICE}`, `settle ${PRICE}`]);
    expect((await ask(budget.principal)).calls[0]?.cache).toBe('hit');
    expect((await ask(budget.principal, 5_000, 'eth_chainId')).calls[0]?.cache).toBe('local');
    expect(budget.events).toHaveLength(2);
    expect(budget.left()).toBe(1_000 - PRICE);
  });

  it('of a crowd that asks for the same are one', async () => {
    const budget = createBudget(gateway.clock, 3 * PRICE);
    const all = Array.from({ length: 200 }, () => ask(budget.principal));
    await gateway.clock.advance(200);
    const replies = await Promise.all(all);
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(replies.filter((reply) => reply.calls[0]?.cache === 'coalesced')).toHaveLength(199);
    expect(budget.events).toEqual([`hold ${3 * PRICE}`, `settle ${PRICE}`]);
  });

  it('that are refused fail their own call and nobody else who asks for the same', async () => {
    const poor = createBudget(gateway.clock, 0);
    const rich = createBudget(gateway.clock, 1_000);
    const broke = ask(poor.principal);
    const paying = ask(rich.principal);
    const free = ask(unlimitedPrincipal('service', 'service:api'));
    await gateway.clock.advance(200);
    expect((await broke).status).toBe(402);
    expect((await paying).status).toBe(200);
    expect((await free).status).toBe(200);
    expect(poor.events).toEqual([]);
    // The free caller's work was under way when the refused one let the next try: that one rides along.
    expect(rich.events).toEqual([]);
    expect(gateway.upstreams.reduce((sum, { balanceCalls }) => sum + balanceCalls, 0)).toBe(1);
  });

  it('survive the deadline of the caller who took them', async () => {
    for (const upstream of gateway.upstreams) upstream.faults = { slowRate: 1, slowMs: 500 };
    const budget = createBudget(gateway.clock, 1_000);
    const hasty = ask(budget.principal, 100);
    await gateway.clock.advance(5);
    const patient = ask(unlimitedPrincipal('service', 'service:api'), 5_000);
    await gateway.clock.advance(200);
    expect((await hasty).body).toContain(String(RPC_ERROR.timeout));
    // The work goes on for the other one, so the hold stays.
    expect(budget.events).toEqual([`hold ${3 * PRICE}`]);
    await gateway.clock.advance(2_000);
    expect((await patient).status).toBe(200);
    const sent = gateway.upstreams.reduce((sum, { balanceCalls }) => sum + balanceCalls, 0);
    expect(budget.events).toEqual([`hold ${3 * PRICE}`, `settle ${sent * PRICE}`]);
  });

  it('come back when nobody could answer, and when nothing was sent', async () => {
    for (const upstream of gateway.upstreams) upstream.faults = { down: true };
    const budget = createBudget(gateway.clock, 1_000);
    const reply = ask(budget.principal, 60_000);
    await gateway.clock.advance(20_000);
    expect((await reply).status).toBe(503);
    expect(budget.left()).toBe(1_000);
    expect(budget.events.at(-1)).toBe('release 0');
  });

  it('are charged when the caller’s own deadline cuts the work short', async () => {
    for (const upstream of gateway.upstreams) upstream.faults = { hang: true };
    const budget = createBudget(gateway.clock, 1_000);
    const reply = ask(budget.principal, 50);
    await gateway.clock.advance(500);
    expect((await reply).body).toContain(String(RPC_ERROR.timeout));
    expect(budget.left()).toBe(1_000 - PRICE);
  });

  it('of different work at the same time do not wait for each other', async () => {
    const budget = createBudget(gateway.clock, 10_000);
    const started = gateway.clock.monotonic();
    const all = Array.from({ length: 20 }, (_, index) =>
      Promise.resolve(
        gateway.path.door.handle(
          JSON.stringify({
            jsonrpc: '2.0',
            id: 1,
            method: 'eth_getBalance',
            params: [`0x${index.toString(16).padStart(40, '0')}`, 'latest'],
          }),
          { requestId: 'r', principal: budget.principal, priority: 'standard', timeoutMs: 5_000 },
        ),
      ),
    );
    await gateway.clock.advance(40);
    await Promise.all(all);
    expect(gateway.clock.monotonic() - started).toBeLessThan(60);
    expect(budget.ids.size).toBe(20);
    expect(budget.left()).toBe(10_000 - 20 * PRICE);
  });
});
