import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSseParser, type SseEvent } from './sse-parser.ts';

function parse(...pieces: string[]): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = createSseParser((event) => events.push(event));
  for (const piece of pieces) parser.push(piece);
  return events;
}

describe('createSseParser', () => {
  it('reads id, event and data of several lines', () => {
    expect(parse('id: 7\nevent: state\ndata: a\ndata: b\n\n')).toEqual([
      { id: '7', event: 'state', data: 'a\nb' },
    ]);
  });

  it('keeps the id, not the event name, for the next event', () => {
    expect(parse('id: 7\nevent: state\ndata: a\n\ndata: b\n\n')[1]).toEqual({
      id: '7',
      event: 'message',
      data: 'b',
    });
  });

  it('drops heartbeats and events without data, and waits for the end of an event', () => {
    expect(parse(': heartbeat\n\nevent: nothing\n\ndata: half\n')).toEqual([]);
  });

  it('reads the same events wherever the text is cut', () => {
    const text = 'id: 1\r\ndata: a\r\n\r\n: beat\r\n\r\nevent: x\rdata:b\r\rdata: c\n\n';
    const whole = parse(text);
    expect(whole.map((event) => event.data)).toEqual(['a', 'b', 'c']);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(parse(...pieces)).toEqual(whole);
      }),
    );
  });
});
