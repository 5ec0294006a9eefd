import type { Logger } from '../../lib/log.ts';
import type { Clock } from '../../lib/time.ts';
import type { KubeObject } from '../api.ts';
import type { KubeClient, Resource } from './kube-client.ts';
import { isNotFound } from './kube-error.ts';

interface KubeEvent extends KubeObject {
  eventTime?: string;
  reportingController?: string;
  reportingInstance?: string;
  action?: string;
  reason?: string;
  regarding?: unknown;
  note?: string;
  type?: 'Normal' | 'Warning';
  series?: { count: number; lastObservedTime: string };
}
const EVENTS: Resource<KubeEvent> = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
};

/** The same thing said again within this time only counts up. */
const SERIES_MS = 10 * 60_000;
/** A running series is written at most this often. */
const SERIES_WRITE_MS = 60_000;
const MAX_NOTE = 1024;
/** Forget the oldest beyond this many different events. */
const MAX_KNOWN = 2000;

export interface EventRecorder {
  /**
   * Tells people who look at `object` what happened. Never throws and never waits: an event is a courtesy.
   * @param reason machine-readable, UpperCamelCase. @param action what was attempted.
   */
  emit(
    object: KubeObject,
    event: { type: 'Normal' | 'Warning'; reason: string; action: string; note: string },
  ): void;
}

/** Events with aggregation: repeats of (object, reason, action, type) become a series on one Event. */
export function createEventRecorder(deps: {
  client: Pick<KubeClient, 'create' | 'mergePatch'>;
  clock: Clock;
  log: Logger;
  controller: string;
  instance: string;
}): EventRecorder {
  const { client, clock, log, controller, instance } = deps;
  const known = new Map<string, { name: string; count: number; lastAt: number; writtenAt: number }>();
  const micro = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
  let sequence = 0;

  async function write(object: KubeObject, event: Parameters<EventRecorder['emit']>[1]): Promise<void> {
    const { name = '', namespace = 'default', uid = '' } = object.metadata ?? {};
    const key = [uid, event.type, event.reason, event.action].join('/');
    const now = clock.now();
    const before = known.get(key);
    if (before && now - before.lastAt < SERIES_MS) {
      before.count++;
      before.lastAt = now;
      if (now - before.writtenAt < SERIES_WRITE_MS) return;
      before.writtenAt = now;
      try {
        const series = { count: before.count, lastObservedTime: micro(now) };
        await client.mergePatch(EVENTS, namespace, before.name, {
          series,
          note: event.note.slice(0, MAX_NOTE),
        });
        return;
      } catch (error) {
        // Events expire after an hour: then it is a new one.
        if (!isNotFound(error)) throw error;
      }
    }
    const eventName = `${name.slice(0, 200)}.${now.toString(16)}${(sequence++).toString(16)}`;
    known.set(key, { name: eventName, count: 1, lastAt: now, writtenAt: now });
    if (known.size > MAX_KNOWN) known.delete(known.keys().next().value as string);
    await client.create(EVENTS, namespace, {
      metadata: { name: eventName, namespace },
      eventTime: micro(now),
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      action: event.action,
      reason: event.reason,
      type: event.type,
      note: event.note.slice(0, MAX_NOTE),
      regarding: { apiVersion: object.apiVersion, kind: object.kind, name, namespace, uid },
    });
  }

  return {
    emit(object, event) {
      write(object, event).catch((error: unknown) =>
        log.debug({ err: error, reason: event.reason }, 'an event could not be written'),
      );
    },
  };
}
