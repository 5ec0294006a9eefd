import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AbiCoder, getAddress, Interface, isAddress } from 'ethers';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** Another service as far as the API can tell: the same wire, a few maps behind it. */
export interface StandIn {
  readonly url: string;
  readonly server: Server;
  /** What was asked, as `METHOD path`. */
  readonly calls: string[];
  /** While set, everything but `/livez`, keys and events is answered with this problem. */
  fail: { status: number; code: string } | undefined;
  close(): Promise<void>;
}

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}
type Answer = { status?: number; body?: unknown };

async function serve(handle: (asked: Asked) => Promise<Answer> | Answer): Promise<StandIn> {
  const calls: string[] = [];
  const state: Pick<StandIn, 'fail'> = { fail: undefined };
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(req.url ?? '/', 'http://stand.in');
    calls.push(`${req.method} ${url.pathname}`);
    const failing = /^\/(livez|\.well-known|internal\/events)/.test(url.pathname) ? undefined : state.fail;
    const { status = 200, body } = failing
      ? problem(failing.status, failing.code)
      : await handle({
          method: req.method ?? 'GET',
          url,
          headers: req.headers,
          body: text === '' ? undefined : JSON.parse(text),
        });
    res.writeHead(status, {
      'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
    });
    res.end(body === undefined ? undefined : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    calls,
    get fail() {
      return state.fail;
    },
    set fail(fail) {
      state.fail = fail;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const problem = (status: number, code: string, detail = code): Answer => ({
  status,
  body: { code, detail, status },
});

const HASH = `0x${'ab'.repeat(32)}`;
const BLOCK_TIME = '2026-06-01T12:00:00.000Z';
export const AS_OF = { blockNumber: '100', blockHash: HASH, blockTime: BLOCK_TIME, finality: 'latest' };

const multicall = new Interface([
  'function aggregate3((address target, bool allowFailure, bytes callData)[] calls) returns ((bool success, bytes returnData)[])',
]);
const erc20 = new Interface([
  'function name() view returns (string)',
  'function symbol() view returns (string)',
  'function decimals() view returns (uint8)',
]);

export interface GatewayStandIn extends StandIn {
  /** Transactions by id, as the gateway keeps them. */
  readonly transactions: Map<string, Record<string, unknown>>;
  /** Raw balance by lower-case address. */
  readonly balances: Map<string, bigint>;
  /** Rows of `/internal/permissions`. */
  readonly permissions: Record<string, unknown>[];
  /** Rows of `/internal/data-submissions`. */
  readonly submissions: Record<string, unknown>[];
  /** Answers of JSON-RPC methods, instead of the ordinary ones. */
  readonly rpc: Map<string, (params: unknown[]) => unknown>;
  /** Answers of views by the first ten characters of their call data (the selector). */
  readonly views: Map<string, string>;
  /** Puts an event at the end of the log; who waits for it is answered. */
  emit(event: {
    type: string;
    contract?: { name: string; address: string };
    data: Record<string, unknown>;
  }): void;
}

/** The gateway's REST and JSON-RPC, with RJV as the only contract that answers. */
export async function startGatewayStandIn(token: string): Promise<GatewayStandIn> {
  const transactions = new Map<string, Record<string, unknown>>();
  const byKey = new Map<string, { hash: string; id: string }>();
  const balances = new Map<string, bigint>();
  const permissions: Record<string, unknown>[] = [];
  const submissions: Record<string, unknown>[] = [];
  const overrides = new Map<string, (params: unknown[]) => unknown>();
  const views = new Map<string, string>();
  const events: Record<string, unknown>[] = [];
  let newEvent: () => void = () => undefined;
  const rjv = { name: 'Rejuve Token', symbol: 'RJV', decimals: 6, address: token };

  const view = (to: string, data: string): { success: boolean; returnData: string } => {
    if (to.toLowerCase() === token.toLowerCase()) {
      const call = erc20.parseTransaction({ data });
      if (call) {
        const value = rjv[call.name as 'name' | 'symbol' | 'decimals'];
        return { success: true, returnData: erc20.encodeFunctionResult(call.name, [value]) };
      }
    }
    const set = views.get(data.slice(0, 10));
    if (set !== undefined) return { success: true, returnData: set };
    // Every other view answers the number 0: no identity, no permission, no owner.
    return { success: true, returnData: AbiCoder.defaultAbiCoder().encode(['uint256'], [0n]) };
  };

  const rpc = (method: string, params: unknown[]): unknown => {
    const override = overrides.get(method);
    if (override) return override(params);
    switch (method) {
      case 'eth_getBlockByNumber':
        return { number: '0x64', hash: HASH, timestamp: `0x${(Date.parse(BLOCK_TIME) / 1000).toString(16)}` };
      case 'eth_call': {
        const { to, data } = params[0] as { to: string; data: string };
        const batch = data.startsWith(multicall.getFunction('aggregate3')?.selector ?? 'x')
          ? multicall.decodeFunctionData('aggregate3', data)[0]
          : undefined;
        if (!batch) return view(to, data).returnData;
        const results = [...batch].map((one: { target: string; callData: string }) =>
          view(one.target, one.callData),
        );
        return multicall.encodeFunctionResult('aggregate3', [results]);
      }
      case 'eth_getTransactionReceipt':
        return null;
      case 'eth_estimateGas':
        return '0x5208';
      case 'eth_getTransactionCount':
        return '0x0';
      case 'eth_feeHistory':
        return { baseFeePerGas: ['0x3b9aca00', '0x3b9aca00'], reward: [['0x1']] };
      default:
        return HASH;
    }
  };

  const list = { asOf: AS_OF, data: [], page: { next: null, hasMore: false } };
  const standIn = await serve(async ({ method, url, headers, body }) => {
    const path = url.pathname;
    if (path === '/livez') return { body: {} };
    if (path.startsWith('/rpc/')) {
      const answer = (one: unknown) => {
        const { id, method: name, params } = one as { id: number; method: string; params: unknown[] };
        return { jsonrpc: '2.0', id, result: rpc(name, params) };
      };
      return { body: Array.isArray(body) ? body.map(answer) : answer(body) };
    }
    if (path === '/internal/events') {
      const after = Number(url.searchParams.get('after') ?? '0');
      if (events.length <= after && Number(url.searchParams.get('waitSeconds')) > 0)
        await new Promise<void>((resolve) => {
          newEvent = resolve;
          setTimeout(resolve, 500);
        });
      const news = events.slice(after);
      return {
        body: { events: news, next: String(Math.max(after, events.length)), last: String(events.length) },
      };
    }
    if (path === '/internal/balances') {
      const raw = balances.get((url.searchParams.get('address') ?? '').toLowerCase()) ?? 0n;
      return { body: { asOf: AS_OF, balances: [{ token: rjv, raw: raw.toString() }] } };
    }
    if (path === '/internal/data-submissions') return { body: { ...list, data: submissions } };
    if (path === '/internal/permissions') return { body: { ...list, data: permissions } };
    if (path.startsWith('/internal/identities/')) return { body: { asOf: AS_OF, identity: null, past: [] } };
    if (path.startsWith('/internal/')) return { body: list };
    if (method === 'POST' && path === '/v1/transactions') {
      const key = String(headers['idempotency-key']);
      const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex');
      const known = byKey.get(key);
      if (known && known.hash !== hash) return problem(422, 'idempotency_key_reused');
      if (known) return { status: 202, body: transactions.get(known.id) };
      const asked = body as Record<string, unknown>;
      const now = new Date().toISOString();
      const transaction = {
        id: randomUUID(),
        chainId: asked.chainId,
        state: 'queued',
        signer: { alias: asked.signer, address: null },
        to: asked.to ?? token,
        contract: asked.contract ?? null,
        function: asked.function ?? null,
        args: asked.args ?? null,
        value: '0',
        nonce: null,
        hash: null,
        blockNumber: null,
        blockHash: null,
        confirmations: 0,
        error: null,
        purpose: asked.purpose ?? null,
        requestedBy: asked.requestedBy,
        createdAt: now,
        updatedAt: now,
      };
      transactions.set(transaction.id, transaction);
      byKey.set(key, { hash, id: transaction.id });
      return { status: 202, body: transaction };
    }
    if (path === '/v1/transactions') {
      const mine = [...transactions.values()].filter(
        (t) => t.requestedBy === url.searchParams.get('requestedBy'),
      );
      return { body: { data: mine, page: list.page } };
    }
    const id = /^\/v1\/transactions\/([^/]+)/.exec(path)?.[1];
    const transaction = id === undefined ? undefined : transactions.get(id);
    return transaction
      ? { status: path.endsWith('/cancel') ? 202 : 200, body: transaction }
      : problem(404, 'not_found');
  });
  return Object.assign(standIn, {
    transactions,
    balances,
    permissions,
    submissions,
    rpc: overrides,
    views,
    emit(event: Parameters<GatewayStandIn['emit']>[0]) {
      events.push({
        seq: String(events.length + 1),
        chainId: 31337,
        stage: 'pending',
        key: `31337:${HASH}:${events.length}`,
        blockNumber: 100,
        blockTime: BLOCK_TIME,
        ...event,
      });
      newEvent();
    },
  });
}

export interface UserStandIn extends StandIn {
  /** Person by EIP-55 address. */
  readonly owners: Map<string, string>;
  accessToken(
    personId: string,
    change?: { expiresInSeconds?: number; audience?: string; scope?: string },
  ): Promise<string>;
  /** From now on tokens are signed by a new key. */
  rotate(): Promise<void>;
}

/** The user service's JWKS and internal wallet routes. */
export async function startUserStandIn(issuer: string): Promise<UserStandIn> {
  const owners = new Map<string, string>();
  const keys: { kid: string; privateKey: Parameters<SignJWT['sign']>[0]; jwk: object }[] = [];
  const rotate = async (): Promise<void> => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const kid = `k${keys.length + 1}`;
    keys.push({ kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } });
  };
  await rotate();
  const watched = new Map<string, Set<string>>();
  const wallet = (address: string, proof = 'signature') => ({
    address,
    label: null,
    proof,
    primary: false,
    linkedAt: BLOCK_TIME,
  });

  const standIn = await serve(({ method, url, body }) => {
    const path = url.pathname;
    if (path === '/livez') return { body: {} };
    if (path === '/.well-known/jwks.json') return { body: { keys: keys.map((key) => key.jwk) } };
    const [, person, rest] = /^\/internal\/people\/([^/]+)\/wallets(?:\/(.+))?$/.exec(path) ?? [];
    if (person !== undefined) {
      if (rest === 'challenge') {
        return {
          status: 201,
          body: { message: `prove ${(body as { address: string }).address}`, expiresAt: BLOCK_TIME },
        };
      }
      if (rest === undefined && method === 'GET') {
        const mine = [...owners].filter(([, owner]) => owner === person).map(([address]) => wallet(address));
        const seen = [...(watched.get(person) ?? [])].map((address) => wallet(address, 'none'));
        return { body: { data: [...mine, ...seen] } };
      }
      if (rest === undefined) {
        const address = (body as { message: string }).message.replace('prove ', '');
        if (!isAddress(address) || getAddress(address) !== address) return problem(422, 'invalid_argument');
        owners.set(address, person);
        return { status: 201, body: wallet(address) };
      }
      const watch = /^(0x\w{40})\/watch$/.exec(rest)?.[1];
      if (watch !== undefined) {
        if (owners.get(watch) === person) return { body: wallet(watch) };
        watched.set(person, (watched.get(person) ?? new Set()).add(watch));
        return { body: wallet(watch, 'none') };
      }
      if (owners.get(rest) !== person) return problem(404, 'not_found');
      if (method === 'DELETE') {
        owners.delete(rest);
        return { status: 204 };
      }
      return { body: { ...wallet(rest), ...(body as object) } };
    }
    const address = /^\/internal\/wallets\/(.+)$/.exec(path)?.[1];
    const owner = address === undefined ? undefined : owners.get(address);
    return owner ? { body: { personId: owner } } : problem(404, 'not_found');
  });

  return Object.assign(standIn, {
    owners,
    rotate,
    async accessToken(
      personId: string,
      change: { expiresInSeconds?: number; audience?: string; scope?: string } = {},
    ) {
      const key = keys.at(-1);
      if (!key) throw new Error('there is no key');
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({ sid: 'session', scope: change.scope ?? 'app' })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid })
        .setIssuer(issuer)
        .setAudience(change.audience ?? 'rejuve-api')
        .setSubject(personId)
        .setIssuedAt(now)
        .setExpirationTime(now + (change.expiresInSeconds ?? 300))
        .sign(key.privateKey);
    },
  });
}
