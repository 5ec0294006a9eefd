import { HDNodeWallet, Mnemonic } from 'ethers';
import type { Hex } from './hex.ts';

/** The phrase that anvil and every other development node ship with. Everybody knows it: never for real value. */
const DEV_PHRASE = 'test test test test test test test test test test test junk';

/** Chain id of development chains; the accounts below are refused anywhere else. */
export const DEV_CHAIN_ID = 31_337;

export interface DevAccount {
  readonly address: Hex;
  readonly privateKey: Hex;
}

/** The `index`-th account (from 0) that a development node funds at start. */
export function devAccount(index: number): DevAccount {
  const wallet = HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(DEV_PHRASE), `m/44'/60'/0'/0/${index}`);
  return { address: wallet.address as Hex, privateKey: wallet.privateKey as Hex };
}
