import { sql } from 'kysely';
import type { ChainEvent } from '../gateway/schemas.ts';
import { type Db, rows } from '../shared/database.ts';

const idKey = (chainId: number, tokenId: string): string => `${chainId}|${tokenId}`;

/**
 * Permissions name identities by number; here the number becomes the owner's address, so that she can be told.
 * What is remembered are public facts of the chain, and nothing about people.
 */
export async function withIdentityOwners(trx: Db, events: readonly ChainEvent[]): Promise<ChainEvent[]> {
  const created = events.filter((e) => e.type === 'identity.created' && typeof e.data.owner === 'string');
  if (created.length > 0) {
    const unique = [...new Map(created.map((e) => [idKey(e.chainId, String(e.data.tokenId)), e])).values()];
    await sql`insert into chain_identities (chain_id, token_id, owner)
      select * from unnest(${unique.map((e) => e.chainId)}::int[], ${unique.map((e) => String(e.data.tokenId))}::text[],
        ${unique.map((e) => String(e.data.owner))}::text[])
      on conflict (chain_id, token_id) do update set owner = excluded.owner`.execute(trx);
  }
  const granted = events.filter((e) => e.type === 'permission.granted');
  if (granted.length === 0) return [...events];
  const wanted = granted.flatMap((e) =>
    [e.data.ownerId, e.data.requesterId].map((id) => ({ chainId: e.chainId, tokenId: String(id) })),
  );
  const found = await rows(
    trx,
    sql<{ chain_id: number; token_id: string; owner: string }>`select i.chain_id, i.token_id, i.owner
      from unnest(${wanted.map((w) => w.chainId)}::int[], ${wanted.map((w) => w.tokenId)}::text[]) as w(chain_id, token_id)
      join chain_identities i on i.chain_id = w.chain_id and i.token_id = w.token_id`,
  );
  const owners = new Map(found.map((row) => [idKey(row.chain_id, row.token_id), row.owner]));
  return events.map((event) => {
    if (event.type !== 'permission.granted') return event;
    const owner = owners.get(idKey(event.chainId, String(event.data.ownerId)));
    const requester = owners.get(idKey(event.chainId, String(event.data.requesterId)));
    return {
      ...event,
      data: { ...event.data, ...(owner ? { owner } : {}), ...(requester ? { requester } : {}) },
    };
  });
}
