import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getAddress, Interface, id as keccakText } from 'ethers';
import pg from 'pg';
import { devAccount } from '../../../contracts/dev-accounts.ts';
import { parseContractsManifest } from '../../../lib/contracts-manifest.ts';
import { createSeededRandom } from '../../../lib/random.ts';
import { createServiceAuth } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import { anvilCommand, rpcCall } from '../../../tools/stack/parts/anvil.ts';
import { freePort } from '../../../tools/stack/parts/free-port.ts';
import { deployTestContracts } from '../../../tools/testing/test-contracts.ts';
import { createTestPostgres } from '../../../tools/testing/test-postgres.ts';
import { createTestRedis } from '../../../tools/testing/test-redis.ts';
import { startFaultyNode } from './faulty-node.ts';
import { startGatewayProcess, type TestProcess } from './start-process.ts';

export interface TortureOptions {
  readonly transactions: number;
  readonly callers: number;
  readonly signers: number;
  readonly seed: number;
  /** Milliseconds between two blows; 0 for a calm run that measures throughput. */
  readonly blowEveryMs: number;
  readonly log: (line: string) => void;
  /** Ends the run early; everything that was started is taken down. */
  readonly signal?: AbortSignal;
}

export interface TortureReport {
  readonly requested: number;
  readonly accepted: number;
  readonly refusedBeforeSend: number;
  readonly succeeded: number;
  readonly revertedByContract: number;
  readonly replaced: number;
  /** Reported as done and not on the chain. */
  readonly lost: number;
  /** On the chain more than once. */
  readonly doubled: number;
  /** On the chain and reported as not. */
  readonly misreported: number;
  readonly stuck: number;
  readonly successRatio: number;
  readonly blows: Record<string, number>;
  readonly acceptedPerSecond: number;
  readonly finishedPerSecond: number;
  readonly inclusionP50Seconds: number;
  readonly inclusionP99Seconds: number;
  readonly indexEqualsChain: boolean;
  readonly seqWithoutGap: boolean;
  readonly seconds: number;
}

/** Finality of the chain under torture: 16 blocks, above the deepest reorg. */
const SLOTS_IN_AN_EPOCH = 8;
const DEEPEST_REORG = 12;
const SETTLE_TIMEOUT_MS = 240_000;
const BASE_INDEX = 20;

/**
 * Real processes over real servers, hit again and again, then judged by reading the chain: each request pays one unit
 * to an address of its own, so the Transfer logs say how often each was executed.
 */
export async function runTorture(options: TortureOptions): Promise<TortureReport> {
  const { log } = options;
  const random = createSeededRandom(options.seed);
  const began = Date.now();
  const [database, redis, anvilPort] = await Promise.all([
    createTestPostgres(),
    createTestRedis(),
    freePort(),
  ]);
  const anvilUrl = `http://127.0.0.1:${anvilPort}`;
  // Its own arguments: finality above the deepest reorg, and room for a burst in one block.
  const { file } = anvilCommand({ port: anvilPort, chainId: 31_337 });
  const anvil = spawn(
    file,
    [
      '--port',
      String(anvilPort),
      '--slots-in-an-epoch',
      String(SLOTS_IN_AN_EPOCH),
      '--silent',
      '--accounts',
      '60',
      '--gas-limit',
      '100000000',
    ],
    { stdio: 'ignore' },
  );
  const cleanup: (() => unknown)[] = [() => anvil.kill('SIGKILL'), () => database.drop(), () => redis.drop()];
  try {
    const early = new Promise<never>((_, reject) =>
      options.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true }),
    );
    return await Promise.race([judge(), early]);
  } finally {
    for (const undo of cleanup.reverse()) await Promise.resolve(undo()).catch(() => undefined);
  }

  async function judge(): Promise<TortureReport> {
    const rpc = <T>(method: string, params: unknown[] = []) => rpcCall<T>(anvilUrl, method, params);
    await until(() => rpc('eth_chainId').then(() => true), 20_000, 'anvil');
    const dir = mkdtempSync(join(tmpdir(), 'torture-'));
    const manifestFile = join(dir, 'contracts.json');
    await deployTestContracts({ url: anvilUrl }, manifestFile);
    const manifest = parseContractsManifest(readFileSync(manifestFile, 'utf8'), manifestFile);
    const token = getAddress(manifest.contracts.RejuveToken?.address ?? '');
    const erc20 = new Interface([
      'function transfer(address,uint256)',
      'event Transfer(address indexed,address indexed,uint256)',
    ]);
    const signers = Array.from({ length: options.signers }, (_, i) => devAccount(BASE_INDEX + i));
    for (const [i, signer] of signers.entries()) {
      writeFileSync(join(dir, `signer-${i}.key`), signer.privateKey);
      await rpc('eth_sendTransaction', [
        {
          from: devAccount(1).address,
          to: token,
          data: erc20.encodeFunctionData('transfer', [signer.address, 1_000_000]),
        },
      ]);
    }
    writeFileSync(
      join(dir, 'signers.json'),
      JSON.stringify({
        pools: { payers: signers.map((_, i) => ({ type: 'private-key-file', file: `signer-${i}.key` })) },
      }),
    );
    await rpc('evm_setIntervalMining', [1]);

    const calm = options.blowEveryMs === 0;
    const faults = () =>
      calm
        ? { unavailable: 0, cutAfter: 0, swallow: 0, wrongError: 0 }
        : { unavailable: 0.01, cutAfter: 0.01, swallow: 0.05, wrongError: 0.05 };
    const nodes = await Promise.all([
      startFaultyNode(anvilUrl, faults(), random.float),
      startFaultyNode(anvilUrl, faults(), random.float),
    ]);
    cleanup.push(() => nodes.map((node) => node.close()));
    const secret = 'torture-secret-of-at-least-thirty-two-characters';
    const common = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      REDIS_PREFIX: redis.prefix.replace(/:$/, ''),
      SERVICE_AUTH_KEYS: `k:${secret}`,
      RPC_URLS: nodes.map((node) => node.url).join(','),
      CHAIN_ID: '31337',
      CONTRACTS_FILE: manifestFile,
      SIGNERS_FILE: join(dir, 'signers.json'),
      LOG_LEVEL: 'error',
    };
    const background = {
      ...common,
      CONFIRMATIONS: '3',
      TX_REBROADCAST_MS: '3000',
      TX_BUMP_AFTER_MS: '10000',
      TX_MAX_IN_FLIGHT: '64',
    };
    const ports = new Map<string, number>();
    const launch = async (name: string): Promise<TestProcess> => {
      const file = name.startsWith('worker')
        ? 'worker.ts'
        : name.startsWith('indexer')
          ? 'indexer.ts'
          : 'main.ts';
      const port = ports.get(name) ?? (await freePort());
      ports.set(name, port);
      return startGatewayProcess(file, file === 'main.ts' ? common : background, port);
    };
    const names = calm
      ? ['gateway', 'worker-1', 'indexer-1']
      : ['gateway', 'worker-1', 'worker-2', 'indexer-1', 'indexer-2'];
    const processes = new Map<string, TestProcess>();
    cleanup.push(() => Promise.all([...processes.values()].map((process) => process.stop('SIGKILL'))));
    await Promise.all(names.map(async (name) => processes.set(name, await launch(name))));
    const base = `http://127.0.0.1:${ports.get('gateway')}`;
    const auth = createServiceAuth({ self: 'api', keys: [{ kid: 'k', secret }], clock: systemClock });
    log(`everything runs after ${Date.now() - began} ms`);

    const blows: Record<string, number> = {};
    let storming = !calm;
    const admin = new pg.Pool({ connectionString: database.url, max: 2 });
    admin.on('error', () => undefined);
    cleanup.push(() => admin.end());
    async function storm(): Promise<void> {
      while (storming) {
        await systemClock.sleep(options.blowEveryMs * (0.5 + random.float()));
        if (!storming) return;
        const kind =
          ['kill', 'kill', 'reorg', 'reorg', 'redis', 'postgres', 'provider', 'mempool'][
            Math.floor(random.float() * 8)
          ] ?? 'kill';
        blows[kind] = (blows[kind] ?? 0) + 1;
        try {
          if (kind === 'kill') {
            const name = names[Math.floor(random.float() * names.length)] ?? 'gateway';
            await processes.get(name)?.stop('SIGKILL');
            await systemClock.sleep(300);
            processes.set(name, await launch(name));
          } else if (kind === 'reorg') {
            const depth = 1 + Math.floor(random.float() * DEEPEST_REORG);
            if (Number(await rpc<string>('eth_blockNumber')) > 40 + depth)
              await rpc('anvil_reorg', [depth, []]);
          } else if (kind === 'redis') await redis.flush();
          else if (kind === 'postgres') await database.cutConnections();
          else if (kind === 'provider') nodes[Math.floor(random.float() * nodes.length)]?.down(3_000);
          else await rpc('anvil_dropAllTransactions');
        } catch (error) {
          log(`blow ${kind}: ${(error as Error).message.slice(0, 200)}`);
        }
      }
    }
    const storms = storm();

    const recipient = (n: number): string =>
      getAddress(`0x${keccakText(`torture-${options.seed}-${n}`).slice(-40)}`);
    const ids = new Map<number, string>();
    let next = 0;
    const acceptBegan = Date.now();
    async function caller(): Promise<void> {
      for (let n = next++; n < options.transactions; n = next++) {
        // Every fiftieth asks for more than there is: it must be refused, with the reason.
        const amount = n % 50 === 49 ? '1000000000000' : '1';
        const body = JSON.stringify({
          chainId: 31337,
          signer: 'payers',
          contract: 'RejuveToken',
          function: 'transfer',
          args: [recipient(n), amount],
          requestedBy: `caller-${n}`,
          purpose: 'torture',
        });
        for (;;) {
          try {
            const response = await fetch(`${base}/v1/transactions`, {
              method: 'POST',
              body,
              headers: {
                'content-type': 'application/json',
                authorization: `Bearer ${await auth.sign('gateway')}`,
                'idempotency-key': `torture-${options.seed}-${n}`,
              },
              signal: AbortSignal.timeout(10_000),
            });
            const answer = (await response.json()) as { id?: string };
            if (response.status === 202 && answer.id) {
              ids.set(n, answer.id);
              break;
            }
          } catch {
            // Not answered is not "not accepted": the same key is asked again.
          }
          await systemClock.sleep(200);
        }
      }
    }
    await Promise.all(Array.from({ length: options.callers }, caller));
    const acceptSeconds = (Date.now() - acceptBegan) / 1000;
    log(`${ids.size} accepted after ${acceptSeconds.toFixed(1)} s`);

    const states = async (): Promise<Map<string, number>> => {
      const { rows } = await admin.query<{ state: string; count: number }>(
        'SELECT state, count(*)::int AS count FROM gateway.transactions GROUP BY state',
      );
      return new Map(rows.map((row) => [row.state, row.count]));
    };
    // Half of the work is done under blows, the rest as well until little is left; then the storm ends and all must settle.
    const share = async () => {
      const now = await states().catch(() => new Map<string, number>());
      return (
        ['confirmed', 'finalized', 'rejected', 'failed', 'cancelled', 'replaced'].reduce(
          (sum, state) => sum + (now.get(state) ?? 0),
          0,
        ) / options.transactions
      );
    };
    await until(async () => (await share()) >= 0.97, SETTLE_TIMEOUT_MS * 2, 'most transactions').catch(
      (error: Error) => log(error.message),
    );
    const finishedSeconds = (Date.now() - acceptBegan) / 1000;
    storming = false;
    await storms;
    for (const node of nodes)
      Object.assign(node.faults, { unavailable: 0, cutAfter: 0, swallow: 0, wrongError: 0 });
    for (const name of names)
      if (processes.get(name)?.child.exitCode !== null || processes.get(name)?.child.killed)
        processes.set(name, await launch(name).catch(() => processes.get(name) as TestProcess));
    log(
      `the storm is over after ${finishedSeconds.toFixed(1)} s: ${JSON.stringify(Object.fromEntries(await states()))}`,
    );
    await until(
      async () => {
        const now = await states().catch(() => new Map<string, number>([['?', 1]]));
        return [...now.keys()].every((state) =>
          ['finalized', 'rejected', 'failed', 'cancelled', 'replaced'].includes(state),
        );
      },
      SETTLE_TIMEOUT_MS,
      'everything to be final',
    ).catch((error: Error) => log(error.message));

    // The judge: the chain itself.
    const logs: { topics: string[]; data: string }[] = [];
    const head = Number(await rpc<string>('eth_blockNumber'));
    for (let from = 0; from <= head; from += 200) {
      logs.push(
        ...(await rpc<typeof logs>('eth_getLogs', [
          {
            fromBlock: `0x${from.toString(16)}`,
            toBlock: `0x${Math.min(head, from + 199).toString(16)}`,
            address: token,
            topics: [erc20.getEvent('Transfer')?.topicHash],
          },
        ])),
      );
    }
    const executed = new Map<string, number>();
    for (const entry of logs) {
      const to = getAddress(`0x${entry.topics[2]?.slice(26)}`);
      executed.set(to, (executed.get(to) ?? 0) + 1);
    }
    const { rows } = await admin.query<{
      id: string;
      state: string;
      error_code: string | null;
      recipient: string;
    }>(`SELECT id, state, error_code, args->>0 AS recipient FROM gateway.transactions`);
    const byId = new Map(rows.map((row) => [row.id, row]));
    const count = {
      lost: 0,
      doubled: 0,
      misreported: 0,
      stuck: 0,
      succeeded: 0,
      refused: 0,
      reverted: 0,
      replaced: 0,
    };
    for (const [n, id] of ids) {
      const row = byId.get(id);
      const times = executed.get(recipient(n)) ?? 0;
      if (times > 1) count.doubled += 1;
      if (!row) count.lost += 1;
      else if (row.state === 'finalized') {
        if (times === 0) count.lost += 1;
        else count.succeeded += 1;
      } else if (['rejected', 'failed', 'cancelled', 'replaced'].includes(row.state)) {
        if (times > 0 || row.error_code === null) count.misreported += 1;
        if (row.state === 'rejected') count.refused += 1;
        if (row.state === 'failed') count.reverted += 1;
        if (row.state === 'replaced') count.replaced += 1;
      } else count.stuck += 1;
    }
    const { rows: times } = await admin.query<{ seconds: number }>(
      `SELECT extract(epoch FROM min(e.at) - t.created_at)::float AS seconds FROM gateway.transactions t JOIN gateway.transaction_events e ON e.transaction_id = t.id AND e.state = 'included' GROUP BY t.id ORDER BY 1`,
    );
    const percentile = (p: number) =>
      Math.round((times[Math.min(times.length - 1, Math.floor(times.length * p))]?.seconds ?? 0) * 100) / 100;

    // The index against the chain: every holder's sum of canonical rows, and the numbers of the log.
    await until(
      async () => {
        const { rows: cursor } = await admin.query<{ block_number: string }>(
          'SELECT block_number FROM gateway.index_cursors',
        );
        return Number(cursor[0]?.block_number ?? 0) >= Number(await rpc<string>('eth_blockNumber')) - 1;
      },
      60_000,
      'the indexer',
    ).catch((error: Error) => log(error.message));
    const { rows: indexed } = await admin.query<{ to_address: string; count: number }>(
      `SELECT to_address, count(*)::int AS count FROM gateway.token_transfers WHERE token = $1 GROUP BY 1`,
      [token],
    );
    const indexEqualsChain =
      indexed.length === executed.size && indexed.every((row) => executed.get(row.to_address) === row.count);
    const { rows: seq } = await admin.query<{ ok: boolean }>(
      'SELECT coalesce(max(seq), 0) = count(*) AND count(DISTINCT seq) = count(*) AS ok FROM gateway.chain_events',
    );

    const decided = ids.size - count.refused;
    return {
      requested: options.transactions,
      accepted: ids.size,
      refusedBeforeSend: count.refused,
      succeeded: count.succeeded,
      revertedByContract: count.reverted,
      replaced: count.replaced,
      lost: count.lost,
      doubled: count.doubled,
      misreported: count.misreported,
      stuck: count.stuck,
      successRatio: decided === 0 ? 0 : count.succeeded / decided,
      blows,
      acceptedPerSecond: Math.round(ids.size / acceptSeconds),
      finishedPerSecond: Math.round((options.transactions * 0.97) / finishedSeconds),
      inclusionP50Seconds: percentile(0.5),
      inclusionP99Seconds: percentile(0.99),
      indexEqualsChain,
      seqWithoutGap: seq[0]?.ok === true,
      seconds: Math.round((Date.now() - began) / 1000),
    };
  }
}

async function until(what: () => Promise<boolean>, ms: number, name: string): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await what().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`${name}: not after ${ms} ms`);
    await systemClock.sleep(250);
  }
}
