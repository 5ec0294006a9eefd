import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BoundCall } from './block-binding.ts';
import type { Engine, EngineAnswer, Work } from './engine.ts';
import { gatewayError, RPC_ERROR } from './errors.ts';
import { createLogSplitter, halves } from './log-splitter.ts';
import { type MethodSpec, methodSpec } from './methods.ts';
import { success } from './outcome.ts';

interface Log {
  readonly blockNumber: number;
  readonly logIndex: number;
  readonly address: string;
}
interface Filter {
  readonly fromBlock: string;
  readonly toBlock: string;
  readonly address?: string | string[];
}

/** A provider that takes at most so many blocks and gives at most so many logs at once, answering in any order. */
function createProvider(
  logs: readonly Log[],
  limits: { blocks: number; logs: number },
  delays: readonly number[],
) {
  let running = 0;
  let most = 0;
  let asked = 0;
  const engine: Engine = {
    wake: () => undefined,
    run(work) {
      const answer = (async (): Promise<EngineAnswer> => {
        running++;
        most = Math.max(most, running);
        const turns = delays[asked++ % delays.length] ?? 0;
        for (let i = 0; i < turns; i++) await Promise.resolve();
        running--;
        const [{ fromBlock, toBlock, address }] = JSON.parse(work.params) as [Filter];
        const from = Number(fromBlock);
        const to = Number(toBlock);
        const wanted = address === undefined ? undefined : [address].flat();
        const found = logs.filter(
          (log) =>
            log.blockNumber >= from && log.blockNumber <= to && (wanted?.includes(log.address) ?? true),
        );
        const base = { provider: 'p', attempts: 1, units: 75 };
        if (to - from + 1 > limits.blocks || found.length > limits.logs) {
          return {
            ...base,
            outcome: gatewayError(RPC_ERROR.rangeTooLarge, 'too many'),
            errorKind: 'range-too-large',
          };
        }
        return { ...base, outcome: success(JSON.stringify(found.map(toJson))), errorKind: undefined };
      })();
      return { answer, cancel: () => undefined };
    },
  };
  return { engine, most: () => most };
}
const hex = (value: number): string => `0x${value.toString(16)}`;
const toJson = (log: Log) => ({ ...log, blockNumber: hex(log.blockNumber), logIndex: hex(log.logIndex) });

function callFor(from: number, to: number, address?: string[]): { call: BoundCall; work: Work } {
  const filter = { fromBlock: hex(from), toBlock: hex(to), ...(address === undefined ? {} : { address }) };
  const spec = methodSpec('eth_getLogs') as MethodSpec;
  const params = [filter];
  const paramsText = JSON.stringify(params);
  const call: BoundCall = {
    method: 'eth_getLogs',
    spec,
    params,
    paramsText,
    key: paramsText,
    block: { kind: 'number', from, to },
    cacheable: true,
    boundAtHead: to,
    canonicalHash: undefined,
  };
  const work: Work = {
    method: 'eth_getLogs',
    spec,
    params: paramsText,
    minBlock: to,
    deadlineAt: 1_000,
    priority: 'standard',
    principal: 'test',
    weight: 1,
    trace: undefined,
    judgeEmpty: undefined,
  };
  return { call, work };
}

const addresses = ['0xa', '0xb', '0xc', '0xd'];
const chain = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 63 }), fc.constantFrom(...addresses)), { maxLength: 60 })
  .map((entries) =>
    entries
      .sort(([a], [b]) => a - b)
      .map(([blockNumber, address], index) => ({ blockNumber, logIndex: index, address })),
  );

describe('splitting of eth_getLogs', () => {
  it('returns every log once and in chain order, whatever the provider takes at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        chain,
        fc.record({ blocks: fc.integer({ min: 1, max: 70 }), logs: fc.integer({ min: 30, max: 60 }) }),
        fc.array(fc.nat(7), { minLength: 1, maxLength: 5 }),
        fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
        async (logs, limits, delays, declared) => {
          const provider = createProvider(logs, limits, delays);
          const { call, work } = callFor(0, 63);
          const { outcome } = await createLogSplitter({
            engine: provider.engine,
            maxRange: () => declared,
          }).run(call, work).answer;
          expect(outcome.ok && JSON.parse(outcome.result)).toEqual(logs.map(toJson));
          expect(provider.most()).toBeLessThanOrEqual(4);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('splits a single block by address, without duplicates', async () => {
    const logs = Array.from({ length: 40 }, (_, index) => ({
      blockNumber: 5,
      logIndex: index,
      address: addresses[index % 4] as string,
    }));
    const provider = createProvider(logs, { blocks: 100, logs: 12 }, [3, 0, 1]);
    const { call, work } = callFor(5, 5, [...addresses, '0xa']);
    const { outcome } = await createLogSplitter({ engine: provider.engine, maxRange: () => undefined }).run(
      call,
      work,
    ).answer;
    expect(outcome.ok && JSON.parse(outcome.result)).toEqual(logs.map(toJson));
  });

  it('passes the error on when nothing is left to split', async () => {
    const logs = Array.from({ length: 5 }, (_, index) => ({
      blockNumber: 5,
      logIndex: index,
      address: '0xa',
    }));
    const provider = createProvider(logs, { blocks: 100, logs: 2 }, [0]);
    const { call, work } = callFor(5, 5);
    const { outcome } = await createLogSplitter({ engine: provider.engine, maxRange: () => undefined }).run(
      call,
      work,
    ).answer;
    expect(outcome).toMatchObject({ ok: false, code: RPC_ERROR.rangeTooLarge });
  });

  it('halves ranges, then addresses, then topics', () => {
    const filter = { fromBlock: 1, toBlock: 4, address: ['a', 'b', 'c'], topics: [null, ['x', 'y']] };
    expect(halves(filter).map(({ fromBlock, toBlock }) => [fromBlock, toBlock])).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(halves({ ...filter, toBlock: 1 }).map(({ address }) => address)).toEqual([['a', 'b'], ['c']]);
    expect(halves({ ...filter, toBlock: 1, address: 'a' }).map(({ topics }) => topics)).toEqual([
      [null, ['x']],
      [null, ['y']],
    ]);
    expect(halves({ fromBlock: 1, toBlock: 1, address: 'a', topics: [null] })).toHaveLength(1);
  });
});
