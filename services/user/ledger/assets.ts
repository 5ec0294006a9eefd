import { AbiCoder, toUtf8String } from 'ethers';
import type { Db } from '../shared/database.ts';
import { erc20Asset } from './rules.ts';
import type { AssetRow, ledgerStore } from './store.ts';

/** 4-byte selectors of `symbol()` and `decimals()` of ERC-20. */
const SYMBOL = '0x95d89b41';
const DECIMALS = '0x313ce567';

/** Symbol and decimals of a token, read from the token itself the first time; the ledger remembers them. */
export type AssetReader = (trx: Db, chainId: number, token: string) => Promise<AssetRow>;

export function createAssetReader(deps: {
  store: Pick<typeof ledgerStore, 'asset' | 'insertAsset'>;
  call: (chainId: number, request: { to: string; data: string }) => Promise<string>;
}): AssetReader {
  const { store, call } = deps;
  /** Assets whose row was seen committed. One that was only inserted may still be rolled back with its transaction. */
  const known = new Map<string, AssetRow>();
  const ask = async (chainId: number, to: string, data: string): Promise<string | undefined> => {
    try {
      return await call(chainId, { to, data });
    } catch (error) {
      // A token without the optional function; a chain that is away is thrown and the batch tried again.
      if ((error as { reverted?: boolean }).reverted === true) return undefined;
      throw error;
    }
  };
  return async (trx, chainId, token) => {
    const id = erc20Asset(chainId, token);
    const cached = known.get(id);
    if (cached) return cached;
    const stored = await store.asset(trx, id);
    if (stored) {
      known.set(id, stored);
      return stored;
    }
    const [symbol, decimals] = await Promise.all([
      ask(chainId, token, SYMBOL),
      ask(chainId, token, DECIMALS),
    ]);
    const asset = { id, symbol: decodeSymbol(symbol) ?? token, decimals: decodeDecimals(decimals) ?? 0 };
    await store.insertAsset(trx, asset);
    return asset;
  };
}

/** ERC-20 says string; some old tokens answer bytes32. */
export function decodeSymbol(answer: string | undefined): string | undefined {
  if (answer === undefined || answer === '0x') return undefined;
  try {
    const text =
      answer.length === 66
        ? toUtf8String(answer.replace(/(00)+$/, ''))
        : String(AbiCoder.defaultAbiCoder().decode(['string'], answer)[0]);
    const clean = text.replace(/[^\x21-\x7e]/g, '').slice(0, 32);
    return clean === '' ? undefined : clean;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return undefined;
  }
}

export function decodeDecimals(answer: string | undefined): number | undefined {
  if (answer === undefined || !/^0x[0-9a-f]{64}$/i.test(answer)) return undefined;
  const value = BigInt(answer);
  return value <= 255n ? Number(value) : undefined;
}
