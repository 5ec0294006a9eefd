import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createFairQueue, type FairItem, type FairQueue } from './fair-queue.ts';

const item = (flow: string, extra: Partial<FairItem> = {}): FairItem => ({
  flow,
  weight: 1,
  cost: 1,
  deadlineAt: 1_000,
  gone: false,
  ...extra,
});
function next(queue: FairQueue<FairItem>): FairItem {
  const head = queue.candidates(1)[0] as FairItem;
  queue.served(head);
  return head;
}

describe('a fair queue', () => {
  it('gives one who asks for a hundred times as much no more than one who asks for a little', () => {
    const queue = createFairQueue<FairItem>();
    for (let i = 0; i < 500; i++) queue.push(item('noisy'));
    for (let i = 0; i < 5; i++) queue.push(item('quiet'));
    const order = Array.from({ length: 10 }, () => next(queue).flow);
    expect(order.filter((flow) => flow === 'quiet')).toHaveLength(5);
  });

  it('lets nobody save up a share while away, and lets nobody escape what it took', () => {
    const queue = createFairQueue<FairItem>();
    for (let i = 0; i < 200; i++) queue.push(item('busy'));
    for (let i = 0; i < 100; i++) next(queue);
    for (let i = 0; i < 100; i++) queue.push(item('late'));
    const order = Array.from({ length: 20 }, () => next(queue).flow);
    expect(order.filter((flow) => flow === 'late').length).toBeLessThanOrEqual(11);
    // Emptying its queue and coming back at once is no way out of having been served.
    const again = createFairQueue<FairItem>();
    for (let i = 0; i < 10; i++) again.push(item('steady'));
    let hopper = 0;
    for (let i = 0; i < 8; i++) {
      again.push(item('hopper'));
      if (next(again).flow === 'hopper') hopper++;
    }
    expect(hopper).toBeLessThanOrEqual(5);
  });

  it('counts from the present for one who was served long ago and comes back', () => {
    const queue = createFairQueue<FairItem>();
    for (let i = 0; i < 300; i++) queue.push(item('busy'));
    queue.push(item('saver'));
    for (let i = 0; i < 100; i++) next(queue);
    for (let i = 0; i < 100; i++) queue.push(item('saver'));
    const order = Array.from({ length: 20 }, () => next(queue).flow);
    expect(order.filter((flow) => flow === 'saver').length).toBeLessThanOrEqual(11);
  });

  it('goes by deadline inside a flow', () => {
    const queue = createFairQueue<FairItem>();
    for (const deadlineAt of [500, 100, 300, 200, 400]) queue.push(item('a', { deadlineAt }));
    expect(Array.from({ length: 5 }, () => next(queue).deadlineAt)).toEqual([100, 200, 300, 400, 500]);
  });

  it('names the least urgent of whoever has most waiting as the one to go first', () => {
    const queue = createFairQueue<FairItem>();
    for (let i = 0; i < 3; i++) queue.push(item('few'));
    for (let i = 0; i < 9; i++) queue.push(item('many', { deadlineAt: 1_000 + i }));
    expect(queue.worst()).toMatchObject({ flow: 'many', deadlineAt: 1_008 });
  });

  it('keeps the bound of start-time fair queueing, whatever is asked and whoever leaves', () => {
    const flows = ['a', 'b', 'c'];
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.tuple(
          fc.constant('push' as const),
          fc.constantFrom(...flows),
          fc.integer({ min: 1, max: 40 }),
        ),
      },
      { weight: 2, arbitrary: fc.tuple(fc.constant('serve' as const), fc.constant(''), fc.constant(0)) },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.constant('leave' as const), fc.constantFrom(...flows), fc.constant(0)),
      },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        fc.tuple(...flows.map(() => fc.integer({ min: 1, max: 5 }))),
        (steps, weightsOf) => {
          const weight = Object.fromEntries(flows.map((flow, index) => [flow, weightsOf[index] as number]));
          const queue = createFairQueue<FairItem>();
          const waiting: Record<string, FairItem[]> = { a: [], b: [], c: [] };
          /** Work that each flow got since both of a pair wait without a break. */
          const got = new Map<string, number>();
          const pairs = [
            ['a', 'b'],
            ['a', 'c'],
            ['b', 'c'],
          ] as const;
          const restart = (flow: string): void => {
            for (const pair of pairs)
              if ((pair as readonly string[]).includes(flow))
                for (const one of pair) got.set(`${pair.join()}:${one}`, 0);
          };
          for (const [what, flow, cost] of steps) {
            if (what === 'push') {
              if (waiting[flow]?.length === 0) restart(flow);
              const one = item(flow, { cost, weight: weight[flow] as number });
              waiting[flow]?.push(one);
              queue.push(one);
            } else if (what === 'leave') {
              const one = waiting[flow]?.shift();
              if (one === undefined) continue;
              one.gone = true;
              queue.left(one);
              if (waiting[flow]?.length === 0) restart(flow);
            } else {
              const total = Object.values(waiting).reduce((sum, list) => sum + list.length, 0);
              expect(queue.size()).toBe(total);
              if (total === 0) continue;
              const one = next(queue);
              expect(one.gone).toBe(false);
              const list = waiting[one.flow] as FairItem[];
              expect(list).toContain(one);
              list.splice(list.indexOf(one), 1);
              for (const pair of pairs) {
                const [x, y] = pair;
                const key = `${pair.join()}:${one.flow}`;
                if (one.flow !== x && one.flow !== y) continue;
                got.set(key, (got.get(key) ?? 0) + one.cost / one.weight);
                const apart = Math.abs(
                  (got.get(`${pair.join()}:${x}`) ?? 0) - (got.get(`${pair.join()}:${y}`) ?? 0),
                );
                const both = list.length > 0 && (waiting[one.flow === x ? y : x]?.length ?? 0) > 0;
                if (both)
                  expect(apart).toBeLessThanOrEqual(
                    2 * (40 / (weight[x] as number) + 40 / (weight[y] as number)),
                  );
              }
              if (list.length === 0) restart(one.flow);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
