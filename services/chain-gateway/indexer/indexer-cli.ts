import { databaseUrl, defineConfig, integer, loadConfig, url } from '../../../lib/config.ts';
import { createLogger } from '../../../lib/log.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import type { GatewayTables } from '../store/gateway-database.ts';
import { createIndexStore } from '../store/index-store.ts';

const USAGE = `usage: indexer-cli.ts status            where the index is, and whether it was halted
       indexer-cli.ts resume            go on after a halt, when the providers agree again
       indexer-cli.ts rewind --to N     take back every block above N, final ones too, and go on from there
Needs DATABASE_URL and CHAIN_ID; rewind also RPC_URL, a node whose word is to be taken.`;

async function header(
  rpcUrl: string,
  number: number,
): Promise<{ number: number; hash: string; parentHash: string; time: number }> {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'eth_getBlockByNumber',
    params: [`0x${number.toString(16)}`, false],
  });
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const { result } = (await response.json()) as {
    result: { hash: string; parentHash: string; timestamp: string } | null;
  };
  if (!result) throw new Error(`${rpcUrl} has no block ${number}`);
  return { number, hash: result.hash, parentHash: result.parentHash, time: Number(result.timestamp) };
}

/** What an operator does about a halted index; see docs/runbooks/chain-gateway.md. */
async function main(args: readonly string[]): Promise<number> {
  const [command] = args;
  if (command !== 'status' && command !== 'resume' && command !== 'rewind') {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const keys = {
    DATABASE_URL: databaseUrl().describe('Postgres of the gateway'),
    CHAIN_ID: integer({ min: 1 }).describe('Chain'),
    RPC_URL: url().optional().describe('Node to read the block from'),
  };
  const config = loadConfig(defineConfig({ service: 'indexer-cli', keys }), {
    env: process.env,
    sharedKeys: ['RPC_URLS'],
  });
  const log = createLogger({ service: 'indexer-cli', level: 'warn' });
  const postgres = createPostgres<GatewayTables>({
    url: config.DATABASE_URL,
    schema: 'gateway',
    log,
    poolMax: 2,
    statementTimeoutMs: 600_000,
  });
  try {
    const store = createIndexStore(postgres, config.CHAIN_ID, 1);
    if (command === 'resume') await store.halt(null);
    if (command === 'rewind') {
      const to = Number(args[args.indexOf('--to') + 1]);
      if (!Number.isSafeInteger(to) || to < 0 || !args.includes('--to') || config.RPC_URL === undefined) {
        process.stderr.write(`${USAGE}\n`);
        return 2;
      }
      await store.rewind(await header(config.RPC_URL, to));
    }
    process.stdout.write(`${JSON.stringify((await store.cursor()) ?? null, null, 2)}\n`);
    return 0;
  } finally {
    await postgres.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
