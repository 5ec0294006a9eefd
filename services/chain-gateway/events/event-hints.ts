import type { Logger } from '../../../lib/log.ts';
import { closeRedis, createRedis } from '../../../lib/redis.ts';

const channelOf = (prefix: string): string => `${prefix}gateway:events`;

/** Says on Redis that the event log has grown; losing it costs a poll interval. */
export function createEventHintSender(options: { url: string; prefix: string; log: Logger }): {
  hint(seq: number): void;
  close(): Promise<void>;
} {
  const redis = createRedis({ url: options.url, log: options.log, role: 'event-hints' });
  return {
    hint(seq) {
      if (redis.status !== 'ready') return;
      redis
        .publish(channelOf(options.prefix), String(seq))
        .catch((error: unknown) => options.log.debug({ err: error }, 'event hint not sent'));
    },
    close: () => closeRedis(redis),
  };
}

export function createEventHintReceiver(
  options: { url: string; prefix: string; log: Logger },
  onHint: () => void,
): { close(): Promise<void> } {
  const redis = createRedis({ url: options.url, log: options.log, role: 'event-hints', whenDown: 'wait' });
  redis.on('message', onHint);
  redis
    .subscribe(channelOf(options.prefix))
    .catch((error: unknown) => options.log.debug({ err: error }, 'event hints are not received; polling'));
  return { close: () => closeRedis(redis) };
}
