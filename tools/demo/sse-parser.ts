/** One server-sent event (WHATWG HTML, section 9.2). */
export interface SseEvent {
  /** The server's id for resuming, or '' when it gave none so far. */
  readonly id: string;
  /** `message` unless the server named it. */
  readonly event: string;
  readonly data: string;
}

/** Turns text, cut anywhere, into events. Comments (heartbeats) and events without data are dropped. */
export function createSseParser(onEvent: (event: SseEvent) => void): { push(text: string): void } {
  let rest = '';
  let id = '';
  let event = '';
  let data: string[] = [];

  function line(text: string): void {
    if (text === '') {
      if (data.length) onEvent({ id, event: event || 'message', data: data.join('\n') });
      event = '';
      data = [];
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data.push(value);
    else if (field === 'event') event = value;
    else if (field === 'id') id = value;
  }

  return {
    push(text) {
      rest += text;
      // A carriage return at the very end may be half of CRLF: it waits for the next piece.
      const end = rest.endsWith('\r') ? rest.length - 1 : rest.length;
      const lines = rest.slice(0, end).split(/\r\n|\n|\r/);
      rest = (lines.pop() ?? '') + rest.slice(end);
      for (const text of lines) line(text);
    },
  };
}
