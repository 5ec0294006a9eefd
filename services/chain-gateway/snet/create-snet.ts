import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import type { Signer } from '../signers/signer.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { ContractBook } from '../transactions/contract-book.ts';
import type { TransactionService } from '../transactions/service.ts';
import { type CallService, createCallService } from './calls/call-service.ts';
import { createDaemonSet, type DaemonSet } from './calls/daemon-set.ts';
import { createSnetMetrics } from './calls/snet-metrics.ts';
import { type ChannelStatement, compareChannel } from './calls/statement.ts';
import { type ChannelKeeper, createChannelKeeper } from './channels/channel-keeper.ts';
import { createChannelLock } from './channels/channel-lock.ts';
import { createChannelSession } from './channels/channel-session.ts';
import { createMpeContract, type MpeContract } from './channels/mpe-contract.ts';
import { readRegistry } from './config/registry.ts';
import { resolveContract } from './config/resolve-contract.ts';
import {
  createServiceDirectory,
  type PaymentGroup,
  type ServiceDirectory,
  type SnetService,
} from './config/service-directory.ts';
import type { SnetFile } from './config/snet-schema.ts';
import { loadProtos } from './descriptors/load-protos.ts';
import { reflectProtos } from './descriptors/reflection.ts';
import { methodsOf, type ServiceMethods } from './descriptors/service-methods.ts';
import { createCallLedger } from './payment/call-ledger.ts';
import { createEscrowMode } from './payment/pay-escrow.ts';
import { createFreeMode } from './payment/pay-free.ts';
import { createPrepaidMode } from './payment/pay-prepaid.ts';
import type { PayableCall } from './payment/payment-mode.ts';
import { createPrepaidPool, type PrepaidPool } from './payment/prepaid-pool.ts';
import { createTokenSealer } from './payment/token-sealer.ts';
import type { Channel } from './store/channel-store.ts';
import { openSignature } from './store/signature-store.ts';

/** Calls to SingularityNET services, and all that pays for them. */
export interface Snet {
  readonly calls: CallService;
  readonly directory: ServiceDirectory;
  readonly keeper: ChannelKeeper;
  readonly daemons: DaemonSet;
  readonly mpe: MpeContract;
  readonly postgres: GatewayPostgres;
  readonly file: SnetFile;
  methodsOf(service: SnetService): Promise<ServiceMethods>;
  statement(channel: string): Promise<ChannelStatement>;
  /** Tells the books of a channel's group apart from others. */
  groupOf(channel: Channel): PaymentGroup | undefined;
  close(): Promise<void>;
}

export interface SnetDeps {
  readonly file: SnetFile;
  readonly postgres: GatewayPostgres;
  readonly rpc: EthereumRpc;
  readonly book: ContractBook;
  readonly transactions: Pick<TransactionService, 'create' | 'get'>;
  /** Signs payments. */
  readonly signer: Signer;
  readonly confirmations: number;
  /** Seal daemon tokens in the database; all replicas have the same. */
  readonly sealKeys: readonly { kid: string; secret: string }[];
  readonly isKeeper: () => Promise<boolean>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** How long the keeper waits for a channel that calls are using. */
const COMPARE_TIMEOUT_MS = 5_000;
/** The events of a channel since its contract exist are many; what they add up to changes rarely. */
const CHAIN_COMPARE_MS = 600_000;
/** Methods that could not be learned are asked for again after this. */
const RETRY_METHODS_MS = 5_000;

/** @throws ConfigError, Error naming the service for which something is missing */
export async function createSnet(deps: SnetDeps): Promise<Snet> {
  const { file, postgres, rpc, book, signer, clock, random, log } = deps;
  const metrics = createSnetMetrics(deps.metrics);
  const mpeContract = resolveContract(book, file.mpe, 'mpe');
  const token = resolveContract(book, file.token, 'token');
  const mpe = createMpeContract({ rpc, address: mpeContract.address, monotonic: () => clock.monotonic() });
  const registry = await readRegistry({ file, rpc, book, log });
  const directory = createServiceDirectory(file, registry);
  const daemons = createDaemonSet({ clock, onBreaker: metrics.breaker });
  const lock = createChannelLock({ postgres, clock, log });
  const head = (): Promise<bigint> => mpe.head();
  const session = createChannelSession({ postgres, signer, head, log });
  const ledger = createCallLedger(postgres);
  const sealer = createTokenSealer(deps.sealKeys, random);
  const serviceOf = (group: PaymentGroup): SnetService => {
    const service = directory.all().find((candidate) => candidate.group === group);
    if (!service) throw new Error(`no service is paid through ${group.org}/${group.name}`);
    return service;
  };

  const pools = new Map<string, PrepaidPool>();
  const poolFor = (channel: string, group: PaymentGroup): PrepaidPool => {
    let pool = pools.get(channel);
    if (!pool) {
      pool = createPrepaidPool(
        {
          ...{ postgres, lock, session, signer, sealer, ledger, head, clock, log },
          settings: file.prepaid,
          onLowFunds: () => keeper.poke(),
          onPurchase: (outcome) => metrics.purchase(`${group.org}/${group.name}`, outcome),
        },
        channel,
        group,
      );
      pools.set(channel, pool);
    }
    return pool;
  };

  /** The daemon's own books: by the token service for what was prepaid, by the state service for the rest. */
  async function askDaemon(channel: Channel): Promise<void> {
    const group = groupOf(channel);
    if (!group || channel.channelId === undefined) return;
    const client = daemons.any(serviceOf(group));
    const deadline = clock.monotonic() + COMPARE_TIMEOUT_MS;
    if (channel.planned > 0n && channel.accepted > 0n)
      await poolFor(channel.id, group).inspect(client, deadline);
    else if (channel.accepted > 0n || (await openSignature(postgres.db, channel.id)))
      await lock.write(channel.id, deadline, (writer) =>
        session.learn(writer, group, client, clock.now() + COMPARE_TIMEOUT_MS),
      );
  }
  const groupOf = (channel: Channel): PaymentGroup | undefined =>
    directory
      .groups()
      .find((g) => g.org === channel.org && g.id === channel.groupId && g.recipient === channel.recipient);
  const statement = (channel: string, chain = true): Promise<ChannelStatement> =>
    compareChannel({ postgres, mpe, fromBlock: mpeContract.deployedBlock, askDaemon }, channel, { chain });
  /** When the events of a channel were last held against the books, monotonic. */
  const chainRead = new Map<string, number>();
  async function compare(channel: Channel): Promise<bigint> {
    const now = clock.monotonic();
    const due = now - (chainRead.get(channel.id) ?? Number.NEGATIVE_INFINITY) > CHAIN_COMPARE_MS;
    const { drift } = await statement(channel.id, due);
    if (due) chainRead.set(channel.id, now);
    return drift.total;
  }

  const keeper = createChannelKeeper({
    ...{ postgres, mpe, clock, random, log, metrics },
    transactions: deps.transactions,
    chainId: book.chainId,
    pool: file.sender.pool,
    contracts: { token: token.name, mpe: mpeContract.name },
    onEnd: (kind, outcome) => metrics.funding(kind, outcome),
    groups: () => directory.groups(),
    identityOf: (group) => ({
      chainId: book.chainId,
      mpe: mpeContract.address,
      org: group.org,
      groupName: group.name,
      groupId: group.id,
      sender: file.sender.address,
      signer: signer.address,
      recipient: group.recipient,
    }),
    settings: file,
    confirmations: deps.confirmations,
    fromBlock: mpeContract.deployedBlock,
    isKeeper: deps.isKeeper,
    compare,
  });
  const channelOf = async (call: PayableCall): Promise<string> =>
    (await keeper.channelOf(call.service.group)).id;

  const known = new Map<string, { methods: Promise<ServiceMethods>; at: number }>();
  function methodsFor(service: SnetService): Promise<ServiceMethods> {
    const key = `${service.org}/${service.id}`;
    const old = known.get(key);
    if (old) return old.methods;
    const { protos, reflection } = service.settings;
    const methods = (async () => {
      if (protos !== undefined) return methodsOf(loadProtos(protos));
      return methodsOf(
        await reflectProtos(reflection === true ? (service.endpoints[0] as string) : String(reflection)),
      );
    })();
    known.set(key, { methods, at: clock.monotonic() });
    methods.catch(() => clock.setTimeout(() => known.delete(key), RETRY_METHODS_MS));
    return methods;
  }

  const calls = createCallService({
    ...{ directory, daemons, postgres, sealer, clock, random, log, metrics },
    methodsOf: methodsFor,
    modes: {
      prepaid: createPrepaidMode({
        ledger,
        poolOf: async (call) => {
          const channel = await channelOf(call);
          return { channel, pool: poolFor(channel, call.service.group) };
        },
      }),
      escrow: createEscrowMode({
        ...{ postgres, lock, session, ledger, clock, log, channelOf },
        onLowFunds: () => keeper.poke(),
      }),
      free: createFreeMode({ signer, ledger, mpeAddress: mpe.address, head, clock }),
    },
  });
  metrics.queue(() =>
    directory.all().map((service) => {
      const queue = calls.queueOf(service);
      return { service, waiting: queue.waiting, running: queue.running };
    }),
  );
  // Supplied message types are read now: a file that is wrong is told at the start, not to the first caller.
  for (const service of directory.all()) if (service.settings.protos !== undefined) await methodsFor(service);

  return {
    ...{ calls, directory, keeper, daemons, mpe, postgres, file, statement, groupOf },
    methodsOf: methodsFor,
    async close() {
      await keeper.stop();
      await Promise.all([...pools.values()].map((pool) => pool.idle()));
      await ledger.idle();
      daemons.close();
    },
  };
}
