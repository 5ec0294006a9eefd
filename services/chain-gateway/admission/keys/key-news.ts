import type { Logger } from '../../../../lib/log.ts';
import { closeRedis, createRedis } from '../../../../lib/redis.ts';

/** Tells all processes that something happened to a key. News may get lost; they are read again anyway. */
export interface KeyNews {
  tell(keyId: string): void;
  /** @param missed news may have been missed: the connection was away */
  listen(listener: (keyId: string) => void, missed: () => void): void;
  /** True while news of others would arrive. */
  hears(): boolean;
  close(): Promise<void>;
}

export function createKeyNews(deps: { url: string; prefix: string; log: Logger }): KeyNews {
  const { url, log } = deps;
  const channel = `${deps.prefix}:gateway:keys`;
  const publisher = createRedis({ url, log, role: 'gateway-keys' });
  const subscriber = createRedis({ url, log, role: 'gateway-keys-news', whenDown: 'wait' });
  let subscribed = false;
  let listener: (keyId: string) => void = () => undefined;
  let missed: () => void = () => undefined;
  subscriber.on('message', (_channel, keyId: string) => listener(keyId));
  // The client subscribes again by itself after a reconnect, before it is ready; what was told meanwhile is lost.
  subscriber.on('ready', () => {
    subscribed = true;
    missed();
  });
  subscriber.on('close', () => {
    subscribed = false;
  });
  void subscriber
    .subscribe(channel)
    .catch((error: unknown) => log.warn({ err: error }, 'no news of API keys'));
  return {
    tell(keyId) {
      publisher
        .publish(channel, keyId)
        .catch((error: unknown) => log.warn({ err: error, keyId }, 'news of an API key could not be told'));
    },
    listen(next, onMissed) {
      listener = next;
      missed = onMissed;
    },
    hears: () => subscribed && subscriber.status === 'ready',
    async close() {
      await Promise.all([closeRedis(publisher), closeRedis(subscriber)]);
    },
  };
}
