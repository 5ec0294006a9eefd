import type { Wallet } from 'ethers';
import type { HttpClient } from './http-client.ts';

/** Somebody with a wallet who is signed in. */
export interface Person {
  readonly wallet: Wallet;
  readonly personId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}
export type { HttpClient };
