import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPoolReader } from './worker-pools.ts';

const POOL = {
  apiVersion: 'chain.rejuve.io/v1alpha1',
  kind: 'RpcWorkerPool',
  metadata: { name: 'rpc', namespace: 'rejuve', uid: 'u' },
  spec: { minReplicas: 1, maxReplicas: 9, queue: { name: 'calls' }, targetRef: { name: 'workers' } },
  status: {
    replicas: 3,
    conditions: [{ type: 'Ready', status: 'True' }],
    decision: {
      ...{ time: '2026-11-23T12:00:00Z', replicas: 4, from: 3, action: 'ScaleUp' },
      summary: '3 → 4: 12 jobs a second need 4 pods',
      terms: [{ name: 'arrivals', value: '12/s', why: 'measured over the last minute' }],
    },
  },
};

describe('worker pools', () => {
  let api: Server;
  let answer: { status: number; body: unknown };
  let asked: { path: string; authorization: string | undefined };
  const before = process.env.KUBECONFIG;

  beforeAll(async () => {
    api = createServer((request, response) => {
      asked = { path: request.url ?? '', authorization: request.headers.authorization };
      response
        .writeHead(answer.status, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer.body));
    });
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    const file = join(mkdtempSync(join(tmpdir(), 'pools-')), 'config');
    writeFileSync(
      file,
      JSON.stringify({
        clusters: [
          {
            name: 'c',
            cluster: {
              server: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
              'insecure-skip-tls-verify': true,
            },
          },
        ],
        users: [{ name: 'u', user: { token: 'the-token' } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    );
    process.env.KUBECONFIG = file;
  });
  afterAll(async () => {
    if (before === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = before;
    await new Promise((resolve) => api.close(resolve));
  });

  const read = async (namespace?: string) => {
    const reader = createPoolReader({ namespace, env: process.env });
    try {
      return await reader?.read();
    } finally {
      await reader?.close();
    }
  };

  it('reads every pool with each term of its last decision', async () => {
    answer = { status: 200, body: { items: [POOL, { ...POOL, status: undefined }] } };
    const pools = await read();
    expect(pools?.[0]).toMatchObject({
      metadata: { name: 'rpc' },
      status: { decision: { action: 'ScaleUp' } },
    });
    expect(pools?.[1]?.status.decision).toBeUndefined();
    expect(asked).toEqual({
      path: '/apis/chain.rejuve.io/v1alpha1/rpcworkerpools',
      authorization: 'Bearer the-token',
    });
    await read('rejuve');
    expect(asked.path).toBe('/apis/chain.rejuve.io/v1alpha1/namespaces/rejuve/rpcworkerpools');
  });

  it.each([
    [403, /give its service account/],
    [404, /install the chart/],
    [500, /answered 500/],
  ])('says what to do about a %i', async (status, words) => {
    answer = { status, body: {} };
    await expect(read()).rejects.toThrow(words);
  });

  it('is not there outside of a cluster', () => {
    expect(createPoolReader({ namespace: undefined, env: {} })).toBeUndefined();
  });
});
