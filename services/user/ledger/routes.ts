import { z } from 'zod';
import { amountSchema, formatAmount } from '../../../lib/amount.ts';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply, stream } from '../../../lib/http/route.ts';
import type { Ledger } from './service.ts';
import { type Statement, statementCsv } from './statement.ts';

const balanceSchema = z
  .object({
    assetId: z.string().describe('CAIP-19, or points:<name>'),
    symbol: z.string(),
    balance: amountSchema.describe('Everything in the ledger, pending included'),
    pending: amountSchema.describe('The part that the chain has not confirmed yet'),
    accounts: z.array(z.object({ kind: z.string(), wallet: z.string().nullable(), balance: amountSchema })),
  })
  .meta({ id: 'LedgerBalance' });

const transactionSchema = z
  .object({
    id: z.string(),
    kind: z.string().describe('transfer.in, transfer.out, reversal, opening, closing, reward, adjustment'),
    stage: z
      .enum(['pending', 'confirmed', 'finalized', 'reverted'])
      .nullable()
      .describe('null when the chain has no part in it'),
    reverses: z.string().nullable(),
    reason: z.string().nullable(),
    occurredAt: z.iso.datetime(),
    recordedAt: z.iso.datetime(),
    chainId: z.number().int().nullable(),
    blockNumber: z.number().int().nullable(),
    transactionHash: z.string().nullable(),
    counterparty: z.string().nullable(),
    postings: z.array(
      z.object({
        account: z.string().describe('wallet, points … of the person, or the other side'),
        own: z.boolean(),
        wallet: z.string().nullable(),
        assetId: z.string(),
        symbol: z.string(),
        amount: amountSchema,
        balanceAfter: amountSchema.nullable(),
      }),
    ),
  })
  .meta({ id: 'LedgerTransaction' });

const statementSchema = z
  .object({
    assetId: z.string(),
    symbol: z.string(),
    opening: amountSchema,
    closing: amountSchema,
    lines: z.array(
      z.object({
        entryId: z.string(),
        occurredAt: z.iso.datetime(),
        kind: z.string(),
        amount: amountSchema,
        balance: amountSchema,
        transactionHash: z.string().nullable(),
        counterparty: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'LedgerStatement' });

const zero = z.string().optional();

export function ledgerRoutes(deps: {
  ledger: Pick<Ledger, 'balances' | 'entries'>;
  cursors: CursorCodec;
  statements: (personId: string, from: Date, to: Date) => Promise<readonly Statement[]>;
  /** Addresses of the person's wallets by their internal id. */
  walletNames: (personId: string) => Promise<ReadonlyMap<string, string>>;
}): Route[] {
  const { ledger, cursors, walletNames } = deps;
  const base = { tags: ['Ledger'], auth: ['user'] as const };
  return [
    defineRoute({
      ...base,
      method: 'get',
      path: '/v1/me/ledger/balances',
      operationId: 'getLedgerBalances',
      summary: 'Balances by asset, over all wallets',
      responses: { 200: { description: 'Balances', schema: z.object({ data: z.array(balanceSchema) }) } },
      errors: [],
      async handler({ principal }) {
        const [lines, names] = await Promise.all([ledger.balances(principal.id), walletNames(principal.id)]);
        const byAsset = Map.groupBy(lines, (line) => line.assetId);
        return reply(200, {
          data: [...byAsset].map(([assetId, accounts]) => {
            const { symbol, decimals } = accounts[0] as (typeof accounts)[number];
            const sum = (pick: (line: (typeof accounts)[number]) => bigint) =>
              formatAmount(
                accounts.reduce((total, line) => total + pick(line), 0n),
                decimals,
              );
            return {
              assetId,
              symbol,
              balance: sum((line) => line.balance),
              pending: sum((line) => line.pending),
              accounts: accounts.map((line) => ({
                kind: line.kind,
                wallet: line.walletId === null ? null : (names.get(line.walletId) ?? null),
                balance: formatAmount(line.balance, decimals),
              })),
            };
          }),
        });
      },
    }),
    defineRoute({
      ...base,
      method: 'get',
      path: '/v1/me/ledger/transactions',
      operationId: 'listLedgerTransactions',
      summary: 'The transaction log with running balances, the newest first',
      query: z.strictObject({
        cursor: zero,
        limit: z.coerce.number().int().min(1).max(200).default(50),
        from: z.iso.datetime({ offset: true }).optional(),
        to: z.iso.datetime({ offset: true }).optional(),
      }),
      responses: {
        200: {
          description: 'A page',
          schema: z.object({
            data: z.array(transactionSchema),
            page: z.object({ next: z.string().nullable(), hasMore: z.boolean() }),
          }),
        },
      },
      errors: ['invalid_cursor'],
      async handler({ principal, query }) {
        const list = `ledger:${principal.id}:${query.from ?? ''}:${query.to ?? ''}`;
        const position = query.cursor === undefined ? undefined : cursors.decode(list, query.cursor);
        const [found, names] = await Promise.all([
          ledger.entries(principal.id, {
            ...(position ? { before: Number(position[0]) } : {}),
            ...(query.from === undefined ? {} : { from: new Date(query.from) }),
            ...(query.to === undefined ? {} : { to: new Date(query.to) }),
            limit: query.limit + 1,
          }),
          walletNames(principal.id),
        ]);
        const page = found.slice(0, query.limit);
        const hasMore = found.length > query.limit;
        const last = page.at(-1);
        return reply(200, {
          data: page.map((entry) => ({
            id: String(entry.id),
            kind: entry.kind,
            stage: entry.stage,
            reverses: entry.reverses === null ? null : String(entry.reverses),
            reason: entry.reason,
            occurredAt: entry.occurredAt.toISOString(),
            recordedAt: entry.recordedAt.toISOString(),
            chainId: entry.chainId,
            blockNumber: entry.blockNumber,
            transactionHash: entry.transactionHash,
            counterparty: entry.counterparty,
            postings: entry.postings.map((p) => ({
              account: p.own ? p.kind : 'counterparty',
              own: p.own,
              wallet: p.own ? (names.get(p.reference) ?? null) : null,
              assetId: p.assetId,
              symbol: p.symbol,
              amount: formatAmount(BigInt(p.amount), p.decimals),
              balanceAfter: p.balanceAfter === null ? null : formatAmount(BigInt(p.balanceAfter), p.decimals),
            })),
          })),
          page: { next: hasMore && last ? cursors.encode(list, [last.id]) : null, hasMore },
        });
      },
    }),
    defineRoute({
      ...base,
      method: 'get',
      path: '/v1/me/ledger/statement',
      operationId: 'getLedgerStatement',
      summary: 'A statement of a period: opening balance, lines, closing balance',
      query: z.strictObject({
        from: z.iso.datetime({ offset: true }),
        to: z.iso.datetime({ offset: true }),
        format: z.enum(['json', 'csv']).default('json'),
      }),
      responses: {
        200: {
          description: 'The statement; text/csv on request',
          schema: z.union([z.string(), z.object({ data: z.array(statementSchema) })]),
        },
      },
      errors: ['invalid_argument'],
      async handler({ principal, query, res }) {
        const [from, to] = [new Date(query.from), new Date(query.to)];
        if (from >= to)
          throw new AppError('invalid_argument', '?from must be before ?to.', {
            errors: [{ pointer: '?from', rule: 'range', detail: 'Must be before ?to.' }],
          });
        const statements = await deps.statements(principal.id, from, to);
        if (query.format === 'csv')
          return stream(() => {
            res
              .status(200)
              .type('text/csv')
              .setHeader('content-disposition', 'attachment; filename="statement.csv"');
            res.end(statementCsv(statements));
          });
        return reply(200, {
          data: statements.map((s) => ({
            assetId: s.assetId,
            symbol: s.symbol,
            opening: formatAmount(s.opening, s.decimals),
            closing: formatAmount(s.closing, s.decimals),
            lines: s.lines.map((l) => ({
              entryId: String(l.entryId),
              occurredAt: l.occurredAt.toISOString(),
              kind: l.kind,
              amount: formatAmount(l.amount, s.decimals),
              balance: formatAmount(l.balance, s.decimals),
              transactionHash: l.transactionHash,
              counterparty: l.counterparty,
            })),
          })),
        });
      },
    }),
  ];
}
