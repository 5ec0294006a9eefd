import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CHAIN_PROVIDERS, RPC_WORKER_POOLS } from './resources.ts';
import { type PoolSpecInput, parsePoolSpec } from './rpc-worker-pool/types.ts';
import { startTestCluster, type TestCluster } from './testing/cluster.ts';

let cluster: TestCluster;
let counter = 0;
beforeAll(async () => {
  cluster = await startTestCluster();
  await cluster.namespace('validation');
});
afterAll(async () => {
  await cluster?.stop();
});

const create = (spec: Record<string, unknown>) =>
  cluster.pool('validation', `pool-${counter++}`, spec as Partial<PoolSpecInput>);

describe('the API server refuses, with a sentence that says what to write', () => {
  it.each<[string, Record<string, unknown>, string]>([
    [
      'a floor above the ceiling',
      { minReplicas: 11 },
      'minReplicas must not be larger than maxReplicas: lower minReplicas or raise maxReplicas',
    ],
    ['no ceiling', { maxReplicas: undefined }, 'spec.maxReplicas: Required value'],
    [
      'a ceiling of zero',
      { maxReplicas: 0 },
      'spec.maxReplicas in body should be greater than or equal to 1',
    ],
    [
      'a ceiling that is a typo',
      { maxReplicas: 20_000 },
      'spec.maxReplicas in body should be less than or equal to 1000',
    ],
    [
      'a StatefulSet',
      { targetRef: { kind: 'StatefulSet', name: 'x' } },
      'spec.targetRef.kind: Unsupported value: "StatefulSet": supported values: "Deployment"',
    ],
    [
      'a name that cannot be',
      { targetRef: { name: 'My Workers' } },
      'spec.targetRef.name in body should match',
    ],
    [
      'a burst below the ceiling',
      { burst: { maxReplicas: 5 } },
      'burst.maxReplicas must be at least maxReplicas: a burst may only raise the ceiling',
    ],
    [
      'a fallback above the ceiling',
      { fallback: { replicas: 50 } },
      'fallback.replicas must not be larger than maxReplicas',
    ],
    [
      'a budget without a price',
      { budget: { computeUnitsPerHour: 1000 } },
      'a budget needs the price of a job: set worker.computeUnitsPerJob',
    ],
    [
      'a schedule that changes nothing',
      { schedules: [{ name: 'x', start: '0 8 * * *', durationMinutes: 60 }] },
      'a schedule must change something: set minReplicas, maxReplicas or both',
    ],
    [
      'a schedule with six fields',
      { schedules: [{ name: 'x', start: '0 0 8 * * *', durationMinutes: 60, minReplicas: 1 }] },
      'spec.schedules[0].start in body should match',
    ],
    [
      'two schedules of one name',
      {
        schedules: [
          { name: 'x', start: '0 8 * * *', durationMinutes: 60, minReplicas: 1 },
          { name: 'x', start: '0 9 * * *', durationMinutes: 60, minReplicas: 1 },
        ],
      },
      'spec.schedules[1]: Duplicate value: {"name":"x"}',
    ],
    [
      'zero pods with an objective shorter than a start',
      { minReplicas: 0, objective: { oldestJobAgeSeconds: 5 }, worker: { startupSeconds: 20 } },
      'a pool that scales to zero cannot keep an objective shorter than worker.startupSeconds: set minReplicas to 1 or raise objective.oldestJobAgeSeconds',
    ],
    [
      'a forecast that ends before the pod starts',
      { prediction: { mode: 'RaiseOnly', horizonSeconds: 10 }, worker: { startupSeconds: 20 } },
      'prediction.horizonSeconds must be at least worker.startupSeconds: a forecast that ends before the pod starts cannot help',
    ],
    ['a chain without id', { chainId: 0 }, 'spec.chainId in body should be greater than or equal to 1'],
    ['a number as text', { maxReplicas: '5' }, 'spec.maxReplicas in body must be of type integer: "string"'],
  ])('%s', async (_what, spec, message) => {
    const created = create(spec);
    await expect(created).rejects.toMatchObject({ status: 422, message: expect.stringContaining(message) });
  });

  it('a provider that moves to another chain', async () => {
    await cluster.provider('validation', 'mover');
    await expect(
      cluster.admin.mergePatch(CHAIN_PROVIDERS, 'validation', 'mover', { spec: { chainId: 1 } }),
    ).rejects.toMatchObject({
      message: expect.stringContaining(
        'chainId cannot be changed: create another ChainProvider for the other chain',
      ),
    });
  });

  it('a provider that allows and denies one method', async () => {
    const contradiction = cluster.provider('validation', 'both', {
      methods: { allow: ['eth_call'], deny: ['eth_call'] },
    });
    await expect(contradiction).rejects.toMatchObject({
      message: expect.stringContaining(
        'a method must not be in methods.allow and methods.deny at the same time',
      ),
    });
  });
});

describe('the API server and our types agree', () => {
  it('on every default', async () => {
    const stored = await create({
      schedules: [{ name: 'm', start: '0 8 * * *', durationMinutes: 5, minReplicas: 2 }],
      burst: {},
    });
    const { spec } = await cluster.admin.get(RPC_WORKER_POOLS, 'validation', stored.metadata?.name as string);
    expect(parsePoolSpec(spec)).toEqual(spec);
    expect(spec).toMatchObject({
      burst: { whenAgePercent: 50 },
      scaleToZero: { idleSeconds: 300 },
      prediction: { mode: 'Disabled' },
    });
  });

  it('that kubectl scale raises the floor', async () => {
    const stored = await create({});
    const name = stored.metadata?.name as string;
    await cluster.admin.mergePatch(RPC_WORKER_POOLS, 'validation', name, { spec: { replicas: 4 } }, 'scale');
    expect((await cluster.admin.get(RPC_WORKER_POOLS, 'validation', name)).spec.minReplicas).toBe(4);
  });
});
