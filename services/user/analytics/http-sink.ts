import { request } from 'undici';
import type { AnalyticsSink } from './outbox.ts';

/** Posts NDJSON to an HTTP collector. */
export function createHttpSink(url: string): AnalyticsSink {
  return {
    async write(events, signal) {
      const answer = await request(url, {
        method: 'POST',
        signal,
        headers: { 'content-type': 'application/x-ndjson' },
        body: events.map((e) => JSON.stringify(e)).join('\n'),
      });
      await answer.body.dump();
      if (answer.statusCode >= 300) throw new Error(`the collector answered ${answer.statusCode}`);
    },
  };
}
