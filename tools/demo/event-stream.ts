import { DemoFailure } from './demo-failure.ts';
import { createSseParser, type SseEvent } from './sse-parser.ts';

/** An event and when it came, in epoch milliseconds. */
export interface ReceivedEvent extends SseEvent {
  readonly receivedAt: number;
  /** The data as JSON, or undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: checked by whoever waits for the event
  readonly json: any;
}

/** An open server-sent event stream. Everything that came is kept: a step may ask for what another step caused. */
export interface EventStream {
  readonly url: string;
  readonly received: readonly ReceivedEvent[];
  /** The first event, past or future, that fits. Throws {@link DemoFailure} after `withinMs`. */
  waitFor(
    wanted: { expected: string; withinMs: number; signal: AbortSignal },
    fits: (event: ReceivedEvent) => boolean,
  ): Promise<ReceivedEvent>;
  close(): void;
}

/** Opens the stream and answers once the server has accepted it. */
export async function openEventStream(options: {
  url: string;
  token: string;
  service: string;
  signal: AbortSignal;
}): Promise<EventStream> {
  const { url, token, service } = options;
  const controller = new AbortController();
  const signal = AbortSignal.any([options.signal, controller.signal]);
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${token}` },
    signal,
  }).catch((cause: unknown) => {
    throw new DemoFailure({
      expected: `${url} to open a stream`,
      seen: (cause as Error).message,
      service,
      cause,
    });
  });
  const type = response.headers.get('content-type') ?? '';
  if (!response.ok || !response.body || !type.startsWith('text/event-stream')) {
    const seen = `${response.status} ${type}: ${await response.text()}`;
    throw new DemoFailure({ expected: `${url} to open an event stream`, seen, service });
  }

  const received: ReceivedEvent[] = [];
  const listeners = new Set<() => void>();
  let ended: string | undefined;
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  const parser = createSseParser((event) => {
    received.push({ ...event, receivedAt: Date.now(), json: parseJson(event.data) });
    tell();
  });
  void (async () => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        parser.push(decoder.decode(chunk, { stream: true }));
      }
      ended = 'the server ended the stream';
    } catch (error) {
      ended = `the stream broke: ${(error as Error).message}`;
    }
    tell();
  })();

  return {
    url,
    received,
    close: () => controller.abort(),
    waitFor: ({ expected, withinMs, signal: waitSignal }, fits) =>
      new Promise((resolve, reject) => {
        const seen = () =>
          `${ended ? `${ended}; ` : ''}${received.length} events: ${received.map((e) => `${e.event} ${e.data}`).join(' | ')}`;
        const settle = (finish: () => void) => {
          clearTimeout(timer);
          listeners.delete(check);
          waitSignal.removeEventListener('abort', onAbort);
          finish();
        };
        const fail = () =>
          settle(() =>
            reject(
              new DemoFailure({
                expected: `${expected} on ${url} within ${withinMs / 1000} s`,
                seen: seen(),
                service,
              }),
            ),
          );
        const onAbort = () => settle(() => reject(waitSignal.reason as Error));
        const check = () => {
          const event = received.find(fits);
          if (event) settle(() => resolve(event));
          else if (ended) fail();
        };
        const timer = setTimeout(fail, withinMs);
        listeners.add(check);
        waitSignal.addEventListener('abort', onAbort, { once: true });
        check();
      }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Heartbeats and plain-text events are fine; whoever needs JSON checks for it.
    return undefined;
  }
}
