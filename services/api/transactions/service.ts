import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Gateway, TransactionRequest } from '../chain/gateway.ts';
import type { GatewayTransaction } from '../chain/gateway-shapes.ts';
import { mayReadRecordOf, principalKey, requireSigner } from '../governance/authorise.ts';

type UndefinedToo<T> = { [K in keyof T]: T[K] | undefined } & { readonly signer: string };

export type TransactionService = ReturnType<typeof createTransactionService>;

/** Transactions signed by platform keys: asked for here, carried out and remembered by the gateway. */
export function createTransactionService(deps: { gateway: Gateway; signers: readonly string[] }) {
  const { gateway, signers } = deps;

  /** Another's transaction does not exist for the caller: no hint that the id is real. */
  async function own(principal: Principal, id: string): Promise<GatewayTransaction> {
    const unknown = new AppError('not_found', 'There is no such transaction.');
    // Ids of the gateway are UUIDs; anything else is nobody's.
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw unknown;
    const transaction = await gateway.transaction(id);
    if (!mayReadRecordOf(principal, transaction.requestedBy)) throw unknown;
    return transaction;
  }

  return {
    /** @throws AppError forbidden, invalid_argument, idempotency_key_reused, transaction_reverted … (of the gateway) */
    async create(
      principal: Principal,
      request: UndefinedToo<Omit<TransactionRequest, 'requestedBy'>>,
      idempotencyKey: string,
    ): Promise<GatewayTransaction> {
      requireSigner(principal, request.signer);
      if (signers.length > 0 && !signers.includes(request.signer)) {
        throw new AppError('invalid_argument', `There is no signer ${request.signer}.`, {
          errors: [{ pointer: '/signer', rule: 'unknown', detail: `one of ${signers.join(', ')}` }],
        });
      }
      return gateway.submit(
        { ...request, requestedBy: principalKey(principal) } as TransactionRequest,
        idempotencyKey,
      );
    },
    get: own,
    list: (
      principal: Principal,
      query: { state?: string | undefined; cursor?: string | undefined; limit: number },
    ) => gateway.transactions({ ...query, requestedBy: principalKey(principal) }),
    async cancel(principal: Principal, id: string, idempotencyKey: string): Promise<GatewayTransaction> {
      await own(principal, id);
      return gateway.cancel(id, idempotencyKey);
    },
    /** Checks that the caller may see it, then opens the gateway's stream of its states. */
    async openEvents(principal: Principal, id: string, lastEventId: string | undefined, signal: AbortSignal) {
      await own(principal, id);
      return gateway.transactionEvents(id, lastEventId, signal);
    },
  };
}
