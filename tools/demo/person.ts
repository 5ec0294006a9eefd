import { type HDNodeWallet, Wallet } from 'ethers';
import siwe from 'siwe';
import type { HttpClient } from './http-client.ts';

/** Somebody with a wallet who is signed in. */
export interface Person {
  readonly wallet: HDNodeWallet;
  readonly id: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** A wallet nobody has used before: every run of the story tells of a new person. */
export const newWallet = (): HDNodeWallet => Wallet.createRandom();

/** What the user service says a sign-in message must name. */
export interface Challenge {
  readonly nonce: string;
  readonly domain: string;
  readonly uri: string;
}

/**
 * A Sign-In with Ethereum message (EIP-4361). Built with the standard's reference library and not with ours, so that
 * the story also proves that other wallets' messages are understood.
 */
export function signInMessage(challenge: Challenge, address: string, chainId: number): string {
  return new siwe.SiweMessage({
    domain: challenge.domain,
    address,
    statement: 'Sign in to the Rejuve Longevity App.',
    uri: challenge.uri,
    version: '1',
    chainId,
    nonce: challenge.nonce,
    issuedAt: new Date().toISOString(),
  }).prepareMessage();
}

/** Asks for a nonce, signs, and exchanges the signature for tokens. */
export async function signIn(
  user: HttpClient,
  wallet: HDNodeWallet,
  chainId: number,
): Promise<{ person: Person; message: string; signature: string }> {
  const { body: challenge } = await user.post('/v1/auth/nonce', { body: {} });
  const message = signInMessage(challenge, wallet.address, chainId);
  const signature = await wallet.signMessage(message);
  const { body } = await user.post('/v1/auth/siwe', { body: { message, signature } });
  return {
    person: {
      wallet,
      id: body.personId,
      accessToken: body.accessToken,
      refreshToken: body.refreshToken,
    },
    message,
    signature,
  };
}
