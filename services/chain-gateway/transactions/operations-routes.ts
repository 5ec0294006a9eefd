import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { openFindings, runbookOf } from '../reconciler/finding-store.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import {
  burstStats,
  gasCosts,
  hourStats,
  listLanes,
  redriveWebhooks,
  transactionAttempts,
  transactionTimeline,
  urgencyStats,
} from '../store/operations-store.ts';
import type { TransactionService } from './service.ts';
import { suggestSavings } from './suggest-savings.ts';

const idParams = z.object({ id: z.uuid() });
const iso = z.iso.datetime();

/** For operators and the console: lanes, differences, timelines, what gas cost and how to pay less. */
export function createTransactionOperationsRoutes(deps: {
  postgres: GatewayPostgres;
  service: TransactionService;
  chainId: number;
}): Route[] {
  const { postgres, service, chainId } = deps;
  const { db } = postgres;
  const tags = ['operations'];
  const auth = ['service'] as const;
  return [
    defineRoute({
      method: 'get',
      path: '/internal/lanes',
      operationId: 'listLanes',
      summary: 'Nonce lanes: how much each carries, and which are paused and why',
      tags,
      auth,
      responses: {
        200: {
          description: 'Lanes',
          schema: z.object({
            lanes: z.array(
              z.object({
                signer: z.string(),
                pool: z.string(),
                nextNonce: z.int(),
                paused: z.object({ reason: z.string(), since: iso }).nullable(),
                open: z.int(),
                prepared: z.int(),
                oldestOpenSeconds: z.number().nullable(),
              }),
            ),
          }),
        },
      },
      errors: [],
      async handler() {
        const lanes = (await listLanes(db, chainId)).map((row) => ({
          signer: row.signer,
          pool: row.pool,
          nextNonce: row.next_nonce,
          paused: row.paused_reason
            ? { reason: row.paused_reason, since: (row.paused_since ?? new Date(0)).toISOString() }
            : null,
          open: row.open,
          prepared: row.prepared,
          oldestOpenSeconds: row.oldest_open_seconds,
        }));
        return reply(200, { lanes });
      },
    }),

    defineRoute({
      method: 'get',
      path: '/internal/findings',
      operationId: 'listFindings',
      summary: 'Differences between database, mempool and chain that are open now, each with its runbook',
      tags,
      auth,
      responses: {
        200: {
          description: 'Open findings',
          schema: z.object({
            findings: z.array(
              z.object({
                kind: z.string(),
                subject: z.string(),
                detail: z.record(z.string(), z.unknown()),
                repaired: z.boolean(),
                firstAt: iso,
                lastAt: iso,
                runbook: z.string(),
              }),
            ),
          }),
        },
      },
      errors: [],
      async handler() {
        const findings = (await openFindings(postgres, chainId)).map((finding) => ({
          ...finding,
          firstAt: finding.firstAt.toISOString(),
          lastAt: finding.lastAt.toISOString(),
          runbook: runbookOf(finding.kind),
        }));
        return reply(200, { findings });
      },
    }),

    defineRoute({
      method: 'get',
      path: '/v1/transactions/{id}/timeline',
      operationId: 'explainTransaction',
      summary: 'Why a transaction is where it is: every decision and every attempt',
      tags: ['transactions'],
      auth,
      params: idParams,
      responses: {
        200: {
          description: 'Oldest first',
          schema: z.object({
            entries: z.array(
              z.object({
                at: iso,
                action: z.string(),
                actor: z.string(),
                details: z.record(z.string(), z.unknown()),
                sealed: z.boolean(),
              }),
            ),
            attempts: z.array(
              z.object({
                nonce: z.int(),
                number: z.int(),
                kind: z.string(),
                hash: z.string(),
                maxFeePerGas: z.string(),
                maxPriorityFeePerGas: z.string(),
                signedAt: iso,
                broadcasts: z.int(),
                accepted: z.boolean(),
                lastError: z.string().nullable(),
              }),
            ),
          }),
        },
      },
      errors: ['not_found'],
      async handler({ params }) {
        await service.get(params.id);
        const [entries, attempts] = await Promise.all([
          transactionTimeline(db, params.id),
          transactionAttempts(db, params.id),
        ]);
        return reply(200, {
          entries: entries.map((entry) => ({ ...entry, at: entry.at.toISOString() })),
          attempts: attempts.map((row) => ({
            nonce: row.nonce,
            number: row.number,
            kind: row.kind,
            hash: row.hash,
            maxFeePerGas: row.max_fee,
            maxPriorityFeePerGas: row.max_priority,
            signedAt: row.created_at.toISOString(),
            broadcasts: row.broadcasts,
            accepted: row.accepted_at !== null,
            lastError: row.last_error,
          })),
        });
      },
    }),

    defineRoute({
      method: 'post',
      path: '/v1/transactions/{id}/webhooks/redrive',
      operationId: 'redriveWebhooks',
      summary: 'Try the webhooks of a transaction again that were given up',
      tags: ['transactions'],
      auth,
      params: idParams,
      responses: { 200: { description: 'How many will be tried', schema: z.object({ redriven: z.int() }) } },
      errors: ['not_found'],
      async handler({ params }) {
        await service.get(params.id);
        return reply(200, { redriven: await redriveWebhooks(db, params.id) });
      },
    }),

    defineRoute({
      method: 'get',
      path: '/internal/cost/gas',
      operationId: 'gasCost',
      summary: 'Gas by day, purpose and signer, how urgencies did, and what would have been cheaper',
      tags,
      auth,
      query: z.strictObject({ days: z.coerce.number().int().min(1).max(366).default(30) }),
      responses: {
        200: {
          description: 'Amounts in wei',
          schema: z.object({
            spend: z.array(
              z.object({
                day: z.string(),
                purpose: z.string(),
                pool: z.string(),
                signer: z.string(),
                transactions: z.int(),
                gasWei: z.string(),
                valueWei: z.string(),
              }),
            ),
            urgencies: z.array(
              z.object({
                purpose: z.string(),
                urgency: z.string(),
                transactions: z.int(),
                inclusionSeconds: z.object({ p50: z.number(), p95: z.number() }),
                gasPriceWei: z.string(),
              }),
            ),
            suggestions: z.array(z.object({ kind: z.string(), text: z.string(), savesWei: z.string() })),
          }),
        },
      },
      errors: [],
      async handler({ query }) {
        const [spend, urgencies, bursts, hours] = await Promise.all([
          gasCosts(db, chainId, query.days),
          urgencyStats(db, chainId, query.days),
          burstStats(db, chainId, query.days),
          hourStats(db, chainId, query.days),
        ]);
        return reply(200, {
          spend: spend.map(({ gas_wei, value_wei, ...row }) => ({
            ...row,
            gasWei: gas_wei,
            valueWei: value_wei,
          })),
          urgencies: urgencies.map((row) => ({
            purpose: row.purpose,
            urgency: row.urgency,
            transactions: row.transactions,
            inclusionSeconds: { p50: row.p50, p95: row.p95 },
            gasPriceWei: row.gas_price,
          })),
          suggestions: suggestSavings({ urgencies, bursts, hours }),
        });
      },
    }),
  ];
}
