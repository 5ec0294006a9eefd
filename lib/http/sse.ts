import type { Request, Response } from 'express';
import type { Clock } from '../time.ts';

export interface ServerSentEvent {
  /** Becomes the client's `Last-Event-ID` when it reconnects. */
  readonly id?: string;
  readonly event?: string;
  /** Serialised as JSON. */
  readonly data: unknown;
}

export interface EventStream {
  /** Sends one event; false when the stream is closed (the client left, or read too slowly). */
  send(event: ServerSentEvent): boolean;
  close(): void;
  /** Resolves when the stream has ended, whoever ended it. */
  readonly closed: Promise<void>;
  readonly signal: AbortSignal;
}

const DEFAULT_HEARTBEAT_MS = 15_000;
/** A client that has this much unread is cut off: it can come back with Last-Event-ID and miss nothing. */
const DEFAULT_MAX_BUFFERED = 1024 * 1024;

const oneLine = (text: string): string => text.replace(/[\r\n]/g, '');

/** Starts a `text/event-stream` answer (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function openEventStream(
  req: Request,
  res: Response,
  options: {
    clock: Clock;
    heartbeatMs?: number;
    maxBufferedBytes?: number;
    retryMs?: number;
    /** Ends the stream after this time; the client comes back with Last-Event-ID, perhaps to another replica. Default: never. */
    maxMs?: number;
  },
): EventStream {
  const {
    clock,
    heartbeatMs = DEFAULT_HEARTBEAT_MS,
    maxBufferedBytes = DEFAULT_MAX_BUFFERED,
    retryMs = 1_000,
  } = options;
  const abort = new AbortController();
  res.locals.isStream = true;
  req.socket.setTimeout(0);
  req.socket.setNoDelay(true);
  res.status(200);
  res.setHeader('content-type', 'text/event-stream; charset=utf-8');
  res.setHeader('cache-control', 'no-store, no-transform');
  res.setHeader('x-accel-buffering', 'no');
  res.flushHeaders();
  res.write(`retry: ${retryMs}\n\n`);

  let open = true;
  const end = (): void => {
    if (!open) return;
    open = false;
    heartbeat.cancel();
    limit?.cancel();
    abort.abort(new Error('the event stream has ended'));
    res.end();
  };
  const write = (text: string): boolean => {
    if (!open) return false;
    res.write(text);
    if (res.writableLength > maxBufferedBytes) {
      open = false;
      heartbeat.cancel();
      limit?.cancel();
      abort.abort(new Error('the client reads too slowly'));
      res.destroy();
      return false;
    }
    return true;
  };
  const heartbeat = clock.setInterval(() => write(': keep-alive\n\n'), heartbeatMs);
  const limit = options.maxMs === undefined ? undefined : clock.setTimeout(end, options.maxMs);
  const closed = new Promise<void>((resolve) => {
    res.once('close', () => {
      end();
      resolve();
    });
  });
  return {
    closed,
    signal: abort.signal,
    close: end,
    send: ({ id, event, data }) =>
      write(
        `${id === undefined ? '' : `id: ${oneLine(id)}\n`}${event === undefined ? '' : `event: ${oneLine(event)}\n`}data: ${JSON.stringify(data)}\n\n`,
      ),
  };
}
