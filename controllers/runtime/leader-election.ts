import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import type { OwnerReference } from '../api.ts';
import type { KubeClient } from './kube-client.ts';
import { isConflict, isNotFound } from './kube-error.ts';
import { LEASES, type Lease } from './resources.ts';

/** Thrown instead of writing, when this process may not write any more. */
export class NotLeadingError extends Error {
  override readonly name = 'NotLeadingError';
}

export interface LeaderElection {
  /** Competes until stopped. Resolves when this process leads. */
  start(): Promise<void>;
  /**
   * True while nobody else can lead: the last renewal *began* less than the renewal deadline ago. Check it right
   * before every write; a process that was stopped for a while learns here that its time is over.
   */
  leads(): boolean;
  /** Throws a {@link NotLeadingError} unless `leads()`. */
  assertLeads(): void;
  /** Rejects, with the reason, when leadership was lost. The process should end: a new one starts clean. */
  readonly lost: Promise<never>;
  /** Stops competing and hands the lease back, so that the next leader need not wait for it to expire. */
  stop(): Promise<void>;
}

export interface LeaderElectionDeps {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'update'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly namespace: string;
  readonly name: string;
  /** Unique per process, such as POD_NAME_uuid. */
  readonly identity: string;
  /**
   * Pod of this process. The lease goes with the leader's pod, so that an uninstalled release leaves none behind; the
   * next leader has made it its own by then, or makes a new one.
   */
  readonly pod?: { readonly name: string; readonly uid: string };
  /** How long a silent leader is respected. */
  readonly leaseMs?: number;
  /** A leader that could not renew for this long gives up; shorter than `leaseMs`, the difference covers clock drift. */
  readonly renewDeadlineMs?: number;
  readonly renewEveryMs?: number;
  readonly onChange?: (leads: boolean) => void;
}

/** metav1.MicroTime wants six decimals; Date has three. */
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

/**
 * Leader election on a Lease. A lease is expired when *we* have seen it unchanged for its whole duration by our own
 * monotonic clock; the times inside are for people, clocks of two machines are never compared. Every write carries
 * the resource version, so of two that try at once one gets 409.
 */
export function createLeaderElection(deps: LeaderElectionDeps): LeaderElection {
  const { client, clock, random, log, namespace, name, identity } = deps;
  const leaseMs = deps.leaseMs ?? 15_000;
  const renewDeadlineMs = deps.renewDeadlineMs ?? 10_000;
  const renewEveryMs = deps.renewEveryMs ?? 5_000;
  if (!(renewEveryMs < renewDeadlineMs && renewDeadlineMs < leaseMs)) {
    throw new RangeError('leader election needs renewEvery < renewDeadline < lease duration');
  }
  const stopping = new AbortController();
  const lost = Promise.withResolvers<never>();
  // Whoever only asks leads() need not handle the rejection.
  lost.promise.catch(() => undefined);
  const elected = Promise.withResolvers<void>();
  elected.promise.catch(() => undefined);
  let lease: Lease | undefined;
  let seenVersion: string | undefined;
  let seenAt = Number.NEGATIVE_INFINITY;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let leading = false;
  let loop: Promise<void> | undefined;

  const spec = (previous: Lease | undefined) => {
    const mine = previous?.spec?.holderIdentity === identity;
    const now = microTime(clock.now());
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: (mine ? previous?.spec?.acquireTime : undefined) ?? now,
      renewTime: now,
      leaseTransitions: (previous?.spec?.leaseTransitions ?? 0) + (previous && !mine ? 1 : 0),
    };
  };
  const owners: { ownerReferences?: OwnerReference[] } = deps.pod
    ? { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', ...deps.pod }] }
    : {};
  const remember = (found: Lease): void => {
    if (found.metadata?.resourceVersion !== seenVersion) {
      seenVersion = found.metadata?.resourceVersion;
      seenAt = clock.monotonic();
    }
    lease = found;
  };

  /** One try; true when the lease is ours afterwards. */
  async function tryOnce(): Promise<boolean> {
    const beganAt = clock.monotonic();
    if (!lease || !leading) {
      try {
        remember(await client.get(LEASES, namespace, name));
      } catch (error) {
        if (!isNotFound(error)) throw error;
        remember(
          await client.create(LEASES, namespace, {
            metadata: { name, namespace, ...owners },
            spec: spec(undefined),
          } as Lease),
        );
        renewedAt = beganAt;
        return true;
      }
    }
    const current = lease as Lease;
    const holder = current.spec?.holderIdentity;
    if (holder && holder !== identity) {
      const duration = (current.spec?.leaseDurationSeconds ?? leaseMs / 1000) * 1000;
      if (clock.monotonic() - seenAt < duration) return false;
    }
    try {
      remember(
        await client.update(LEASES, namespace, name, {
          ...current,
          metadata: { ...current.metadata, ...owners },
          spec: spec(current),
        } as Lease),
      );
    } catch (error) {
      // Somebody wrote it since we read it. Forget what we know and look again next time.
      if (isConflict(error) || isNotFound(error)) {
        lease = undefined;
        const now = await client.get(LEASES, namespace, name);
        remember(now);
        if (now.spec?.holderIdentity !== identity) return false;
        return await tryOnce();
      }
      throw error;
    }
    renewedAt = beganAt;
    return true;
  }

  const leads = (): boolean => leading && clock.monotonic() - renewedAt < renewDeadlineMs;
  function lose(reason: string): void {
    if (!leading) return;
    leading = false;
    deps.onChange?.(false);
    lost.reject(new Error(`leadership of ${namespace}/${name} was lost: ${reason}`));
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const ours = await tryOnce();
        if (stopping.signal.aborted) return;
        if (ours && !leading) {
          leading = true;
          log.info({ lease: `${namespace}/${name}`, identity }, 'leading');
          deps.onChange?.(true);
          elected.resolve();
        } else if (!ours && leading) {
          lose(`${lease?.spec?.holderIdentity ?? 'somebody else'} holds it`);
          return;
        }
      } catch (error) {
        log.debug({ err: error }, 'could not renew or acquire the lease; trying again');
      }
      if (leading && clock.monotonic() - renewedAt >= renewDeadlineMs) {
        lose(`it could not be renewed for ${renewDeadlineMs} ms`);
        return;
      }
      // Jitter keeps followers from asking in step. A leader in trouble asks more often.
      const pause =
        leading && clock.monotonic() - renewedAt > renewEveryMs
          ? renewEveryMs / 5
          : renewEveryMs * (0.9 + 0.2 * random.float());
      await clock.sleep(pause, stopping.signal).catch(() => undefined);
    }
  }

  return {
    start() {
      loop ??= run();
      return elected.promise;
    },
    leads,
    assertLeads() {
      if (!leads()) throw new NotLeadingError('this replica no longer leads and must not write');
    },
    lost: lost.promise,
    async stop() {
      stopping.abort(new Error('leader election was stopped'));
      await loop;
      if (!leading || !lease) return;
      leading = false;
      deps.onChange?.(false);
      const released = {
        ...lease,
        spec: {
          ...lease.spec,
          holderIdentity: '',
          leaseDurationSeconds: 1,
          renewTime: microTime(clock.now()),
        },
      };
      await client.update(LEASES, namespace, name, released as Lease).catch((error: unknown) => {
        log.info({ err: error }, 'could not hand the lease back; it will expire');
      });
    },
  };
}
