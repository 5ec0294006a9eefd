import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AbiCoder, keccak256, toUtf8Bytes } from 'ethers';
import { toChecksum } from '../../../lib/address.ts';
import { createServiceAuth, type ServiceAuthKeys } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';

export interface StandInTransfer {
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  readonly token?: `0x${string}`;
}

interface LogLine {
  readonly seq: string;
  readonly chainId: number;
  readonly type: string;
  readonly stage: string;
  readonly key: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly blockTime: string;
  readonly logIndex: number;
  readonly transactionHash: string;
  readonly contract: { readonly name: string; readonly address: string };
  readonly data: Record<string, unknown>;
}

/** The chain-gateway's internal interface on a real socket, over a chain that tests write by hand. */
export interface StandInGateway {
  readonly url: string;
  readonly token: string;
  /** Puts transfers into a new block; all of them at stage pending. @returns their keys. */
  mine(transfers: readonly StandInTransfer[]): string[];
  /** Moves events to a stage; `reverted` removes them from the index, `pending` brings them back. */
  stage(keys: readonly string[], stage: 'pending' | 'confirmed' | 'finalized' | 'reverted'): void;
  /** Puts a transfer into the index that never appears in the event log: what a lost event looks like. */
  mineSilently(transfer: StandInTransfer): string;
  /** Appends any event. */
  append(type: string, data: Record<string, unknown>): string;
  /** What the chain holds now, reorganisations included. */
  canonical(): { key: string; from: string; to: string }[];
  balanceOf(address: string): bigint;
  /** Fails every request while true. */
  down: boolean;
  readonly requests: { method: string; path: string; body: unknown }[];
  /** Answers further paths: rewards paid by transactions and the like. */
  answer:
    | ((method: string, path: string, body: unknown) => { status: number; body: unknown } | undefined)
    | undefined;
  readonly seq: number;
  close(): Promise<void>;
}

const CHAIN = 31_337;
const hashOf = (text: string): string => keccak256(toUtf8Bytes(text));

export async function startStandInGateway(keys: ServiceAuthKeys): Promise<StandInGateway> {
  const auth = createServiceAuth({ self: 'gateway', keys, clock: systemClock });
  const token = toChecksum('0x00000000000000000000000000000000000000aa');
  const log: LogLine[] = [];
  const index = new Map<string, LogLine>();
  const listed = new Map<string, LogLine>();
  const waiters = new Set<() => void>();
  let block = 100;

  const line = (
    type: string,
    stage: string,
    data: Record<string, unknown>,
    logIndex: number,
    contract = token,
  ): LogLine => {
    const blockHash = hashOf(`block ${block}`);
    return {
      seq: String(log.length + 1),
      chainId: CHAIN,
      type,
      stage,
      key: `${CHAIN}:${blockHash}:${logIndex}`,
      blockNumber: block,
      blockHash,
      blockTime: new Date().toISOString(),
      logIndex,
      transactionHash: hashOf(`tx ${block} ${logIndex}`),
      contract: { name: 'RejuveToken', address: contract },
      data,
    };
  };
  const publish = (item: LogLine): void => {
    log.push({ ...item, seq: String(log.length + 1) });
    for (const wake of waiters) wake();
  };
  const transferData = (t: StandInTransfer) => ({ from: t.from, to: t.to, amount: t.amount.toString() });

  const gateway: StandInGateway = {
    url: '',
    token,
    down: false,
    requests: [],
    answer: undefined,
    get seq() {
      return log.length;
    },
    mine(transfers) {
      block++;
      return transfers.map((t, i) => {
        const item = line('transfer.erc20', 'pending', transferData(t), i, t.token);
        index.set(item.key, item);
        listed.set(item.key, item);
        publish(item);
        return item.key;
      });
    },
    stage(keysToMove, stage) {
      for (const key of keysToMove) {
        const item = listed.get(key);
        if (!item) throw new Error(`unknown key ${key}`);
        const moved = { ...item, stage };
        if (stage === 'reverted') index.delete(key);
        else index.set(key, moved);
        publish(moved);
      }
    },
    mineSilently(transfer) {
      block++;
      const item = line('transfer.erc20', 'confirmed', transferData(transfer), 0, transfer.token);
      index.set(item.key, item);
      listed.set(item.key, item);
      return item.key;
    },
    append(type, data) {
      block++;
      const item = line(type, 'pending', data, 0);
      listed.set(item.key, item);
      publish(item);
      return item.key;
    },
    canonical: () =>
      [...index.values()].map((item) => ({
        key: item.key,
        from: String(item.data.from),
        to: String(item.data.to),
      })),
    balanceOf(address) {
      let sum = 0n;
      for (const { data } of index.values()) {
        if (data.to === address) sum += BigInt(String(data.amount));
        if (data.from === address) sum -= BigInt(String(data.amount));
      }
      return sum;
    },
    close: () =>
      new Promise((resolve) => {
        for (const wake of waiters) wake();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  const asOf = () => ({
    blockNumber: block,
    blockHash: hashOf(`block ${block}`),
    blockTime: new Date().toISOString(),
    finality: 'latest',
  });

  const events = async (query: URLSearchParams) => {
    const after = Number(query.get('after'));
    const limit = Number(query.get('limit') ?? 500);
    if (log.length <= after) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, Number(query.get('waitSeconds') ?? 0) * 1000);
        waiters.add(done);
      });
    }
    const page = log.slice(after, after + limit);
    return { events: page, next: page.at(-1)?.seq ?? String(after) };
  };

  const transfers = (query: URLSearchParams) => {
    const address = query.get('address');
    const limit = Number(query.get('limit') ?? 100);
    const offset = Number(query.get('cursor') ?? 0);
    const all = [...index.values()]
      .filter((item) => item.data.from === address || item.data.to === address)
      .sort((a, b) => b.blockNumber - a.blockNumber || b.logIndex - a.logIndex);
    const data = all.slice(offset, offset + limit).map((item) => ({
      key: item.key,
      chainId: CHAIN,
      stage: item.stage,
      blockNumber: item.blockNumber,
      blockHash: item.blockHash,
      blockTime: item.blockTime,
      logIndex: item.logIndex,
      transactionHash: item.transactionHash,
      token: { address: item.contract.address, symbol: 'RJV', decimals: 6 },
      ...item.data,
    }));
    const hasMore = offset + limit < all.length;
    return { asOf: asOf(), data, page: { next: hasMore ? String(offset + limit) : null, hasMore } };
  };

  const rpc = (body: { id: number; method: string; params: unknown[] }) => {
    const answer = (result: unknown) => ({ jsonrpc: '2.0', id: body.id, result });
    if (body.method === 'eth_blockNumber') return answer(`0x${block.toString(16)}`);
    if (body.method === 'eth_getCode') return answer('0x');
    const { data } = (body.params[0] ?? {}) as { data?: string };
    if (data === '0x95d89b41') return answer(AbiCoder.defaultAbiCoder().encode(['string'], ['RJV']));
    if (data === '0x313ce567') return answer(AbiCoder.defaultAbiCoder().encode(['uint8'], [6]));
    if (data?.startsWith('0x70a08231')) {
      const holder = toChecksum(`0x${data.slice(34)}`);
      return answer(AbiCoder.defaultAbiCoder().encode(['uint256'], [gateway.balanceOf(holder)]));
    }
    return { jsonrpc: '2.0', id: body.id, error: { code: 3, message: 'execution reverted' } };
  };

  const read = async (req: IncomingMessage): Promise<unknown> => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    return text === '' ? undefined : JSON.parse(text);
  };
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const url = new URL(req.url ?? '/', 'http://gateway');
    const body = await read(req);
    const send = (status: number, value: unknown): void => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(JSON.stringify(value));
    };
    if (gateway.down) return send(503, { code: 'dependency_unavailable', detail: 'down' });
    await auth.verify((req.headers.authorization ?? '').replace('Bearer ', ''));
    gateway.requests.push({ method: req.method ?? '', path: url.pathname, body });
    const special = gateway.answer?.(req.method ?? '', url.pathname, body);
    if (special) return send(special.status, special.body);
    if (url.pathname === '/internal/events') return send(200, await events(url.searchParams));
    if (url.pathname === '/internal/transfers') return send(200, transfers(url.searchParams));
    if (url.pathname === '/internal/balances') {
      const address = url.searchParams.get('address') ?? '';
      return send(200, {
        asOf: asOf(),
        balances: [
          {
            token: { address: token, symbol: 'RJV', decimals: 6 },
            raw: gateway.balanceOf(address).toString(),
          },
        ],
      });
    }
    if (url.pathname === `/rpc/${CHAIN}`) return send(200, rpc(body as never));
    send(404, { code: 'not_found', detail: url.pathname });
  };
  const server = createServer((req, res) => {
    handle(req, res).catch((error: unknown) => {
      res.writeHead(500);
      res.end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.defineProperty(gateway, 'url', {
    value: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
}
