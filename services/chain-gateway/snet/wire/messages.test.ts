import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { devAccount } from '../../../../contracts/dev-accounts.ts';
import {
  claimSigner,
  freeCallSigner,
  stateRequestSigner,
  tokenRequestSigner,
} from '../../../../tools/snet-daemon/signatures.ts';
import { createKeySigner } from '../../signers/local-signers.ts';
import { judgeCallError, judgeTokenError } from './daemon-errors.ts';
import {
  channelStateMessage,
  claimMessage,
  freeCallMessage,
  fromBytes,
  signerOf,
  signMessage,
  tokenRequestMessage,
  word,
} from './messages.ts';

const mpe = devAccount(5).address;
const signer = createKeySigner(devAccount(8).privateKey);
const uint = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });

describe('signed messages, read by code that was written from the daemon’s side', () => {
  it('claims', async () => {
    await fc.assert(
      fc.asyncProperty(uint, uint, uint, async (channelId, nonce, amount) => {
        const message = claimMessage({ mpeAddress: mpe, channelId, nonce, amount });
        const signature = await signMessage(signer, message);
        expect(claimSigner(mpe, channelId, nonce, amount, signature)).toBe(signer.address);
        expect(signerOf(message, signature)).toBe(signer.address);
        // Any other amount is somebody else's signature: nobody can turn one payment into another.
        expect(claimSigner(mpe, channelId, nonce, amount ^ 1n, signature)).not.toBe(signer.address);
      }),
      { numRuns: 30 },
    );
  });

  it('questions for state and tokens, and free calls', async () => {
    const block = 123_456n;
    const claim = await signMessage(
      signer,
      claimMessage({ mpeAddress: mpe, channelId: 1n, nonce: 2n, amount: 3n }),
    );
    const state = await signMessage(signer, channelStateMessage(mpe, 1n, block));
    expect(stateRequestSigner(mpe, 1n, block, state)).toBe(signer.address);
    const token = await signMessage(signer, tokenRequestMessage(claim, block));
    expect(tokenRequestSigner(claim, block, token)).toBe(signer.address);
    const subject = { address: signer.address, userId: 'ü', orgId: 'o', serviceId: 's', groupId: 'Zw==' };
    const free = await signMessage(signer, freeCallMessage(subject, block, claim));
    expect(freeCallSigner(subject, block, claim, free)).toBe(signer.address);
  });

  it('integers of any length', () => {
    fc.assert(fc.property(uint, (value) => fromBytes(word(value)) === value));
    expect(fromBytes(new Uint8Array())).toBe(0n);
    expect(fromBytes(new Uint8Array([1, 0]))).toBe(256n);
  });

  it('no signature at all', () => {
    expect(signerOf(new Uint8Array([1]), new Uint8Array(64))).toBeUndefined();
    expect(signerOf(new Uint8Array([1]), new Uint8Array(65))).toBeUndefined();
  });
});

describe('errors of the daemon', () => {
  it.each([
    [9, 'another transaction on channel: {ID: 4} is in progress', 'busy'],
    [1000, 'incorrect payment channel nonce, latest: 1, sent: 0', 'stale'],
    [16, 'income 0 does not equal to price 10', 'stale'],
    [16, 'payment channel is near to be expired, expiration time: 9', 'funds'],
    [16, 'payment is not signed by channel signer/sender', 'refused'],
    [13, 'internal error: Usage Exceeded on channel Id 0', 'exhausted'],
    [13, 'internal error: token has invalid claims: token is expired', 'token'],
    [13, 'internal error: token signature is invalid: signature is invalid', 'token'],
    [13, 'internal error: free call limit has been exceeded, calls made = 3', 'free-limit'],
    [3, 'unexpected "snet-payment-type", value: "prepaid-call"', 'unsupported'],
    [8, 'rate limiting , too many requests to handle', 'overloaded'],
    [14, 'No connection established. Last error: connect ECONNREFUSED', 'overloaded'],
    [14, 'Connection dropped', 'unknown'],
    [4, 'Deadline exceeded', 'unknown'],
    // A service's own errors look like nothing of the above, whatever their code.
    [13, 'the model crashed', 'service'],
    [3, 'unknown variable', 'service'],
    [16, 'log in first', 'service'],
  ])('%i %s means %s', (code, details, verdict) => {
    expect(judgeCallError({ code, details })).toBe(verdict);
  });

  it.each([
    [12, 'unknown service escrow.TokenService', 'unsupported'],
    [2, 'signed amount for token request needs to be greater than last signed amount', 'stale'],
    [2, 'authentication failed as the signature passed has expired', 'stale'],
    [2, 'signed amount for token request cannot be greater than full amount in channel', 'funds'],
    [2, 'unable to retrieve planned Amount <nil>', 'exhausted'],
    [14, 'Connection dropped', 'unknown'],
  ])('token service: %i %s means %s', (code, details, verdict) => {
    expect(judgeTokenError({ code, details })).toBe(verdict);
  });
});
