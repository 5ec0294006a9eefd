import { ZeroAddress } from 'ethers';
import type { z } from 'zod';
import { sameAddress, toChecksum } from '../../../lib/address.ts';
import { formatAmount } from '../../../lib/amount.ts';
import { AppError } from '../../../lib/errors.ts';
import type { ChainReader } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { GatewayTransfers } from '../chain/gateway-shapes.ts';
import type { AsOf, Token } from '../chain/schemas.ts';
import type { CacheAside } from '../data/cache-aside.ts';
import type { QuoteSource } from './quotes.ts';
import type { balanceSchema, transferSchema, transfersQuery } from './schemas.ts';

type Balance = z.output<typeof balanceSchema>;
type Transfer = z.output<typeof transferSchema>;
type TransferFilters = z.output<typeof transfersQuery>;

/** Name and decimals of a token never change; a day bounds the cost of being wrong about that. */
const TOKEN_TTL_MS = 24 * 3_600_000;
/** Balances are invalidated by transfer events; the limit keeps `asOf` moving with the chain. */
const BALANCE_TTL_MS = 2_000;

export type TokenService = ReturnType<typeof createTokenService>;

/** Tokens, balances and transfers as the indexer of the gateway knows them. */
export function createTokenService(deps: {
  gateway: Pick<Gateway, 'balances' | 'transfers' | 'chainId'>;
  chain: Pick<ChainReader, 'read' | 'call'>;
  contracts: Pick<Contracts, 'call' | 'addressOf'>;
  cache: CacheAside;
  quotes: QuoteSource | undefined;
}) {
  const { gateway, chain, contracts, cache, quotes } = deps;
  const { chainId } = gateway;

  /** RJV as the contract itself describes it. */
  function rejuveToken(): Promise<Token> {
    const address = contracts.addressOf('RejuveToken');
    return cache.get({ key: `token:${address}`, ttlMs: TOKEN_TTL_MS, tags: [] }, async () => {
      const { results } = await chain.read(
        ['name', 'symbol', 'decimals'].map((fn) => contracts.call('RejuveToken', fn, [])),
      );
      const [name, symbol, decimals] = results.map((result) => (result.ok ? result.values[0] : undefined));
      if (name === undefined || symbol === undefined || decimals === undefined) {
        throw new AppError('chain_unavailable', 'The RJV contract did not answer.', { retryAfterSeconds: 2 });
      }
      return { address, chainId, name: String(name), symbol: String(symbol), decimals: Number(decimals) };
    });
  }

  const readBalances = (address: string) =>
    cache.get(
      { key: `balances:${address}`, ttlMs: BALANCE_TTL_MS, tags: [`wallet:${address}`] },
      async () => {
        const [known, rjv] = await Promise.all([gateway.balances(address), rejuveToken()]);
        const balances = known.balances.map(({ token, raw }) => ({
          token: { ...token, address: toChecksum(token.address) as string, chainId },
          raw,
        }));
        // A wallet that never held RJV has no row at the indexer; its balance is 0, not unknown.
        if (!balances.some(({ token }) => sameAddress(token.address, rjv.address))) {
          balances.unshift({ token: rjv, raw: '0' });
        }
        return { asOf: known.asOf as AsOf, balances };
      },
    );

  /**
   * The index is asked by time; heights become the times of their blocks. Blocks of one second are told apart by
   * height afterwards, so that a page may be a little shorter, never wrong.
   */
  async function timesOf(
    fromBlock: number | undefined,
    toBlock: number | undefined,
    given: { fromTime?: string | undefined; toTime?: string | undefined },
  ): Promise<{ fromTime?: string; toTime?: string }> {
    const timeOf = async (height: number): Promise<number | undefined> => {
      const block = (await chain.call('eth_getBlockByNumber', [`0x${height.toString(16)}`, false])) as {
        timestamp: string;
      } | null;
      return block ? Number(block.timestamp) * 1000 : undefined;
    };
    const [from, to] = await Promise.all([
      fromBlock === undefined ? undefined : timeOf(fromBlock),
      toBlock === undefined ? undefined : timeOf(toBlock),
    ]);
    if (fromBlock !== undefined && from === undefined) {
      throw new AppError('invalid_argument', `There is no block ${fromBlock} yet.`, {
        errors: [{ pointer: '?fromBlock', rule: 'range', detail: 'a block that exists' }],
      });
    }
    const latest = (a: number | undefined, b: string | undefined): number | undefined =>
      a === undefined
        ? b === undefined
          ? undefined
          : Date.parse(b)
        : b === undefined
          ? a
          : Math.max(a, Date.parse(b));
    const earliest = (a: number | undefined, b: string | undefined): number | undefined =>
      a === undefined
        ? b === undefined
          ? undefined
          : Date.parse(b)
        : b === undefined
          ? a
          : Math.min(a, Date.parse(b));
    const start = latest(from, given.fromTime);
    const end = earliest(to === undefined ? undefined : to + 1_000, given.toTime);
    return {
      ...(start === undefined ? {} : { fromTime: new Date(start).toISOString() }),
      ...(end === undefined ? {} : { toTime: new Date(end).toISOString() }),
    };
  }

  return {
    rejuveToken,

    /** The tokens that the indexer follows; it answers all of them for any address. */
    async listTokens(): Promise<Token[]> {
      const { balances } = await gateway.balances(ZeroAddress);
      return balances.map(({ token }) => ({
        ...token,
        address: toChecksum(token.address) as string,
        chainId,
      }));
    },

    /** @param currency ISO 4217 code to value balances in. */
    async balances(address: string, filters: { token?: string | undefined; quote?: string | undefined }) {
      const { asOf, balances } = await readBalances(address);
      const wanted = balances.filter(
        ({ token }) => !filters.token || sameAddress(token.address, filters.token),
      );
      if (filters.quote !== undefined && !quotes) {
        throw new AppError('invalid_argument', 'This deployment has no source of quotes.', {
          errors: [
            { pointer: '?quote', rule: 'unsupported', detail: 'leave it out; no quote source is configured' },
          ],
        });
      }
      const currency = filters.quote;
      const data = await Promise.all(
        wanted.map(async ({ token, raw }): Promise<Balance> => {
          const amount = formatAmount(BigInt(raw), token.decimals);
          const quote = quotes && currency ? await quotes.value(token, BigInt(raw), currency) : null;
          return { token, amount, quote };
        }),
      );
      return { address, asOf, data };
    },

    async transfers(address: string, filters: TransferFilters) {
      const { fromBlock, toBlock, ...rest } = filters;
      const times = await timesOf(fromBlock, toBlock, rest);
      const answer = await gateway.transfers({ address, ...rest, ...times });
      const within = (height: number): boolean =>
        (fromBlock === undefined || height >= fromBlock) && (toBlock === undefined || height <= toBlock);
      return {
        asOf: answer.asOf as AsOf,
        data: answer.data
          .filter((row) => within(row.blockNumber))
          .map((row) => toTransfer(row, address, chainId)),
        page: answer.page,
      };
    },
  };
}

function toTransfer(row: GatewayTransfers['data'][number], address: string, chainId: number): Transfer {
  const token: Token = { ...row.token, address: toChecksum(row.token.address), chainId };
  const from = toChecksum(row.from);
  const to = toChecksum(row.to);
  const out = sameAddress(from, address);
  return {
    id: row.key,
    token,
    direction: out && sameAddress(to, address) ? 'self' : out ? 'out' : 'in',
    from,
    to,
    amount: formatAmount(BigInt(row.amount), token.decimals),
    stage: row.stage,
    blockNumber: row.blockNumber,
    blockHash: row.blockHash,
    blockTime: new Date(row.blockTime).toISOString(),
    transactionHash: row.transactionHash,
    logIndex: row.logIndex,
  };
}
