import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { lineOfText } from '../shared/text.ts';
import type { Reconciliation } from './reconcile.ts';

const driftSchema = z.object({
  address: z.string(),
  assetId: z.string(),
  ledger: z.string(),
  chain: z.string(),
  blockNumber: z.number().int(),
});

/** For operators: compare with the chain, and correct by an entry that says why. */
export function ledgerInternalRoutes(deps: {
  reconcile: (options: { limit: number; personId?: string }) => Promise<Reconciliation>;
  /** Posts a compensating entry; false when the key was used before. */
  adjust: (input: {
    personId: string;
    address: string;
    token: string;
    amount: bigint;
    reason: string;
    key: string;
  }) => Promise<boolean>;
}): Route[] {
  const base = { tags: ['Ledger (internal)'], auth: ['service'] as const };
  return [
    defineRoute({
      ...base,
      method: 'post',
      path: '/internal/ledger/reconcile',
      operationId: 'reconcileLedger',
      summary: 'Compare wallets with the chain at a pinned block, now',
      body: z
        .strictObject({
          personId: z.uuid().optional(),
          limit: z.number().int().min(1).max(5_000).default(500),
        })
        .prefault({}),
      responses: {
        200: {
          description: 'What differs; blockNumber is null when the ledger has not caught up, try again',
          schema: z.object({
            blockNumber: z.number().int().nullable(),
            compared: z.number().int(),
            drifts: z.array(driftSchema),
          }),
        },
      },
      errors: ['chain_unavailable', 'dependency_unavailable'],
      async handler({ body }) {
        const result = await deps.reconcile({
          limit: body.limit,
          ...(body.personId === undefined ? {} : { personId: body.personId }),
        });
        return reply(200, {
          blockNumber: result.blockNumber ?? null,
          compared: result.compared,
          drifts: result.drifts.map((d) => ({
            ...d,
            ledger: d.ledger.toString(),
            chain: d.chain.toString(),
          })),
        });
      },
    }),
    defineRoute({
      ...base,
      method: 'post',
      path: '/internal/ledger/adjustments',
      operationId: 'adjustLedger',
      summary: 'Post a compensating entry with a reason',
      description:
        'Entries never change; a wrong balance is corrected by one more entry. The key makes it happen once.',
      body: z.strictObject({
        personId: z.uuid(),
        address: addressSchema,
        token: addressSchema,
        amount: z.string().regex(/^-?[1-9]\d{0,76}$/, 'expected a whole number of smallest units, not zero'),
        reason: lineOfText(300),
        key: z.string().regex(/^[A-Za-z0-9._:-]{8,100}$/),
      }),
      responses: { 201: { description: 'Posted' }, 200: { description: 'Was posted before' } },
      errors: ['not_found'],
      async handler({ body }) {
        const fresh = await deps.adjust({ ...body, amount: BigInt(body.amount) });
        return reply(fresh ? 201 : 200);
      },
    }),
  ];
}

export const noSuchWallet = (): AppError =>
  new AppError('not_found', 'The person has not linked this wallet.');
