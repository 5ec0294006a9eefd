import { toChecksum } from '../../../lib/address.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { GatewayEvent } from '../chain/gateway-shapes.ts';
import type { Db } from '../database.ts';
import type { CacheAside } from './cache-aside.ts';

const CONSUMER = 'cache';
const WAIT_SECONDS = 20;
const RETRY_MS = 1_000;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const wallet = (value: unknown): string[] => {
  const address = text(value);
  return address && /^0x[0-9a-fA-F]{40}$/.test(address) ? [`wallet:${toChecksum(address)}`] : [];
};

/** What an event makes stale. Every stage counts: a reorg changes answers as much as a block does. */
export function tagsOf(event: GatewayEvent): string[] {
  const { data } = event;
  const nft = (tokenId: unknown): string[] =>
    event.contract && text(tokenId) ? [`nft:${toChecksum(event.contract.address)}:${tokenId}`] : [];
  switch (event.type) {
    case 'transfer.erc20':
    case 'transfer.native':
      return [...wallet(data.from), ...wallet(data.to)];
    case 'transfer.erc721':
    case 'transfer.erc1155':
      return [...wallet(data.from), ...wallet(data.to), ...nft(data.tokenId)];
    case 'identity.created':
    case 'identity.destroyed':
      return [...wallet(data.owner), ...nft(data.tokenId)];
    case 'metadata.updated':
      return data.tokenId === data.toTokenId
        ? nft(data.tokenId)
        : event.contract
          ? [`nfts:${toChecksum(event.contract.address)}`]
          : [];
    case 'attestation.created':
    case 'attestation.revoked':
      return wallet(data.recipient).map((tag) => tag.replace('wallet:', 'attestations:'));
    default:
      return [];
  }
}

/**
 * Follows the gateway's event log and invalidates what events make stale. Each replica follows it; doing it twice
 * does no harm. Values also end by themselves, so a missed event costs seconds, not truth.
 */
export async function followChainEvents(deps: {
  gateway: Pick<Gateway, 'events'>;
  cache: Pick<CacheAside, 'invalidate'>;
  db: Db;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { gateway, cache, db, clock, log, signal } = deps;
  const saved = await db
    .selectFrom('event_cursors')
    .select('seq')
    .where('consumer', '=', CONSUMER)
    .executeTakeFirst();
  let after = saved?.seq;
  let failing = false;
  while (!signal.aborted) {
    try {
      // The first start has nothing cached: it begins at the end of the log.
      after ??= (await gateway.events('0', 0, signal)).last;
      const { events, next } = await gateway.events(after, WAIT_SECONDS, signal);
      await cache.invalidate([...new Set(events.flatMap(tagsOf))]);
      if (next !== after) {
        after = next;
        await db
          .insertInto('event_cursors')
          .values({ consumer: CONSUMER, seq: next })
          .onConflict((conflict) =>
            conflict.column('consumer').doUpdateSet({ seq: next, updated_at: new Date(clock.now()) }),
          )
          .execute();
      }
      failing = false;
    } catch (err) {
      if (signal.aborted) return;
      if (!failing)
        log.warn({ err }, 'chain events cannot be followed; cached answers end by time until they can');
      failing = true;
      // A cursor beyond the log (a chain that was reset) or past its retention: start at the end again.
      if ((err as { code?: string }).code === 'invalid_argument') after = undefined;
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }
}
