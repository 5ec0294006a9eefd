import { sql } from 'kysely';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Clock } from '../../lib/time.ts';
import { rows, type UserPostgres } from './shared/database.ts';

/** Figures of the day need not be newer than this, however many Prometheus servers ask. */
const FRESH_MS = 30_000;
/** Entries that one look reads at most: a bound on its cost, far above a day of the peak that is promised. */
const NEWEST_ENTRIES = 200_000;
/** Assets that get series of their own. They come from configured contracts; this is for a manifest gone wild. */
const MOST_ASSETS = 10;

interface WalletCounts {
  linked: number;
  people: number;
  active: number;
}
interface Moved {
  symbol: string;
  amount: number;
  entries: number;
}

/** What product owners ask: how many wallets and people, how many of them active, how much moved. Read on scrape. */
export function publishBusinessMetrics(deps: {
  postgres: UserPostgres;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
}): void {
  const { postgres, metrics, clock, log } = deps;
  const people = metrics.gauge({ name: 'business_people', help: 'People with at least one linked wallet.' });
  const active = metrics.gauge({
    name: 'business_active_wallets',
    help: 'Linked wallets that received or sent a token within the last 24 hours.',
  });
  const volume = metrics.gauge({
    name: 'business_token_volume',
    help: 'Tokens moved into or out of linked wallets within the last 24 hours, in whole tokens.',
    labels: ['asset'],
  });
  const transfers = metrics.gauge({
    name: 'business_token_transfers',
    help: 'Ledger entries of linked wallets within the last 24 hours.',
    labels: ['asset'],
  });

  let lookedAt = Number.NEGATIVE_INFINITY;
  const linked = metrics.gauge({
    name: 'business_linked_wallets',
    help: 'Wallets that people have linked.',
    collect: async () => {
      if (clock.monotonic() - lookedAt < FRESH_MS) return;
      lookedAt = clock.monotonic();
      try {
        await look();
      } catch (err) {
        // A scrape must not fail because one figure cannot be read.
        log.debug({ err }, 'the business figures cannot be read now');
      }
    },
  });

  async function look(): Promise<void> {
    const recent = sql`select e.id, p.account_id, p.asset_id, p.amount
      from ledger_entries e join ledger_postings p on p.entry_id = e.id
      join ledger_accounts a on a.id = p.account_id
      where e.id > (select coalesce(max(id), 0) - ${NEWEST_ENTRIES} from ledger_entries)
        and e.occurred_at > ${new Date(clock.now() - 86_400_000)} and a.kind = 'wallet'`;
    const [counts] = await rows(
      postgres.db,
      sql<WalletCounts>`with recent as (${recent})
        select count(*)::int as linked, count(distinct person_id)::int as people,
          (select count(distinct account_id)::int from recent) as active from wallets`,
    );
    const moved = await rows(
      postgres.db,
      sql<Moved>`with recent as (${recent})
        select s.symbol, (sum(abs(r.amount)) / power(10::numeric, s.decimals))::float as amount,
          count(distinct r.id)::int as entries
        from recent r join ledger_assets s on s.id = r.asset_id
        group by s.symbol, s.decimals order by entries desc limit ${MOST_ASSETS}`,
    );
    linked.set(counts?.linked ?? 0);
    people.set(counts?.people ?? 0);
    active.set(counts?.active ?? 0);
    volume.reset();
    transfers.reset();
    for (const { symbol, amount, entries } of moved) {
      volume.set({ asset: symbol }, amount);
      transfers.set({ asset: symbol }, entries);
    }
  }
}
