import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/time.ts';
import { API_VERSION, type SecretKeyRef } from '../api.ts';
import { CHAIN_PROVIDERS } from '../resources.ts';
import { findCondition, setConditions } from '../runtime/conditions.ts';
import type { Reconcile, Result } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/events.ts';
import type { Informer } from '../runtime/informer.ts';
import type { KubeClient } from '../runtime/kube-client.ts';
import { isForbidden, isNotFound } from '../runtime/kube-error.ts';
import { SECRETS, type Secret } from '../runtime/resources.ts';
import { type Candidate, compileProviders, providerId } from './compile.ts';
import type { GatewayTraffic } from './gateway-traffic.ts';
import {
  countProbe,
  type Health,
  judge,
  median,
  nextProbeMs,
  type Traffic,
  unknownHealth,
  type Verdict,
} from './judge.ts';
import type { Probe } from './probe.ts';
import { type ChainProvider, type ProviderStatus, providerSpecSchema } from './types.ts';

export interface ProviderReconcilerDeps {
  readonly client: Pick<KubeClient, 'get' | 'apply'>;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly providers: Pick<Informer<ChainProvider>, 'get' | 'list'>;
  readonly probe: Probe;
  readonly traffic?: Pick<GatewayTraffic, 'of'>;
  readonly fieldManager: string;
  readonly assertLeader: () => void;
  /** Called when what a pool decides by has changed. */
  readonly onVerdict?: (provider: ChainProvider) => void;
}

/** The Secret that the gateway mounts and reloads, one per chain and namespace. */
export const providersSecretName = (chainId: number): string => `rejuve-providers-${chainId}`;
export const PROVIDERS_KEY = 'providers.yaml';
/** Numbers in the status are refreshed at most this often; conditions at once. */
const STATUS_EVERY_MS = 300_000;
/** The traffic that pools decide by is refreshed this often when it moved by more than a tenth. */
const TRAFFIC_EVERY_MS = 15_000;
/** Secrets are read again after this long, to notice rotated keys. */
const SECRET_TTL_MS = 60_000;

interface Known {
  health: Health;
  verdict: Verdict | undefined;
  url: string | undefined;
  wsUrl: string | undefined;
  secretsReadAt: number;
  nextProbeAt: number;
  generation: number;
  statusWrittenAt: number;
}

/** A Secret that cannot be used, as a condition. */
interface SecretProblem {
  readonly reason: 'SecretNotFound' | 'SecretKeyMissing' | 'PermissionDenied' | 'InvalidURL';
  readonly message: string;
}

export function createProviderReconciler(deps: ProviderReconcilerDeps): Reconcile {
  const { client, clock, events, traffic } = deps;
  const known = new Map<string, Known>();
  /** What was last written per namespace/chain, so that an unchanged set costs no call. */
  const compiled = new Map<string, string>();

  return async (key): Promise<Result | undefined> => {
    const stored = deps.providers.get(key);
    if (!stored || stored.metadata?.deletionTimestamp) {
      const gone = known.get(key);
      known.delete(key);
      if (gone) await recompileAll(key.split('/')[0] ?? '');
      return undefined;
    }
    const provider: ChainProvider = { ...stored, spec: providerSpecSchema.parse(stored.spec) };
    const { spec } = provider;
    const generation = provider.metadata?.generation ?? 0;
    const state = known.get(key) ?? fresh(generation);
    known.set(key, state);
    const now = clock.monotonic();
    if (state.generation !== generation) {
      state.generation = generation;
      state.nextProbeAt = now;
      state.secretsReadAt = Number.NEGATIVE_INFINITY;
    }

    const problem = await readSecrets(provider, state);
    if (problem) {
      state.verdict = undefined;
      await writeStatus(provider, state, { ready: false, ...problem }, undefined);
      await recompile(provider);
      return { requeueAfterMs: spec.probe.intervalSeconds * 1000 };
    }
    if (now >= state.nextProbeAt) {
      const result = await deps.probe(state.url as string, spec);
      state.health = countProbe(state.health, result, spec.probe);
      state.nextProbeAt = clock.monotonic() + nextProbeMs(state.health, spec.probe);
    }
    const observed = traffic?.of(providerId(provider.metadata?.name ?? ''));
    const before = state.verdict;
    state.verdict = judge(spec, state.health, bestHead(provider), observed);
    await writeStatus(provider, state, state.verdict, observed);
    if (before?.ready !== state.verdict.ready || before?.reason !== state.verdict.reason)
      deps.onVerdict?.(provider);
    await recompile(provider);
    return { requeueAfterMs: Math.max(100, state.nextProbeAt - clock.monotonic()) };
  };

  function fresh(generation: number): Known {
    return {
      health: unknownHealth,
      verdict: undefined,
      url: undefined,
      wsUrl: undefined,
      secretsReadAt: Number.NEGATIVE_INFINITY,
      nextProbeAt: Number.NEGATIVE_INFINITY,
      generation,
      statusWrittenAt: Number.NEGATIVE_INFINITY,
    };
  }

  function siblings(provider: ChainProvider): ChainProvider[] {
    const { namespace } = provider.metadata ?? {};
    return deps.providers
      .list()
      .filter(
        (other) => other.metadata?.namespace === namespace && other.spec.chainId === provider.spec.chainId,
      );
  }

  /** The highest head among the healthy providers of the chain; a liar on another chain does not count. */
  function bestHead(provider: ChainProvider): number | undefined {
    const heads = siblings(provider).flatMap((other) => {
      const state = known.get(`${other.metadata?.namespace}/${other.metadata?.name}`);
      const last = state?.health.healthy ? state.health.last : undefined;
      return last && last.chainId === provider.spec.chainId ? [last.head] : [];
    });
    return heads.length === 0 ? undefined : Math.max(...heads);
  }

  async function readSecrets(provider: ChainProvider, state: Known): Promise<SecretProblem | undefined> {
    if (clock.monotonic() - state.secretsReadAt < SECRET_TTL_MS) return undefined;
    const namespace = provider.metadata?.namespace ?? '';
    const url = await readKey(namespace, provider.spec.endpointSecretRef, /^https?:$/, 'http:// or https://');
    if (typeof url !== 'string') return url;
    const ref = provider.spec.webSocketSecretRef;
    const wsUrl = ref ? await readKey(namespace, ref, /^wss?:$/, 'ws:// or wss://') : undefined;
    if (wsUrl !== undefined && typeof wsUrl !== 'string') return wsUrl;
    if (state.url !== url) {
      // Another endpoint: what we know is about the old one.
      state.health = state.url === undefined ? state.health : unknownHealth;
      state.nextProbeAt = clock.monotonic();
    }
    state.url = url;
    state.wsUrl = wsUrl;
    state.secretsReadAt = clock.monotonic();
    return undefined;
  }

  async function readKey(
    namespace: string,
    ref: SecretKeyRef,
    scheme: RegExp,
    wanted: string,
  ): Promise<string | SecretProblem> {
    try {
      const secret = await client.get(SECRETS, namespace, ref.name);
      const encoded = secret.data?.[ref.key];
      if (!encoded) {
        return {
          reason: 'SecretKeyMissing',
          message: `Secret ${ref.name} has no key ${ref.key}: add it with the URL as its value`,
        };
      }
      const value = Buffer.from(encoded, 'base64').toString('utf8').trim();
      if (!URL.canParse(value) || !scheme.test(new URL(value).protocol)) {
        return {
          reason: 'InvalidURL',
          message: `key ${ref.key} of Secret ${ref.name} is not a URL that begins with ${wanted}`,
        };
      }
      return value;
    } catch (error) {
      if (isNotFound(error)) {
        return {
          reason: 'SecretNotFound',
          message: `there is no Secret ${ref.name} in namespace ${namespace}: create it with the key ${ref.key}`,
        };
      }
      if (isForbidden(error)) {
        return {
          reason: 'PermissionDenied',
          message: `the controller may not read Secret ${ref.name}: grant it get on this Secret`,
        };
      }
      throw error;
    }
  }

  async function writeStatus(
    provider: ChainProvider,
    state: Known,
    verdict: { ready: boolean | undefined; reason: string; message: string },
    observed: Traffic | undefined,
  ): Promise<void> {
    const generation = provider.metadata?.generation ?? 0;
    const before = provider.status;
    const ready = findCondition(before?.conditions, 'Ready');
    const status = verdict.ready === undefined ? 'Unknown' : verdict.ready ? 'True' : 'False';
    const changed =
      !ready ||
      ready.status !== status ||
      ready.reason !== verdict.reason ||
      before?.observedGeneration !== generation;
    const age = clock.monotonic() - state.statusWrittenAt;
    const moved = hasMoved(before?.traffic, observed);
    if (
      !changed &&
      !(moved && age >= TRAFFIC_EVERY_MS) &&
      !(before?.headBlock !== state.health.last?.head && age >= STATUS_EVERY_MS)
    )
      return;

    const { last } = state.health;
    const best = bestHead(provider);
    const latency = median(state.health.latencies);
    const next: ProviderStatus = {
      observedGeneration: generation,
      conditions: setConditions(
        before?.conditions,
        [
          {
            type: 'Ready',
            status,
            reason: verdict.reason,
            message: verdict.message,
            observedGeneration: generation,
          },
        ],
        clock.now(),
      ),
      ...(last ? { headBlock: last.head, clientVersion: last.clientVersion } : {}),
      ...(last && best !== undefined ? { headLag: Math.max(0, best - last.head) } : {}),
      ...(latency === undefined ? {} : { latencyMilliseconds: Math.round(latency) }),
      ...(observed
        ? {
            traffic: {
              callsPerSecond: Math.round(observed.callsPerSecond),
              throttledPercent: Math.min(100, Math.round(observed.throttledPercent)),
              errorPercent: Math.min(100, Math.round(observed.errorPercent)),
            },
          }
        : {}),
    };
    const { name = '', namespace = '' } = provider.metadata ?? {};
    deps.assertLeader();
    try {
      await client.apply(CHAIN_PROVIDERS, { metadata: { name, namespace }, status: next } as ChainProvider, {
        fieldManager: deps.fieldManager,
        subresource: 'status',
      });
    } catch (error) {
      // Deleted meanwhile: there is nothing to report to.
      if (isNotFound(error)) return;
      throw error;
    }
    state.statusWrittenAt = clock.monotonic();
    if (ready && ready.status !== status && status !== 'Unknown') {
      events.emit(provider, {
        type: status === 'True' ? 'Normal' : 'Warning',
        reason: status === 'True' ? 'ProviderHealthy' : verdict.reason,
        action: 'Probe',
        note: verdict.message,
      });
    }
  }

  async function recompileAll(namespace: string): Promise<void> {
    const seen = new Set<number>();
    for (const provider of deps.providers.list()) {
      if (provider.metadata?.namespace !== namespace || seen.has(provider.spec.chainId)) continue;
      seen.add(provider.spec.chainId);
      await recompile(provider);
    }
  }

  /** Writes the file of the provider's chain when it differs from what is there. */
  async function recompile(provider: ChainProvider): Promise<void> {
    const namespace = provider.metadata?.namespace ?? '';
    const { chainId } = provider.spec;
    const all = siblings(provider).map((other) => ({
      other,
      state: known.get(`${namespace}/${other.metadata?.name}`),
    }));
    // After a start: wait until every provider was looked at once, or the set would shrink for a moment.
    if (
      all.some(
        ({ state }) => state === undefined || (state.url !== undefined && state.health.healthy === undefined),
      )
    )
      return;
    const candidates = all.flatMap(({ other, state }): Candidate[] =>
      state?.url && state.verdict
        ? [
            {
              name: other.metadata?.name ?? '',
              spec: providerSpecSchema.parse(other.spec),
              url: state.url,
              ...(state.wsUrl ? { wsUrl: state.wsUrl } : {}),
              verdict: state.verdict,
            },
          ]
        : [],
    );
    const file = compileProviders(chainId, candidates);
    if (file === undefined) return;
    const id = `${namespace}/${chainId}`;
    const digest = createHash('sha256').update(file).digest('hex');
    // When the last provider of the chain is deleted, the cluster collects the Secret with it.
    const ownerReferences = all.flatMap(({ other: { metadata } }) =>
      metadata?.uid === undefined || metadata.deletionTimestamp !== undefined
        ? []
        : [
            {
              apiVersion: API_VERSION,
              kind: CHAIN_PROVIDERS.kind,
              name: metadata.name ?? '',
              uid: metadata.uid,
            },
          ],
    );
    // Providers that were made anew have the same file and other owners: without them the Secret would be collected.
    const written = [digest, ...ownerReferences.map(({ uid }) => uid).sort()].join(' ');
    if (compiled.get(id) === written) return;
    deps.assertLeader();
    const secret: Secret = {
      metadata: {
        name: providersSecretName(chainId),
        namespace,
        labels: { 'app.kubernetes.io/managed-by': deps.fieldManager },
        annotations: { 'chain.rejuve.io/digest': digest.slice(0, 16) },
        ownerReferences,
      },
      type: 'Opaque',
      data: { [PROVIDERS_KEY]: Buffer.from(file).toString('base64') },
    } as Secret;
    await client.apply(SECRETS, secret, { fieldManager: deps.fieldManager });
    compiled.set(id, written);
  }
}

/** Whether traffic differs so much from what is reported that a pool could decide differently. */
function hasMoved(before: ProviderStatus['traffic'], now: Traffic | undefined): boolean {
  if (!now) return false;
  if (!before) return now.callsPerSecond >= 1;
  const apart = (a: number, b: number, least: number): boolean =>
    Math.abs(a - b) > Math.max(least, 0.1 * Math.max(a, b));
  return (
    apart(before.callsPerSecond, now.callsPerSecond, 1) ||
    apart(before.throttledPercent, now.throttledPercent, 2) ||
    apart(before.errorPercent, now.errorPercent, 5)
  );
}
