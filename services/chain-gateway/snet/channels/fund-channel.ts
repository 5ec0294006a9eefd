import type { Logger } from '../../../../lib/log.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { TransactionService } from '../../transactions/service.ts';
import type { CreateTransaction } from '../../transactions/transaction-schema.ts';
import { type Channel, readChannel } from '../store/channel-store.ts';
import { activeFundings, type Funding, moveFunding } from '../store/funding-store.ts';
import type { MpeContract } from './mpe-contract.ts';

/** A function call of a step. */
interface Step {
  readonly contract: 'token' | 'mpe';
  readonly function: string;
  readonly args: readonly string[];
}

const groupBytes = (channel: Channel): string =>
  `0x${Buffer.from(channel.groupId, 'base64').toString('hex')}`;

/** The transactions of a funding, one after another: each needs what the one before has done on the chain. */
export function stepsOf(funding: Funding, channel: Channel, mpeAddress: string): readonly Step[] {
  const amount = funding.amount.toString();
  const expiration = funding.expiration.toString();
  const id = channel.channelId?.toString() ?? '';
  const approve: Step = { contract: 'token', function: 'approve', args: [mpeAddress, amount] };
  switch (funding.kind) {
    case 'open':
      return [
        approve,
        {
          contract: 'mpe',
          function: 'depositAndOpenChannel',
          args: [channel.signer, channel.recipient, groupBytes(channel), amount, expiration],
        },
      ];
    case 'add':
      return [
        approve,
        { contract: 'mpe', function: 'deposit', args: [amount] },
        { contract: 'mpe', function: 'channelExtendAndAddFunds', args: [id, expiration, amount] },
      ];
    case 'extend':
      return [{ contract: 'mpe', function: 'channelExtend', args: [id, expiration] }];
    case 'withdraw':
      return [
        { contract: 'mpe', function: 'channelClaimTimeout', args: [id] },
        { contract: 'mpe', function: 'withdraw', args: [amount] },
      ];
  }
}

export interface FundingDeps {
  readonly postgres: GatewayPostgres;
  readonly transactions: Pick<TransactionService, 'create' | 'get'>;
  readonly mpe: MpeContract;
  readonly chainId: number;
  readonly pool: string;
  /** Names of the contracts in the book. */
  readonly contracts: { readonly token: string; readonly mpe: string };
  readonly log: Logger;
  readonly onEnd: (kind: string, outcome: 'done' | 'failed') => void;
}

/** As whom the transactions are asked for; their keys make each of them happen once, whatever dies in between. */
const PRINCIPAL = 'gateway-snet';

/**
 * Moves the oldest funding of the sender one step on. One at a time: an approval is a single number, and a second
 * funding would overwrite that of the first.
 * @returns true when there is one under way
 */
export async function advanceFundings(deps: FundingDeps): Promise<boolean> {
  const { postgres, transactions, mpe, log } = deps;
  const [funding] = await activeFundings(postgres.db);
  if (!funding) return false;
  const channel = await readChannel(postgres.db, funding.channel);
  const steps = stepsOf(funding, channel, mpe.address);
  const step = steps[funding.step];
  if (!step) {
    await moveFunding(postgres.db, funding.id, { state: 'done' });
    deps.onEnd(funding.kind, 'done');
    return true;
  }
  if (funding.transaction === undefined) {
    if (step.function === 'withdraw' && funding.amount === 0n) {
      // Known only now; written down first, so that a repetition asks for the same.
      const amount = await mpe.freeBalance(channel.sender);
      if (amount === 0n) {
        await moveFunding(postgres.db, funding.id, { state: 'done' });
        deps.onEnd(funding.kind, 'done');
      } else await moveFunding(postgres.db, funding.id, { amount });
      return true;
    }
    const request: CreateTransaction = {
      chainId: deps.chainId,
      signer: deps.pool,
      contract: deps.contracts[step.contract],
      function: step.function,
      args: [...step.args],
      urgency: 'standard',
      purpose: 'snet-channel',
      requestedBy: `snet:${channel.org}/${channel.groupName}`,
    };
    try {
      const { view } = await transactions.create(PRINCIPAL, `snet-${funding.id}-${funding.step}`, request);
      await moveFunding(postgres.db, funding.id, { transaction: view.id });
    } catch (error) {
      await moveFunding(postgres.db, funding.id, { state: 'failed', error: (error as Error).message });
      deps.onEnd(funding.kind, 'failed');
      log.error(
        { err: error, funding: funding.id, step: step.function },
        'a change of a payment channel was refused',
      );
    }
    return true;
  }
  const view = await transactions.get(funding.transaction);
  if (view.state === 'confirmed' || view.state === 'finalized') {
    if (view.outcome === 'success')
      await moveFunding(postgres.db, funding.id, { step: funding.step + 1, transaction: null });
    else await fail(`${step.function} was ${view.outcome ?? 'not executed'} on the chain`);
  } else if (['rejected', 'failed', 'cancelled', 'replaced'].includes(view.state)) {
    await fail(
      `${step.function}: transaction ${view.id} is ${view.state}: ${view.error?.message ?? 'no reason given'}`,
    );
  }
  return true;

  async function fail(error: string): Promise<void> {
    if (!funding) return;
    await moveFunding(postgres.db, funding.id, { state: 'failed', error });
    deps.onEnd(funding.kind, 'failed');
    log.error({ funding: funding.id, error }, 'a change of a payment channel failed');
  }
}
