import { AppError } from '../../../../lib/errors.ts';
import type { Clock } from '../../../../lib/time.ts';
import { type Breaker, createBreaker } from '../../providers/breaker.ts';
import type { SnetService } from '../config/service-directory.ts';
import { createDaemonClient, type DaemonClient } from '../wire/daemon-client.ts';

/** A daemon that was chosen for a call; say how it went. */
export interface ChosenDaemon {
  readonly client: DaemonClient;
  done(outcome: 'good' | 'fault' | 'neutral'): void;
}

/** Connections to daemons, each with a circuit breaker. */
export interface DaemonSet {
  /** The daemon of a service with the fewest calls under way. @throws AppError dependency_unavailable when all are cut off */
  choose(service: SnetService): ChosenDaemon;
  /** Any daemon of these, for questions about channels. */
  any(service: SnetService): DaemonClient;
  states(): { endpoint: string; state: string; inFlight: number }[];
  close(): void;
}

interface Entry {
  readonly client: DaemonClient;
  readonly breaker: Breaker;
  inFlight: number;
}

export function createDaemonSet(deps: {
  clock: Clock;
  onBreaker: (endpoint: string, state: string) => void;
}): DaemonSet {
  const entries = new Map<string, Entry>();
  const entryOf = (endpoint: string, service: SnetService): Entry => {
    const { maxMessageBytes } = service.settings;
    const key = `${endpoint} ${maxMessageBytes}`;
    let entry = entries.get(key);
    if (!entry) {
      entry = {
        client: createDaemonClient(endpoint, maxMessageBytes),
        breaker: createBreaker(deps.clock, (state) => deps.onBreaker(endpoint, state)),
        inFlight: 0,
      };
      entries.set(key, entry);
    }
    return entry;
  };
  return {
    choose(service) {
      const all = service.endpoints.map((endpoint) => entryOf(endpoint, service));
      const allowed = all
        .filter(({ breaker }) => breaker.wouldAllow())
        .sort((a, b) => a.inFlight - b.inFlight);
      const entry = allowed.find(({ breaker }) => breaker.tryAcquire());
      if (!entry) {
        const retryMs = Math.min(...all.map(({ breaker }) => breaker.retryInMs()));
        throw new AppError(
          'dependency_unavailable',
          `No daemon of ${service.org}/${service.id} answers at the moment (${service.endpoints.join(', ')}); the next try is in ${Math.ceil(retryMs)} ms.`,
          { retryAfterSeconds: Math.max(1, Math.ceil(retryMs / 1000)) },
        );
      }
      entry.inFlight += 1;
      let over = false;
      return {
        client: entry.client,
        done(outcome) {
          if (over) return;
          over = true;
          entry.inFlight -= 1;
          if (outcome === 'good') entry.breaker.onSuccess();
          else if (outcome === 'fault') entry.breaker.onFault();
          else entry.breaker.onNeutral();
        },
      };
    },
    any(service) {
      const all = service.endpoints.map((endpoint) => entryOf(endpoint, service));
      const [first] = all.filter(({ breaker }) => breaker.wouldAllow()).concat(all);
      if (!first) throw new Error(`service ${service.id} has no endpoint`);
      return first.client;
    },
    states: () =>
      [...entries.values()].map(({ client, breaker, inFlight }) => ({
        endpoint: client.endpoint,
        state: breaker.state,
        inFlight,
      })),
    close() {
      for (const { client } of entries.values()) client.close();
    },
  };
}
