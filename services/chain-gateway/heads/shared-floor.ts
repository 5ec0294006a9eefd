import type { Logger } from '../../../lib/log.ts';
import type { Redis } from '../../../lib/redis.ts';
import type { Clock } from '../../../lib/time.ts';
import type { ChainView, ChainViewControl } from './chain-view.ts';

/** A floor that no replica has confirmed for this long disappears: a poisoned value cannot outlive its author by more. */
const FLOOR_TTL_MS = 10_000;
/** For replicas that missed a message. */
const READ_EVERY_MS = 1_000;

/** Raises the number and tells the others; a lower one is ignored. One command, so that no raise is lost in a race. */
const RAISE = `
local current = tonumber(redis.call('GET', KEYS[1]))
local mine = tonumber(ARGV[1])
if current == nil or mine > current then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  redis.call('PUBLISH', KEYS[1], ARGV[1])
elseif mine == current then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1`;

/**
 * Shares the served head between replicas, so that a client whose calls reach several of them never sees `latest` go
 * backwards. Redis away means that each replica is monotone by itself only.
 * @param subscriber a connection of its own: Redis allows nothing else on a subscribed one
 */
export function shareHeadFloor(deps: {
  redis: Redis;
  subscriber: Redis;
  prefix: string;
  view: ChainView & Pick<ChainViewControl, 'heard'>;
  clock: Pick<Clock, 'setInterval'>;
  log: Logger;
}): { stop(): void } {
  const { redis, subscriber, view, log } = deps;
  const key = `${deps.prefix}:head-floor:${view.chainId}`;
  let away = false;
  const guard = (work: Promise<unknown>): void => {
    work.then(
      () => {
        away = false;
      },
      (error: unknown) => {
        if (!away) log.warn({ err: error }, 'the shared head floor is away; this replica keeps its own');
        away = true;
      },
    );
  };
  const hear = (text: string | null): void => {
    const number = Number(text ?? Number.NaN);
    if (Number.isSafeInteger(number) && number > 0) view.heard(number);
  };
  const raise = (): void => {
    const head = view.confirmedHead();
    if (head !== undefined) guard(redis.eval(RAISE, 1, key, String(head), String(FLOOR_TTL_MS)));
  };
  const stopListening = view.onHead(raise);
  const timer = deps.clock.setInterval(() => {
    raise();
    guard(redis.get(key).then(hear));
  }, READ_EVERY_MS);
  subscriber.on('message', (_channel: string, text: string) => hear(text));
  guard(subscriber.subscribe(key));
  return {
    stop() {
      stopListening();
      timer.cancel();
    },
  };
}
