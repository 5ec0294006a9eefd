import { sql } from 'kysely';
import { formatAmount } from '../../../lib/amount.ts';
import { type Db, rows } from '../shared/database.ts';

export interface StatementLine {
  readonly entryId: number;
  readonly occurredAt: Date;
  readonly kind: string;
  readonly amount: bigint;
  /** The balance of the asset over all wallets after this line. */
  readonly balance: bigint;
  readonly transactionHash: string | null;
  readonly counterparty: string | null;
}

export interface Statement {
  readonly assetId: string;
  readonly symbol: string;
  readonly decimals: number;
  readonly opening: bigint;
  readonly closing: bigint;
  readonly lines: readonly StatementLine[];
}

interface Row {
  entryId: number;
  occurredAt: Date;
  kind: string;
  assetId: string;
  symbol: string;
  decimals: number;
  amount: string;
  transactionHash: string | null;
  counterparty: string | null;
}

/** Reads what happened on a person's accounts up to `to`, by asset, in the order of the chain. */
export function readStatementRows(db: Db, owner: string, to: Date): Promise<Row[]> {
  return rows(
    db,
    sql<Row>`select e.id as "entryId", e.occurred_at as "occurredAt", e.kind, p.asset_id as "assetId", s.symbol, s.decimals,
        sum(p.amount) as amount, e.transaction_hash as "transactionHash", e.counterparty
      from ledger_accounts a join ledger_postings p on p.account_id = a.id join ledger_entries e on e.id = p.entry_id
      join ledger_assets s on s.id = p.asset_id
      where a.owner = ${owner} and e.occurred_at < ${to}
      group by e.id, p.asset_id, s.symbol, s.decimals order by p.asset_id, e.occurred_at, e.id`,
  );
}

/** Statements by asset: opening balance, the lines of the period with the balance after each, closing balance. */
export function buildStatements(found: readonly Row[], from: Date): Statement[] {
  return [...Map.groupBy(found, (row) => row.assetId)].map(([assetId, list]) => {
    const { symbol, decimals } = list[0] as Row;
    let balance = 0n;
    let opening = 0n;
    const lines: StatementLine[] = [];
    for (const row of list) {
      balance += BigInt(row.amount);
      if (row.occurredAt < from) opening = balance;
      else
        lines.push({
          entryId: row.entryId,
          occurredAt: row.occurredAt,
          kind: row.kind,
          amount: BigInt(row.amount),
          balance,
          transactionHash: row.transactionHash,
          counterparty: row.counterparty,
        });
    }
    return { assetId, symbol, decimals, opening, closing: balance, lines };
  });
}

/** One CSV cell (RFC 4180); a leading =, +, - or @ could be run by a spreadsheet, amounts excepted. */
const cell = (value: string): string => {
  const safe = /^[=+@\t\r]|^-(?!\d)/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
};

export function statementCsv(statements: readonly Statement[]): string {
  const lines = [
    ['asset', 'symbol', 'entry', 'occurred_at', 'kind', 'amount', 'balance', 'transaction', 'counterparty'],
  ];
  for (const s of statements) {
    lines.push([
      s.assetId,
      s.symbol,
      '',
      '',
      'opening balance',
      '',
      formatAmount(s.opening, s.decimals).formatted,
      '',
      '',
    ]);
    for (const l of s.lines)
      lines.push([
        s.assetId,
        s.symbol,
        String(l.entryId),
        l.occurredAt.toISOString(),
        l.kind,
        formatAmount(l.amount, s.decimals).formatted,
        formatAmount(l.balance, s.decimals).formatted,
        l.transactionHash ?? '',
        l.counterparty ?? '',
      ]);
    lines.push([
      s.assetId,
      s.symbol,
      '',
      '',
      'closing balance',
      '',
      formatAmount(s.closing, s.decimals).formatted,
      '',
      '',
    ]);
  }
  return lines
    .map((line) => line.map(cell).join(','))
    .join('\r\n')
    .concat('\r\n');
}
