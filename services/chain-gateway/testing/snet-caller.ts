import { parseContractsManifest } from '../../../lib/contracts-manifest.ts';
import { createLogger } from '../../../lib/log.ts';
import { createMetrics } from '../../../lib/metrics.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { systemRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import { createKeySigner } from '../signers/local-signers.ts';
import { snetFileSchema } from '../snet/config/snet-schema.ts';
import { createSnet } from '../snet/create-snet.ts';
import type { GatewayTables } from '../store/gateway-database.ts';
import { loadContractBook } from '../transactions/load-contract-book.ts';
import { createDirectRpc } from './direct-rpc.ts';

/** What a gateway process of the crash tests is told; it is meant to be killed at any moment. */
export interface CallerOrders {
  readonly databaseUrl: string;
  readonly chainUrl: string;
  readonly manifest: string;
  readonly file: unknown;
  readonly signerKey: string;
  /** Calls under way at once. */
  readonly parallel: number;
}

/** Makes calls until it is killed, and prints the id of each that was answered. */
async function main(orders: CallerOrders): Promise<void> {
  const log = createLogger({ service: 'snet-caller', level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const postgres = createPostgres<GatewayTables>({
    url: orders.databaseUrl,
    schema: 'gateway',
    log,
    poolMax: 6,
  });
  const notHere = async (): Promise<never> => {
    throw new Error('this process keeps no channels');
  };
  const snet = await createSnet({
    file: snetFileSchema.parse(orders.file),
    postgres,
    rpc: createDirectRpc(orders.chainUrl),
    book: loadContractBook(parseContractsManifest(orders.manifest, 'the orders')),
    transactions: { create: notHere, get: notHere },
    signer: createKeySigner(orders.signerKey),
    confirmations: 2,
    sealKeys: [{ kid: 'test', secret: 'a secret for tests that is long enough' }],
    isKeeper: async () => false,
    clock: systemClock,
    random: systemRandom(systemClock),
    log,
    metrics: createMetrics({ service: 'test', processMetrics: false }),
  });
  process.stdout.write('ready\n');
  const loop = async (): Promise<never> => {
    for (;;) {
      try {
        const { receipt } = await snet.calls.call({
          org: 'rejuve',
          service: 'example',
          method: 'Echo/Say',
          body: { json: { text: 'x' } },
          principal: 'service:test',
          person: undefined,
          account: undefined,
          priority: 'standard',
          timeoutMs: 10_000,
          idempotencyKey: undefined,
          signal: undefined,
        });
        process.stdout.write(`answered ${receipt.id}\n`);
      } catch (error) {
        process.stdout.write(`failed ${(error as Error).message.slice(0, 200)}\n`);
        await systemClock.sleep(20);
      }
    }
  };
  await Promise.all(Array.from({ length: orders.parallel }, loop));
}

await main(JSON.parse(process.env.SNET_CALLER_ORDERS ?? '{}') as CallerOrders);
