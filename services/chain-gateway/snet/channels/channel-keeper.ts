import type { Random } from '../../../../lib/random.ts';
import type { Clock, Timer } from '../../../../lib/time.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { SnetMetrics } from '../calls/snet-metrics.ts';
import type { PaymentGroup } from '../config/service-directory.ts';
import type { SnetFile } from '../config/snet-schema.ts';
import { forgetAnswers, loseOverdueCalls } from '../store/call-store.ts';
import {
  type Channel,
  type ChannelIdentity,
  ensureChannel,
  forgetChannelId,
  readChannel,
  saveChainView,
} from '../store/channel-store.ts';
import { type FundingKind, insertFunding, lastFunding } from '../store/funding-store.ts';
import { claimableBefore } from '../store/signature-store.ts';
import { spendable } from './decide-payment.ts';
import { advanceFundings, type FundingDeps } from './fund-channel.ts';
import type { BlockPoint } from './mpe-contract.ts';

/** Keeps the channels: what the chain says of them, enough in them, far enough from their end. */
export interface ChannelKeeper {
  /** The channel of a group as it is in the database. */
  channelOf(group: PaymentGroup): Promise<Channel>;
  /** Looks at everything now. */
  look(): Promise<void>;
  /** Looks soon: something is low. */
  poke(): void;
  start(): void;
  stop(): Promise<void>;
}

export interface ChannelKeeperDeps extends FundingDeps {
  readonly groups: () => readonly PaymentGroup[];
  readonly identityOf: (group: PaymentGroup) => ChannelIdentity;
  readonly settings: Pick<SnetFile, 'funding' | 'reconcileSeconds'>;
  readonly confirmations: number;
  /** Where the contract was deployed: no event is older. */
  readonly fromBlock: number;
  readonly postgres: GatewayPostgres;
  /** True in one process at a time; what must never happen twice is guarded by keys and locks besides. */
  readonly isKeeper: () => Promise<boolean>;
  /** Holds the books against the daemon's; answers the difference in cogs. */
  readonly compare: (channel: Channel, group: PaymentGroup) => Promise<bigint>;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: SnetMetrics;
}

/** While money is on its way, and after somebody asked. */
const SOON_MS = 500;
/** A funding that failed is not tried again by itself for this long: the reason is rarely gone sooner. */
const RETRY_FAILED_MS = 60_000;

const NOBODY = `0x${'0'.repeat(40)}`;
const groupBytes = (id: string): string => `0x${Buffer.from(id, 'base64').toString('hex')}`;

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

export function createChannelKeeper(deps: ChannelKeeperDeps): ChannelKeeper {
  const { postgres, mpe, settings, clock, random, log, metrics } = deps;
  const { funding } = settings;
  const rows = new Map<string, string>();
  let timer: Timer | undefined;
  let looking: Promise<void> | undefined;
  let poked = false;
  let stopped = false;

  async function channelOf(group: PaymentGroup): Promise<Channel> {
    const key = `${group.org}/${group.name}`;
    const known = rows.get(key);
    if (known !== undefined) return readChannel(postgres.db, known);
    const channel = await ensureChannel(postgres.db, random.uuid(), deps.identityOf(group));
    rows.set(key, channel.id);
    return channel;
  }

  /** Reads the channel at a confirmed block; looks for it when it is not known, or not ours any more. */
  async function readChain(channel: Channel, point: BlockPoint): Promise<Channel> {
    const save = async (channelId: bigint): Promise<boolean> => {
      const c = await mpe.channel(channelId, point.number);
      const ours =
        c.sender === channel.sender &&
        c.signer === channel.signer &&
        c.recipient === channel.recipient &&
        c.groupId === groupBytes(channel.groupId);
      if (!ours || c.sender === NOBODY) return false;
      const { nonce, value, expiration } = c;
      const { number: block, hash } = point;
      await saveChainView(postgres.db, channel.id, { channelId, nonce, value, expiration, block, hash });
      return true;
    };
    if (channel.channelId !== undefined) {
      if (await save(channel.channelId)) return readChannel(postgres.db, channel.id);
      log.warn(
        { channel: channel.id, channelId: channel.channelId },
        'a reorg took our payment channel away',
      );
      await forgetChannelId(postgres.db, channel.id);
    }
    const opened = await mpe.opened({
      sender: channel.sender,
      recipient: channel.recipient,
      groupId: groupBytes(channel.groupId),
      fromBlock: deps.fromBlock,
      toBlock: point.number,
    });
    // The newest first: an older one may have been emptied or run out.
    for (const { channelId, signer } of opened.reverse()) {
      if (signer === channel.signer && (await save(channelId))) break;
    }
    return readChannel(postgres.db, channel.id);
  }

  /** What should be done for a channel without being asked. */
  async function planFor(
    channel: Channel,
    group: PaymentGroup,
    left: bigint,
    blocksLeft: bigint,
    head: bigint,
  ): Promise<void> {
    if (!funding.auto) return;
    const room = funding.maxDeposit - channel.chainValue;
    const amount = smaller(funding.deposit, room);
    const low = left < funding.lowWater && amount > 0n;
    const ending = blocksLeft < BigInt(funding.extendBelowBlocks);
    const kind: FundingKind | undefined =
      channel.channelId === undefined ? 'open' : low ? 'add' : ending ? 'extend' : undefined;
    if (kind === undefined) return;
    const last = await lastFunding(postgres.db, channel.id);
    if (last?.state === 'active') return;
    if (last?.state === 'failed' && clock.now() - last.createdAt.getTime() < RETRY_FAILED_MS) return;
    // What was done last is on the chain, but not yet in the confirmed block that was read.
    if (last?.state === 'done' && kind === 'open' && last.kind === 'open' && !isOld(last.createdAt)) return;
    await insertFunding(postgres.db, {
      id: random.uuid(),
      channel: channel.id,
      kind,
      amount: kind === 'extend' ? 0n : amount,
      expiration: head + group.expirationThreshold + BigInt(funding.expiryBlocks),
    });
    poked = true;
  }
  const isOld = (at: Date): boolean => clock.now() - at.getTime() > RETRY_FAILED_MS;

  async function lookAt(group: PaymentGroup, point: BlockPoint, head: bigint): Promise<void> {
    const channel = await readChain(await channelOf(group), point);
    const claimedAtWorst = await claimableBefore(postgres.db, channel.id, {
      from: channel.chainNonce,
      before: channel.nonce,
    });
    const left = spendable({ channel, claimedAtWorst });
    const blocksLeft = channel.expiration - group.expirationThreshold - head;
    await planFor(channel, group, left, blocksLeft, head);
    const drift = channel.channelId === undefined ? 0n : await deps.compare(channel, group);
    metrics.channel(`${group.org}/${group.name}`, {
      spendable: Number(left),
      credit: Number(channel.planned - channel.committed),
      drift: Number(drift),
      blocksLeft: Number(blocksLeft),
    });
  }

  async function look(): Promise<void> {
    const point = await mpe.confirmedBlock(deps.confirmations);
    const head = await mpe.head();
    for (const group of deps.groups()) {
      await lookAt(group, point, head).catch((error: Error) => {
        log.warn(
          { err: error, org: group.org, group: group.name },
          'a payment channel could not be looked at',
        );
      });
    }
    if (await advanceFundings(deps)) poked = true;
    await loseOverdueCalls(postgres.db);
    await forgetAnswers(postgres.db);
  }

  async function round(): Promise<void> {
    poked = false;
    try {
      if (await deps.isKeeper()) await look();
    } catch (error) {
      log.warn({ err: error }, 'the payment channels could not be looked at');
    }
    schedule();
  }
  function schedule(): void {
    if (stopped) return;
    timer?.cancel();
    timer = clock.setTimeout(
      () => {
        looking = round();
      },
      poked ? SOON_MS : settings.reconcileSeconds * 1000,
    );
  }

  return {
    channelOf,
    look,
    poke() {
      if (poked || stopped) return;
      poked = true;
      schedule();
    },
    start() {
      looking = round();
    },
    async stop() {
      stopped = true;
      timer?.cancel();
      await looking;
    },
  };
}
