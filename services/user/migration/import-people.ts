import { createHash } from 'node:crypto';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { EntryDraft } from '../ledger/rules.ts';
import { parseCsv } from '../shared/csv.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { importStore, NewPerson } from './import-store.ts';
import { COLUMNS, type Fault, type LegacyRow, parseLegacyRow } from './legacy-row.ts';

export interface ImportReport {
  readonly lines: number;
  readonly imported: number;
  /** Imported before, with the same content. */
  readonly unchanged: number;
  readonly faulty: number;
  readonly faults: readonly Fault[];
}

const BATCH = 1_000;

interface Line {
  readonly line: number;
  readonly row: LegacyRow;
  readonly hash: Buffer;
}

/**
 * Brings the people of the old service in from a CSV file. A line is imported, unchanged or faulty, never lost; faults are
 * kept with line, field and reason. Each batch commits together with the position, so that a run that was interrupted goes
 * on where it stood, and a file that is imported twice changes nothing.
 *
 * @throws Error when the header is not the documented one: then nothing was imported.
 */
export async function importPeople(
  text: string,
  deps: {
    postgres: Pick<UserPostgres, 'db' | 'transaction'>;
    store: typeof importStore;
    clock: Pick<Clock, 'now'>;
    random: Random;
    chainId: number;
    pinCursor: (trx: Db) => Promise<{ seq: number; blockNumber: number }>;
    post: (trx: Db, drafts: readonly EntryDraft[]) => Promise<unknown>;
    dryRun: boolean;
    onProgress?: (lines: number) => void;
  },
): Promise<ImportReport> {
  const { postgres, store, clock, random, dryRun } = deps;
  const [header, ...lines] = [...parseCsv(text)];
  if (header?.join(',') !== COLUMNS.join(','))
    throw new Error(`the first line must be: ${COLUMNS.join(',')}`);
  const now = new Date(clock.now());
  const fileHash = createHash('sha256').update(text).digest('hex');
  const run = dryRun ? undefined : await store.openRun(postgres.db, random.uuid(), fileHash, now);
  const seen = { ids: new Set<string>(), emails: new Set<string>(), wallets: new Set<string>() };
  const total = { imported: 0, unchanged: 0, faulty: 0 };
  const allFaults: Fault[] = [];

  /** What is wrong with a line because of another line or of what is stored. */
  const conflicts = ({ line, row }: Line, taken: { emails: Set<string>; wallets: Set<string> }): Fault[] => {
    const fault = (field: string, detail: string): Fault => ({
      line,
      legacyId: row.legacy_id,
      field,
      detail,
    });
    const email = row.email?.toLowerCase();
    const faults = [
      ...(seen.ids.has(row.legacy_id) ? [fault('legacy_id', 'is in the file twice')] : []),
      ...(email && seen.emails.has(email) ? [fault('email', 'belongs to an earlier line as well')] : []),
      ...(email && taken.emails.has(email) ? [fault('email', 'belongs to an account here already')] : []),
      ...row.wallets
        .filter((w) => seen.wallets.has(w))
        .map((w) => fault('wallets', `${w} belongs to an earlier line as well`)),
      ...row.wallets
        .filter((w) => taken.wallets.has(w))
        .map((w) => fault('wallets', `${w} belongs to an account here already`)),
    ];
    return faults;
  };
  const remember = (row: LegacyRow): void => {
    seen.ids.add(row.legacy_id);
    if (row.email) seen.emails.add(row.email.toLowerCase());
    for (const wallet of row.wallets) seen.wallets.add(wallet);
  };

  const opening = (p: NewPerson): EntryDraft => ({
    eventKey: `import:${p.row.legacy_id}:points`,
    kind: 'opening',
    reason: 'Points of the old service.',
    occurredAt: now,
    legs: [
      {
        account: { kind: 'points', owner: p.ledgerId, reference: '', assetId: 'points:rejuve' },
        amount: BigInt(p.row.points ?? '0'),
      },
      {
        account: { kind: 'issued', owner: null, reference: 'import', assetId: 'points:rejuve' },
        amount: -BigInt(p.row.points ?? '0'),
      },
    ],
  });

  for (let from = 0; from < lines.length; from += BATCH) {
    const cells = lines.slice(from, from + BATCH);
    // A line that was done by an earlier, interrupted run of the same file still counts for duplicates.
    const done = run !== undefined && from + cells.length <= run.linesDone;
    const parsed = cells.map((c, i) => ({
      line: from + i + 2,
      cells: c,
      result: parseLegacyRow(from + i + 2, c),
    }));
    const good = parsed.flatMap(({ line, cells: c, result }): Line[] =>
      'row' in result
        ? [{ line, row: result.row, hash: createHash('sha256').update(JSON.stringify(c)).digest() }]
        : [],
    );
    if (done) {
      for (const { row } of good) remember(row);
      continue;
    }
    const work = async (
      trx: Db,
    ): Promise<{ imported: number; unchanged: number; faulty: number; faults: Fault[] }> => {
      const known = new Map(
        (
          await store.known(
            trx,
            good.map((g) => g.row.legacy_id),
          )
        ).map((k) => [k.legacyId, k.hash]),
      );
      const fresh = good.filter((g) => !known.has(g.row.legacy_id));
      const taken = await store.taken(
        trx,
        fresh.flatMap((g) => (g.row.email ? [g.row.email.toLowerCase()] : [])),
        fresh.flatMap((g) => g.row.wallets),
      );
      const faults = parsed.flatMap(({ result }) => ('faults' in result ? result.faults : []));
      const faultyLines = new Set(faults.map((f) => f.line));
      const people: NewPerson[] = [];
      let unchanged = 0;
      for (const item of good) {
        const before = known.get(item.row.legacy_id);
        if (before && !seen.ids.has(item.row.legacy_id)) {
          remember(item.row);
          if (before.equals(item.hash)) unchanged++;
          else {
            faults.push({
              line: item.line,
              legacyId: item.row.legacy_id,
              field: '',
              detail: 'was imported before with other content; the account here wins',
            });
            faultyLines.add(item.line);
          }
          continue;
        }
        const found = conflicts(item, taken);
        if (found.length > 0) {
          faults.push(...found);
          faultyLines.add(item.line);
          continue;
        }
        remember(item.row);
        people.push({
          ...item,
          personId: random.uuid(),
          ledgerId: random.uuid(),
          walletIds: item.row.wallets.map(() => random.uuid()),
        });
      }
      if (!dryRun && people.length > 0) {
        await store.insertPeople(trx, people, await deps.pinCursor(trx), deps.chainId, now);
        await deps.post(trx, people.filter((p) => BigInt(p.row.points ?? '0') > 0n).map(opening));
      }
      return { imported: people.length, unchanged, faulty: faultyLines.size, faults };
    };
    const result =
      run === undefined
        ? await work(postgres.db)
        : await postgres.transaction(async (trx) => {
            await store.lockRun(trx, run.id);
            const outcome = await work(trx);
            await store.recordFaults(trx, run.id, outcome.faults);
            await store.advance(trx, run.id, from + cells.length, outcome);
            return outcome;
          });
    total.imported += result.imported;
    total.unchanged += result.unchanged;
    total.faulty += result.faulty;
    allFaults.push(...result.faults);
    deps.onProgress?.(from + cells.length);
  }
  if (run === undefined) return { lines: lines.length, ...total, faults: allFaults };
  await store.finish(postgres.db, run.id, new Date(clock.now()));
  const final = await store.openRun(postgres.db, run.id, fileHash, now);
  return {
    lines: lines.length,
    imported: final.imported,
    unchanged: final.unchanged,
    faulty: final.faulty,
    faults: await store.faults(postgres.db, run.id),
  };
}
