import { keccak256 } from 'ethers';
import type { Clock } from '../../../lib/time.ts';
import { note } from '../explain/trace.ts';
import type { RpcCall } from './call-path.ts';
import type { Engine, EngineAnswer, Work } from './engine.ts';
import { gatewayError, RPC_ERROR } from './errors.ts';
import { type MethodSpec, methodSpec } from './methods.ts';
import { type RpcOutcome, success } from './outcome.ts';
import type { PaidCalls } from './paid-calls.ts';

export interface RawTransactions {
  send(call: RpcCall): Promise<RpcOutcome> | RpcOutcome;
}

const RAW = /^0x(?:[0-9a-f]{2})+$/i;
/** Larger than any transaction a node accepts (128 KB, and blobs travel outside), in hex characters. */
const MAX_RAW_LENGTH = 2 * 1024 * 1024;

/**
 * eth_sendRawTransaction, safe to repeat: the hash is computed here, so an answer that a provider already knows the
 * transaction is a success, "nonce too low" is one if the transaction is on the chain or in a pool, and two clients
 * that send the same bytes at once cause one broadcast. Sending the same bytes to another provider after a failure
 * cannot create a second transaction, which is why that (and only that) is retried.
 */
export function createRawTransactions(deps: {
  engine: Engine;
  paid: PaidCalls;
  clock: Pick<Clock, 'monotonic'>;
  /** Called with the transaction's hash when it went out: cached "no such transaction" answers are wrong now. */
  onSent: (hash: string) => void;
}): RawTransactions {
  const { engine, paid, clock } = deps;
  const spec = methodSpec('eth_sendRawTransaction') as MethodSpec;
  const lookupSpec = methodSpec('eth_getTransactionByHash') as MethodSpec;

  async function isKnown(hash: string, call: RpcCall, work: Work): Promise<boolean> {
    const lookup = engine.run({
      method: 'eth_getTransactionByHash',
      spec: lookupSpec,
      params: `["${hash}"]`,
      minBlock: undefined,
      deadlineAt: work.deadlineAt,
      priority: call.priority,
      principal: call.principal,
      weight: call.who.weight,
      trace: call.trace,
      judgeEmpty: (result) => (result === 'null' ? 'wrong' : 'fine'),
    });
    const { outcome } = await lookup.answer;
    return outcome.ok && outcome.result !== 'null';
  }

  async function finish(
    answer: EngineAnswer,
    hash: string,
    call: RpcCall,
    work: Work,
  ): Promise<EngineAnswer> {
    const sent = (): EngineAnswer => {
      deps.onSent(hash);
      return { ...answer, outcome: success(`"${hash}"`) };
    };
    if (answer.outcome.ok) return sent();
    if (answer.errorKind === 'already-known') {
      note(call.trace, clock.monotonic(), 'already-known', undefined, hash);
      return sent();
    }
    // Too low a nonce means a transaction with this nonce is mined: ours, or another one. And after failed attempts
    // nobody knows whether one of them got through.
    const mayBeOurs = answer.errorKind === 'nonce-too-low' || answer.attempts > 1;
    if (mayBeOurs && (await isKnown(hash, call, work))) return sent();
    return answer;
  }

  return {
    send(call) {
      const raw = call.params[0];
      if (typeof raw !== 'string' || raw.length > MAX_RAW_LENGTH || !RAW.test(raw)) {
        return gatewayError(
          RPC_ERROR.invalidParams,
          'eth_sendRawTransaction takes the signed transaction as 0x-prefixed hex',
        );
      }
      const hash = keccak256(raw.toLowerCase());
      call.cache = 'bypass';
      const joined = paid.run(call, `eth_sendRawTransaction:${hash}`, spec.units, () => {
        const work: Work = {
          method: 'eth_sendRawTransaction',
          spec,
          params: `["${raw}"]`,
          minBlock: undefined,
          deadlineAt: call.deadlineAt,
          priority: call.priority,
          principal: call.principal,
          weight: call.who.weight,
          trace: call.trace,
          judgeEmpty: undefined,
        };
        const run = engine.run(work);
        return {
          work,
          answer: run.answer.then((answer) => finish(answer, hash, call, work)),
          cancel: run.cancel,
        };
      });
      return joined.then((answer) => {
        call.provider = answer.provider;
        if (call.cache !== 'coalesced') {
          call.attempts = answer.attempts;
          call.units = answer.units;
        }
        return answer.outcome;
      });
    },
  };
}
