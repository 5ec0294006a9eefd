import { sql } from 'kysely';
import { type Db, rows } from '../shared/database.ts';

/** Tables that hold something about a person, and how it is exported; each is emptied by erasure. */
const PERSONAL = [
  ['profile', 'profiles', 'display_name, locale, time_zone, version, updated_at'],
  ['preferences', 'preferences', 'version, settings, updated_at'],
  ['email', 'email_addresses', 'address, confirmed_at, blocked_reason'],
  ['wallets', 'wallets', 'address, chain_id, label, kind, linked_at'],
  ['watchedWallets', 'watched_wallets', 'address, label, created_at'],
  [
    'sessions',
    'sessions',
    'id, method, device, place, created_at, last_seen_at, expires_at, revoked_at, revoked_reason',
  ],
  ['notifications', 'inbox', 'id, type, stage, data, occurred_at, created_at, read_at, archived_at'],
  ['deliveries', 'deliveries', 'id, kind, channel, state, reason, attempts, created_at, finished_at'],
  ['deliveryTargets', 'delivery_targets', 'id, channel, description, created_at, disabled_at'],
  ['rewards', 'reward_awards', 'id, campaign_id, state, amount, created_at'],
  ['partnerOrders', 'partner_orders', 'id, connector, offer_id, state, created_at'],
] as const;

/** Tables with nothing to export: codes, nonces, counters. */
const ONLY_ERASED = ['email_codes', 'auth_nonces', 'inbox_streams'] as const;

export const accountStore = {
  /** Everything that is stored about a person, by section. */
  async export(db: Db, personId: string): Promise<Record<string, unknown[]>> {
    const out: Record<string, unknown[]> = {};
    for (const [section, table, columns] of PERSONAL)
      out[section] = await rows(
        db,
        sql<
          Record<string, unknown>
        >`select ${sql.raw(columns)} from ${sql.table(table)} where person_id = ${personId}`,
      );
    return out;
  },

  /** Deletes all of it and cuts the link to the ledger. The row in `people` stays, to say that there was somebody. */
  async erase(db: Db, personId: string, now: Date): Promise<void> {
    for (const table of [...PERSONAL.map(([, name]) => name).reverse(), ...ONLY_ERASED])
      await sql`delete from ${sql.table(table)} where person_id = ${personId}`.execute(db);
    await sql`update people set ledger_id = null, erased_at = ${now} where id = ${personId}`.execute(db);
  },
};
