import { AppError } from '../../../lib/errors.ts';
import { withIdempotency } from '../../../lib/idempotency.ts';
import { nearest } from '../../../lib/nearest.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import { appendAudit } from '../audit/append-audit.ts';
import { checkPolicy } from '../signers/check-policy.ts';
import type { SignerPolicy } from '../signers/signers-file.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import {
  findByKey,
  findTransaction,
  insertTransaction,
  type NewTransaction,
  requestCancel,
  requestSpeedUp,
} from '../store/transaction-store.ts';
import type { ContractBook } from './contract-book.ts';
import { encodeCall } from './encode-call.ts';
import { isFinal } from './states.ts';
import type { CreateTransaction, TransactionView } from './transaction-schema.ts';

export interface TransactionServiceDeps {
  readonly postgres: GatewayPostgres;
  /** The contract books of the chains that are served. */
  readonly books: ReadonlyMap<number, ContractBook>;
  /** Policies by pool alias; the keys themselves live in the worker. */
  readonly policies: ReadonlyMap<string, SignerPolicy>;
  readonly clock: Clock;
  readonly random: Random;
  /** Tells the workers; losing it costs only time. */
  readonly wake: (chainId: number, inLane?: boolean) => void;
}

export interface TransactionService {
  create(
    principal: string,
    idempotencyKey: string,
    request: CreateTransaction,
  ): Promise<{ view: TransactionView; replayed: boolean }>;
  get(id: string): Promise<TransactionView>;
  cancel(principal: string, id: string): Promise<TransactionView>;
  speedUp(principal: string, id: string): Promise<TransactionView>;
}

/** The rules of asking for, withdrawing and hurrying transactions. */
export function createTransactionService(deps: TransactionServiceDeps): TransactionService {
  const { postgres, books, policies, clock, random } = deps;

  const unknown = (pointer: string, what: string, name: string, known: readonly string[]): AppError => {
    const guess = nearest(name, known);
    const detail = `unknown ${what} ${name}${guess ? `; did you mean ${guess}?` : `; known: ${known.join(', ') || 'none'}`}`;
    return new AppError('invalid_argument', detail, { errors: [{ pointer, rule: 'unknown', detail }] });
  };

  /** Everything that can be judged without the chain, so that the caller hears it at once. */
  function judge(
    request: CreateTransaction,
  ): Pick<NewTransaction, 'to' | 'data' | 'contract' | 'function' | 'args'> {
    const book = books.get(request.chainId);
    if (!book) throw unknown('/chainId', 'chain', String(request.chainId), [...books.keys()].map(String));
    const policy = policies.get(request.signer);
    if (!policy) throw unknown('/signer', 'signer pool', request.signer, [...policies.keys()]);
    const value = request.value ?? 0n;
    if ('contract' in request) {
      const call = encodeCall(book, request);
      checkPolicy(request.signer, policy, {
        contract: request.contract,
        signature: call.signature,
        data: call.data,
        value,
      });
      return {
        to: call.to,
        data: call.data,
        contract: request.contract,
        function: call.signature.split('(')[0] ?? call.signature,
        args: request.args,
      };
    }
    const contract = book.byAddress(request.to);
    const parsed =
      contract && request.data !== '0x' ? contract.interface.getFunction(request.data.slice(0, 10)) : null;
    checkPolicy(request.signer, policy, {
      contract: contract?.name,
      signature: parsed?.format('sighash'),
      data: request.data,
      value,
    });
    return {
      to: request.to,
      data: request.data,
      contract: contract?.name ?? null,
      function: parsed?.name ?? null,
      args: null,
    };
  }

  async function get(id: string): Promise<TransactionView> {
    const view = await findTransaction(postgres.db, id);
    if (!view) throw new AppError('not_found', `There is no transaction ${id}.`);
    return view;
  }

  return {
    get,
    async create(principal, idempotencyKey, request) {
      const what = judge(request);
      const answer = await postgres.transaction((trx) =>
        withIdempotency(
          trx,
          { principal, operation: 'createTransaction', key: idempotencyKey, body: request },
          async () => {
            // The record of the answer is kept for days, the transaction for ever: an old key must not act again.
            const old = await findByKey(trx, principal, idempotencyKey);
            if (old) {
              throw new AppError(
                'idempotency_key_reused',
                `This Idempotency-Key belongs to transaction ${old} of an earlier day. Use a new key for a new intent.`,
              );
            }
            const view = await insertTransaction(trx, {
              ...what,
              id: random.uuid(),
              chainId: request.chainId,
              pool: request.signer,
              principal,
              idempotencyKey,
              value: request.value ?? 0n,
              urgency: request.urgency,
              maxFeeCap: request.maxFeePerGas ?? null,
              deadlineAt:
                request.expiresInSeconds === undefined
                  ? null
                  : new Date(clock.now() + request.expiresInSeconds * 1000),
              purpose: request.purpose ?? null,
              requestedBy: request.requestedBy,
              webhookUrl: request.webhookUrl ?? null,
            });
            await appendAudit(trx, [
              {
                subject: `transaction:${view.id}`,
                action: 'accepted',
                actor: `service:${principal}`,
                details: {
                  chainId: request.chainId,
                  pool: request.signer,
                  to: what.to,
                  contract: what.contract,
                  function: what.function,
                  purpose: request.purpose ?? null,
                },
              },
            ]);
            return { status: 202, body: view };
          },
        ),
      );
      if (!answer.replayed) deps.wake(request.chainId);
      return { view: answer.body as TransactionView, replayed: answer.replayed };
    },

    async cancel(principal, id) {
      const state = await postgres.transaction(async (trx) => {
        const moved = await requestCancel(trx, id);
        if (moved)
          await appendAudit(trx, [
            {
              subject: `transaction:${id}`,
              action: 'cancel_requested',
              actor: `service:${principal}`,
              details: { state: moved },
            },
          ]);
        return moved;
      });
      const view = await get(id);
      if (!state && view.state !== 'cancelled') throw tooLate(view, 'cancelled');
      deps.wake(view.chainId, true);
      return view;
    },

    async speedUp(principal, id) {
      const done = await postgres.transaction(async (trx) => {
        const moved = await requestSpeedUp(trx, id);
        if (moved)
          await appendAudit(trx, [
            {
              subject: `transaction:${id}`,
              action: 'speed_up_requested',
              actor: `service:${principal}`,
              details: {},
            },
          ]);
        return moved;
      });
      const view = await get(id);
      if (!done) throw tooLate(view, 'sped up');
      deps.wake(view.chainId, true);
      return view;
    },
  };
}

const tooLate = (view: TransactionView, what: string): AppError =>
  new AppError(
    'conflict',
    isFinal(view.state)
      ? `Transaction ${view.id} is ${view.state}, which is final; it cannot be ${what}.`
      : `Transaction ${view.id} is ${view.state} in block ${view.blockNumber}; it cannot be ${what} any more.`,
    { extra: { state: view.state } },
  );
