import { defineRoute, type Route, stream } from '../../lib/http/route.ts';
import { openEventStream } from '../../lib/http/sse.ts';
import type { Logger } from '../../lib/log.ts';
import type { Clock } from '../../lib/time.ts';
import { cookieName, readCookie } from './access/cookies.ts';
import type { Sessions } from './access/sessions.ts';

/** Something that the page shows and that changes. */
export interface Topic {
  readonly name: string;
  /** How often it is looked at while somebody looks. */
  readonly everyMs: number;
  readonly load: () => Promise<unknown> | unknown;
}

/** What is sent: the data, or why there is none. One part that is away never takes the others with it. */
export interface TopicState {
  readonly topic: string;
  readonly at: string;
  readonly data?: unknown;
  readonly error?: string;
}

export interface Live {
  readonly route: Route;
  /** Loads a topic now, for everybody who looks: after an action its effect is seen at once. */
  refresh(topic: string): Promise<void>;
  close(): void;
}

/** A session that ended closes its stream within this time. */
const SESSION_CHECK_MS = 15_000;

/** Loads each topic once for all who look, and only while somebody looks. */
export function createLive(deps: {
  topics: readonly Topic[];
  sessions: Sessions;
  secure: boolean;
  clock: Clock;
  log: Logger;
}): Live {
  const { topics, sessions, secure, clock, log } = deps;
  const states = new Map<string, TopicState>();
  const viewers = new Set<(state: TopicState) => void>();
  const timers = new Map<string, { cancel(): void }>();
  const running = new Map<string, Promise<void>>();
  let closed = false;

  async function loadOnce({ name, load }: Topic): Promise<void> {
    const at = new Date(clock.now()).toISOString();
    let state: TopicState;
    try {
      state = { topic: name, at, data: await load() };
    } catch (error) {
      log.debug({ err: error, topic: name }, 'a part of the console could not be loaded');
      state = { topic: name, at, error: error instanceof Error ? error.message : String(error) };
    }
    states.set(name, state);
    for (const send of viewers) send(state);
  }

  function refreshTopic(topic: Topic): Promise<void> {
    const under = running.get(topic.name);
    if (under) return under;
    const work = loadOnce(topic).finally(() => running.delete(topic.name));
    running.set(topic.name, work);
    return work;
  }

  function keepLoading(topic: Topic): void {
    if (closed || viewers.size === 0 || timers.has(topic.name)) return;
    const next = (): void => {
      timers.delete(topic.name);
      if (closed || viewers.size === 0) return;
      void refreshTopic(topic).then(() => {
        if (closed || viewers.size === 0 || timers.has(topic.name)) return;
        timers.set(topic.name, clock.setTimeout(next, topic.everyMs));
      });
    };
    // A placeholder, so that a second viewer does not begin a second loop.
    timers.set(topic.name, clock.setTimeout(next, 0));
  }

  const route = defineRoute({
    method: 'get',
    path: '/api/live',
    operationId: 'followConsole',
    summary: 'Everything that is shown, as it changes (server-sent events)',
    description: 'Event `topic` with { topic, at, data } or { topic, at, error }.',
    tags: ['live'],
    auth: ['user'],
    responses: { 200: { description: 'The stream', contentType: 'text/event-stream' } },
    errors: [],
    timeoutMs: 0,
    handler: ({ req, res }) =>
      stream(async () => {
        const out = openEventStream(req, res, { clock, maxBufferedBytes: 8 * 1024 * 1024 });
        const send = (state: TopicState): void => void out.send({ event: 'topic', data: state });
        for (const state of states.values()) send(state);
        viewers.add(send);
        for (const topic of topics) keepLoading(topic);
        const id = readCookie(req, cookieName(secure)) ?? '';
        const check = clock.setInterval(() => {
          void sessions.find(id).then(
            (session) => {
              if (session !== undefined) return;
              out.send({ event: 'signed-out', data: {} });
              out.close();
            },
            () => undefined,
          );
        }, SESSION_CHECK_MS);
        await out.closed;
        check.cancel();
        viewers.delete(send);
      }),
  });

  return {
    route,
    async refresh(name) {
      const topic = topics.find((one) => one.name === name);
      // What runs already may have read the state before the action: wait for it, then look again.
      await running.get(name);
      if (topic !== undefined) await refreshTopic(topic);
    },
    close() {
      closed = true;
      for (const timer of timers.values()) timer.cancel();
      timers.clear();
    },
  };
}
