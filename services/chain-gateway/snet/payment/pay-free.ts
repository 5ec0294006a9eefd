import type { Clock } from '../../../../lib/time.ts';
import type { Signer } from '../../signers/signer.ts';
import type { SnetService } from '../config/service-directory.ts';
import { type DaemonClient, DaemonError } from '../wire/daemon-client.ts';
import { GET_FREE_CALL_TOKEN } from '../wire/daemon-protos.ts';
import { type FreeCallSubject, freeCallMessage, signMessage } from '../wire/messages.ts';
import { freeCallMetadata } from '../wire/payment-metadata.ts';
import { type CallLedger, endFailed } from './call-ledger.ts';
import { CallFailure, ModeUnavailable, type PayableCall, type PaymentMode } from './payment-mode.ts';

interface FreeToken {
  readonly token: Uint8Array;
  readonly untilBlock: bigint;
}

/** A service without free calls for us is not asked again for this long. */
const RETRY_AFTER_MS = 300_000;
/** The user is locked by the daemon while a free call runs. */
const BUSY_PAUSE_MS = 50;
/** Blocks before its end at which a token is not used any more. */
const TOKEN_MARGIN = 10n;

/** Uses the calls that a service gives away, one at a time, and steps aside when there are none. */
export function createFreeMode(deps: {
  signer: Signer;
  ledger: CallLedger;
  mpeAddress: string;
  head: () => Promise<bigint>;
  clock: Clock;
}): PaymentMode {
  const { signer, ledger, mpeAddress, head, clock } = deps;
  const tokens = new Map<string, FreeToken>();
  const noneUntil = new Map<string, number>();
  const turns = new Map<string, Promise<void>>();
  const keyOf = (service: SnetService): string => `${service.org}/${service.id}`;
  const subjectOf = (service: SnetService): FreeCallSubject => ({
    address: signer.address,
    userId: '',
    orgId: service.org,
    serviceId: service.id,
    groupId: service.group.id,
  });

  async function tokenFor(service: SnetService, client: DaemonClient, deadline: number): Promise<FreeToken> {
    const known = tokens.get(keyOf(service));
    const block = await head();
    if (known && known.untilBlock > block + TOKEN_MARGIN) return known;
    const subject = subjectOf(service);
    const signature = await signMessage(signer, freeCallMessage(subject, block));
    const answer = await client.ask<{ token: Uint8Array; tokenExpirationBlock: string }>(
      GET_FREE_CALL_TOKEN,
      { address: subject.address, signature: Buffer.from(signature), currentBlock: block },
      { deadline },
    );
    const token = { token: answer.token, untilBlock: BigInt(answer.tokenExpirationBlock) };
    tokens.set(keyOf(service), token);
    return token;
  }

  async function attempt(call: PayableCall): Promise<void> {
    const { service, client, deadline } = call;
    const { token } = await tokenFor(service, client, deadline).catch((error: unknown) => {
      if (!(error instanceof DaemonError)) throw error;
      noneUntil.set(keyOf(service), clock.monotonic() + RETRY_AFTER_MS);
      throw new ModeUnavailable(`no free call token: ${error.details}`);
    });
    const block = await head();
    const subject = subjectOf(service);
    const signature = await signMessage(signer, freeCallMessage(subject, block, token));
    await call.send(
      freeCallMetadata({ mpeAddress, address: subject.address, userId: '', block, token, signature }),
    );
  }

  async function run(call: PayableCall): Promise<void> {
    const key = keyOf(call.service);
    const { id } = call.record;
    await ledger.begin({ ...call.record, channel: undefined, mode: 'free', price: 0n });
    for (let renewed = false; ; ) {
      try {
        await attempt(call);
        await ledger.answered(id, call.answer());
        return;
      } catch (error) {
        if (error instanceof CallFailure) {
          if (error.verdict === 'busy' && clock.monotonic() + BUSY_PAUSE_MS < call.monotonicDeadline) {
            await clock.sleep(BUSY_PAUSE_MS);
            continue;
          }
          if (error.verdict === 'token' && !renewed) {
            tokens.delete(key);
            renewed = true;
            continue;
          }
          await endFailed(ledger, id, error);
          if (!['free-limit', 'unsupported', 'token', 'refused', 'busy'].includes(error.verdict)) throw error;
          noneUntil.set(key, clock.monotonic() + RETRY_AFTER_MS);
          throw new ModeUnavailable(error.details);
        }
        await ledger.failed(id, false, (error as Error).message);
        throw error;
      }
    }
  }

  return {
    mode: 'free',
    async run(call) {
      const key = keyOf(call.service);
      if ((noneUntil.get(key) ?? 0) > clock.monotonic()) throw new ModeUnavailable('no free calls are left');
      // One at a time: the daemon locks the user, and a queue of our own is cheaper than its refusals.
      const before = turns.get(key) ?? Promise.resolve();
      const mine = before.then(() => {
        if ((noneUntil.get(key) ?? 0) > clock.monotonic())
          throw new ModeUnavailable('no free calls are left');
        return run(call);
      });
      turns.set(
        key,
        mine.then(
          () => undefined,
          () => undefined,
        ),
      );
      await mine;
    },
  };
}
