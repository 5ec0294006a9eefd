import { describe, expect, it } from '@jest/globals';
import { hasHelm, type RenderOptions, render } from './helm.ts';

const withHelm = hasHelm() ? describe : describe.skip;

/** What helm says when it refuses. */
function refusal(options: RenderOptions): string {
  try {
    render(options);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('helm accepted it');
}

const dev = (values: object): RenderOptions => ({ presets: ['dev'], values });

withHelm('wrong input', () => {
  it('a chart without values says everything that is missing at once, and where to begin', () => {
    const text = refusal({});
    expect(text).toContain('rejuve cannot be installed like this');
    for (const item of ['gatewayDatabaseUrl', 'redisUrl', 'serviceAuthKeys', 'cursorSecret', 'dataKeys'])
      expect(text).toContain(`${item} is needed by`);
    expect(text).toContain('chain.providers');
    expect(text).toContain('chain.contracts.existingConfigMap');
    expect(text).toContain('values-dev.yaml');
  });

  it.each([
    ['a mistyped name', { api: { replcas: 3 } }, '/api/replcas', 'did you mean replicas?'],
    ['a mistyped part', { gatewey: { replicas: 3 } }, '/gatewey', 'did you mean gateway?'],
    [
      'a deep mistyped name',
      { api: { autoscaling: { enable: true } } },
      '/api/autoscaling/enable',
      'did you mean enabled?',
    ],
  ])('%s is named, with the name that was meant', (_what, values, written, meant) => {
    const text = refusal(dev(values));
    expect(text).toContain(written);
    expect(text).toContain(meant);
  });

  it.each([
    ['a number as text', { api: { replicas: 'three' } }, '/api/replicas'],
    ['a value that is none of the choices', { logLevel: 'loud' }, '/logLevel'],
    ['too many percent', { api: { canary: { weight: 150 } } }, '/api/canary/weight'],
    ['root', { embedded: { postgres: { runAsUser: 0 } } }, '/embedded/postgres/runAsUser'],
    ['a digest that is none', { image: { digest: 'abc' } }, '/image/digest'],
    ['a variable in lower case', { api: { env: { port: 1 } } }, '/api/env'],
    [
      'replicas of RPC workers, which belong to the controller',
      { rpcWorkers: { replicas: 3 } },
      "'replicas'",
    ],
  ])('%s is refused with its place', (_what, values, place) => {
    expect(refusal(dev(values))).toContain(place);
  });

  it.each([
    ['another chain with the development keys', { chain: { id: 1 } }, 'the keys of its signers are public'],
    [
      'a chain without anybody to hand over its providers',
      { controller: { enabled: false } },
      'set controller.enabled=true',
    ],
    [
      'bounds that cross',
      { api: { autoscaling: { enabled: true, minReplicas: 9, maxReplicas: 3 } } },
      'api.autoscaling.minReplicas (9) is larger than maxReplicas (3)',
    ],
    ['a caller without the called', { gateway: { enabled: false } }, 'api calls gateway, which is off'],
    ['routes without a gateway', { httpRoute: { enabled: true } }, 'httpRoute.parentRefs'],
    [
      'a manifest of another chain',
      { chain: { contracts: { manifest: { chainId: 5 } } } },
      'is for chain 5, but chain.id is 31337',
    ],
  ])('%s is refused with a sentence', (_what, values, sentence) => {
    expect(refusal(dev(values))).toContain(sentence);
  });

  it('an old Kubernetes is refused with both versions', () => {
    expect(refusal({ presets: ['dev'], kubeVersion: '1.25.0' })).toMatch(
      />=1\.29.*incompatible with Kubernetes v1\.25/,
    );
  });
});
