import { describe, expect, it } from '@jest/globals';
import { keccak256 } from 'ethers';
import { createManualClock } from '../../../lib/time.ts';
import { unlimitedPrincipal } from '../admission/principal.ts';
import type { RpcCall } from './call-path.ts';
import type { UpstreamErrorKind } from './classify.ts';
import { createCoalescer } from './coalescer.ts';
import type { Engine, EngineAnswer, Work } from './engine.ts';
import { gatewayError, RPC_ERROR } from './errors.ts';
import { failure, success } from './outcome.ts';
import { createPaidCalls } from './paid-calls.ts';
import { createRawTransactions } from './raw-transactions.ts';

const RAW = '0x02f8aabbcc';
const HASH = keccak256(RAW);

function setUp(broadcast: Partial<EngineAnswer>, known = false) {
  const clock = createManualClock();
  const asked: Work[] = [];
  const sent: string[] = [];
  const engine: Engine = {
    wake: () => undefined,
    run(work) {
      asked.push(work);
      const base: EngineAnswer = {
        outcome: success('null'),
        errorKind: undefined,
        provider: 'p',
        attempts: 1,
        units: 1,
      };
      const answer =
        work.method === 'eth_sendRawTransaction'
          ? { ...base, ...broadcast }
          : { ...base, outcome: success(known ? `{"hash":"${HASH}"}` : 'null') };
      return { answer: Promise.resolve(answer), cancel: () => undefined };
    },
  };
  const writes = createRawTransactions({
    engine,
    paid: createPaidCalls({
      coalescer: createCoalescer(clock),
      clock,
      newCallId: () => 'call',
      callTimeoutMs: 1_000,
    }),
    clock,
    onSent: (hash) => sent.push(hash),
  });
  const send = async (raw: unknown) => {
    const call: RpcCall = {
      method: 'eth_sendRawTransaction',
      params: [raw],
      requestId: 'r',
      principal: 'test',
      who: unlimitedPrincipal('anonymous', 'test'),
      priority: 'standard',
      startedAt: 0,
      deadlineAt: 1_000,
      trace: undefined,
      cache: 'bypass',
      provider: undefined,
      attempts: 0,
      units: 0,
      admitted: 0,
    };
    return writes.send(call);
  };
  return { send, asked, sent };
}
const rejected = (kind: UpstreamErrorKind, attempts = 1): Partial<EngineAnswer> => ({
  outcome: failure(RPC_ERROR.transactionRejected, kind, 'never'),
  errorKind: kind,
  attempts,
});

describe('eth_sendRawTransaction', () => {
  it('takes "already known" as success, with the hash computed here', async () => {
    const { send, sent } = setUp(rejected('already-known'));
    expect(await send(RAW)).toEqual(success(`"${HASH}"`));
    expect(sent).toEqual([HASH]);
  });

  it('takes "nonce too low" as success only when the transaction is found', async () => {
    expect(await setUp(rejected('nonce-too-low'), true).send(RAW)).toEqual(success(`"${HASH}"`));
    expect(await setUp(rejected('nonce-too-low'), false).send(RAW)).toMatchObject({
      ok: false,
      code: RPC_ERROR.transactionRejected,
    });
  });

  it('looks for the transaction after failed attempts: one of them may have got through', async () => {
    const unknown = {
      outcome: gatewayError(RPC_ERROR.noProvider, 'reset'),
      errorKind: undefined,
      attempts: 2,
    };
    expect(await setUp(unknown, true).send(RAW)).toEqual(success(`"${HASH}"`));
    expect(await setUp(unknown, false).send(RAW)).toMatchObject({ ok: false });
  });

  it('does not look when the first provider rejected it for good', async () => {
    const { send, asked } = setUp(rejected('transaction-rejected'));
    expect(await send(RAW)).toMatchObject({ ok: false });
    expect(asked.map(({ method }) => method)).toEqual(['eth_sendRawTransaction']);
  });

  it('broadcasts once when the same bytes are sent twice at the same time', async () => {
    const { send, asked } = setUp({ outcome: success(`"${HASH}"`) });
    const answers = await Promise.all([send(RAW), send(RAW.toUpperCase().replace('0X', '0x'))]);
    expect(answers).toEqual([success(`"${HASH}"`), success(`"${HASH}"`)]);
    expect(asked).toHaveLength(1);
  });

  it.each([undefined, 1, '', '0x', '0xabc', 'zz', {}])('refuses %p without asking anybody', async (raw) => {
    const { send, asked } = setUp({});
    expect(await send(raw)).toMatchObject({ ok: false, code: RPC_ERROR.invalidParams });
    expect(asked).toEqual([]);
  });
});
