import { connect, type Socket } from 'node:net';

/** What came back: the status, the body as text (latin1: it is only searched), or why nothing did. */
export type Reply = { readonly status: number; readonly body: string } | { readonly failure: string };

/**
 * One keep-alive HTTP/1.1 connection that carries one request at a time. Written on the bare socket because the load
 * shares two cores with what it measures: a full client would cost as much as the server under test.
 */
export interface HttpConnection {
  /** At most one at a time. */
  send(request: string, done: (reply: Reply) => void): void;
  close(): void;
}

const HEAD_END = '\r\n\r\n';

/** Length of a complete reply in `text`, or -1 while bytes are missing. */
function completeAt(text: string): { end: number; bodyStart: number; chunked: boolean } | undefined {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = text.slice(0, headEnd).toLowerCase();
  const bodyStart = headEnd + HEAD_END.length;
  const lengthAt = head.indexOf('content-length:');
  if (lengthAt >= 0) {
    const end = bodyStart + Number.parseInt(head.slice(lengthAt + 15), 10);
    return text.length >= end ? { end, bodyStart, chunked: false } : undefined;
  }
  if (!head.includes('transfer-encoding: chunked')) return { end: text.length, bodyStart, chunked: false };
  const lastChunk = text.indexOf('0\r\n\r\n', bodyStart);
  return lastChunk >= 0 && text.endsWith('0\r\n\r\n')
    ? { end: text.length, bodyStart, chunked: true }
    : undefined;
}

export function createHttpConnection(host: string, port: number): HttpConnection {
  let socket: Socket | undefined;
  let waiting: ((reply: Reply) => void) | undefined;
  let received = '';
  let reused = false;
  let inFlight = '';

  function finish(reply: Reply): void {
    const done = waiting;
    waiting = undefined;
    received = '';
    done?.(reply);
  }

  function drop(reason: string): void {
    const dropped = socket;
    socket = undefined;
    dropped?.removeAllListeners();
    dropped?.on('error', () => undefined);
    dropped?.destroy();
    if (waiting === undefined) return;
    // A kept-alive connection may close just as it is used again: every HTTP client tries such a request once more.
    if (reused && received === '') {
      open();
      return;
    }
    finish({ failure: reason });
  }

  function open(): void {
    reused = false;
    const opened = connect({ host, port, noDelay: true });
    socket = opened;
    opened.setEncoding('latin1');
    opened.on('connect', () => opened.write(inFlight));
    opened.on('data', (data) => {
      received = received === '' ? (data as unknown as string) : received + (data as unknown as string);
      const complete = completeAt(received);
      if (complete === undefined) return;
      const status = Number(received.slice(9, 12));
      const body = received.slice(complete.bodyStart, complete.end);
      const closing = /\r\nconnection: close/i.test(received.slice(0, complete.bodyStart));
      if (closing) {
        socket = undefined;
        opened.removeAllListeners();
        opened.on('error', () => undefined);
        opened.destroy();
      }
      finish({ status, body });
    });
    opened.on('error', (error: Error & { code?: string }) => drop(error.code ?? error.message));
    opened.on('close', () => drop('closed'));
  }

  return {
    send(request, done) {
      waiting = done;
      inFlight = request;
      if (socket === undefined) {
        open();
        return;
      }
      reused = true;
      socket.write(request);
    },
    close() {
      waiting = undefined;
      drop('closed by us');
    },
  };
}
