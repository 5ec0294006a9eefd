import { devAccount } from '../../../contracts/dev-accounts.ts';
import { createLogger } from '../../../lib/log.ts';
import { createMetrics, type Metrics } from '../../../lib/metrics.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { systemRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import { claimChannel } from '../../../tools/snet-daemon/claim.ts';
import { type DaemonOptions, type StandInDaemon, startDaemon } from '../../../tools/snet-daemon/daemon.ts';
import { DEV_SERVICE } from '../../../tools/snet-daemon/dev-service.ts';
import { EXAMPLE_PROTO } from '../../../tools/snet-daemon/example-proto.ts';
import { testAccounts } from '../../../tools/testing/test-contracts.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import { createKeySigner } from '../signers/local-signers.ts';
import type { CallResult, IncomingCall } from '../snet/calls/call-service.ts';
import { snetFileSchema } from '../snet/config/snet-schema.ts';
import { createSnet, type Snet } from '../snet/create-snet.ts';
import type { Channel } from '../snet/store/channel-store.ts';
import type { GatewayTables } from '../store/gateway-database.ts';
import { createDirectRpc } from './direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture } from './gateway-fixture.ts';

/** Signs payments in tests. */
export const paymentAccount = devAccount(8);
const recipient = devAccount(DEV_SERVICE.recipientAccount);

/** Four transactions with their confirmations, on a machine that may do other things as well. */
const OPEN_TIMEOUT_MS = 150_000;

export interface Replica {
  readonly snet: Snet;
  readonly metrics: Metrics;
  call(method: string, json: unknown, options?: Partial<IncomingCall>): Promise<CallResult>;
  close(): Promise<void>;
}

/** A real chain with the real escrow contract, a real database, a stand-in daemon, and any number of gateways. */
export interface SnetFixture {
  readonly gateway: GatewayFixture;
  readonly daemon: StandInDaemon;
  /** A gateway of its own: own pool, own caches. */
  replica(options?: {
    file?: Record<string, unknown>;
    service?: Record<string, unknown>;
    rpc?: EthereumRpc;
  }): Promise<Replica>;
  /** Waits until the channel is on the chain and known. */
  openChannel(replica: Replica): Promise<Channel>;
  claim(channelId: bigint, close?: boolean): Promise<void>;
  settingsFor(overrides?: { file?: Record<string, unknown>; service?: Record<string, unknown> }): unknown;
  close(): Promise<void>;
}

export async function createSnetFixture(daemonOptions: Partial<DaemonOptions> = {}): Promise<SnetFixture> {
  const gateway = await createGatewayFixture();
  const worker = gateway.startWorker();
  const mpe = gateway.book.byName('MultiPartyEscrow')?.address as string;
  // The keeper reads confirmed blocks, so the chain has to move without us.
  const miner = setInterval(() => void gateway.chain.mine(1).catch(() => undefined), 150);
  const daemon = await startDaemon({
    ...DEV_SERVICE.daemon,
    mpeAddress: mpe,
    recipient: recipient.address,
    freeCallSignerKey: recipient.privateKey,
    rpcUrl: gateway.chain.url,
    port: 0,
    ...daemonOptions,
  });
  const replicas = new Set<Replica>();
  const settingsFor: SnetFixture['settingsFor'] = ({ file = {}, service = {} } = {}) => ({
    sender: { pool: 'treasury', address: testAccounts.treasury.address },
    signer: { type: 'private-key-file', file: 'given' },
    funding: {
      auto: true,
      deposit: '100000',
      lowWater: '1000',
      maxDeposit: '1000000',
      expiryBlocks: 100_000,
    },
    prepaid: { purchase: '1000', lowWater: '300', refreshBeforeSeconds: 30 },
    reconcileSeconds: 0.3,
    organizations: {
      rejuve: {
        groups: {
          default_group: {
            id: DEV_SERVICE.daemon.groupId,
            recipient: recipient.address,
            expirationThreshold: Number(DEV_SERVICE.daemon.paymentExpirationThreshold),
          },
        },
        services: {
          example: {
            endpoints: [daemon.endpoint],
            protos: [EXAMPLE_PROTO],
            price: '10',
            prices: { 'rejuve.example.BayesianNetwork/Infer': '25' },
            payment: ['prepaid'],
            concurrency: 64,
            queue: 10_000,
            timeoutMs: 20_000,
            ...service,
          },
        },
      },
    },
    ...file,
  });

  return {
    gateway,
    daemon,
    settingsFor,
    async replica(options = {}) {
      const log = createLogger({ service: 'snet-test', level: process.env.TEST_LOG_LEVEL ?? 'silent' });
      const postgres = createPostgres<GatewayTables>({
        url: gateway.databaseUrl,
        schema: 'gateway',
        log,
        poolMax: 8,
      });
      const metrics = createMetrics({ service: 'test', processMetrics: false });
      const snet = await createSnet({
        file: snetFileSchema.parse(settingsFor(options)),
        postgres,
        rpc: options.rpc ?? createDirectRpc(gateway.chain.url),
        book: gateway.book,
        transactions: gateway.service,
        signer: createKeySigner(paymentAccount.privateKey),
        confirmations: 2,
        sealKeys: [{ kid: 'test', secret: 'a secret for tests that is long enough' }],
        isKeeper: async () => true,
        clock: systemClock,
        random: systemRandom(systemClock),
        log,
        metrics,
      });
      snet.keeper.start();
      const replica: Replica = {
        snet,
        metrics,
        call: (method, json, more = {}) =>
          snet.calls.call({
            org: 'rejuve',
            service: 'example',
            method,
            body: { json },
            principal: 'service:test',
            person: undefined,
            account: undefined,
            priority: 'interactive',
            timeoutMs: undefined,
            idempotencyKey: undefined,
            signal: undefined,
            ...more,
          }),
        async close() {
          if (!replicas.delete(replica)) return;
          await snet.close();
          await postgres.close();
        },
      };
      replicas.add(replica);
      return replica;
    },
    async openChannel(replica) {
      const group = replica.snet.directory.groups()[0];
      if (!group) throw new Error('no group');
      for (const deadline = Date.now() + OPEN_TIMEOUT_MS; ; ) {
        const channel = await replica.snet.keeper.channelOf(group);
        if (channel.channelId !== undefined && channel.chainValue > 0n) return channel;
        if (Date.now() > deadline) throw new Error(`the channel was not opened in ${OPEN_TIMEOUT_MS} ms`);
        await systemClock.sleep(50);
      }
    },
    async claim(channelId, close = false) {
      const { url } = gateway.chain;
      await claimChannel({ daemon, rpcUrl: url, recipientKey: recipient.privateKey, channelId, close });
    },
    async close() {
      for (const replica of [...replicas]) await replica.close();
      clearInterval(miner);
      await daemon.close();
      await worker.stop();
      await gateway.close();
    },
  };
}
