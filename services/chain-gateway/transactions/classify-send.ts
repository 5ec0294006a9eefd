import type { SendOutcome } from './lane-types.ts';

/** How nodes say the same thing (geth, nethermind, besu, erigon, anvil, and gateways before them). */
const PATTERNS: readonly [SendOutcome['kind'], RegExp][] = [
  ['already_known', /already known|known transaction|already imported|already exists|AlreadyKnown/i],
  ['nonce_too_low', /nonce too low|nonce is too low|OldNonce|already been used|old nonce/i],
  [
    'underpriced',
    /underpriced|max fee per gas less than block base fee|fee cap less than|fee too low|FeeTooLow|gas price below/i,
  ],
  ['insufficient_funds', /insufficient funds|upfront cost|InsufficientFunds|insufficient balance/i],
  [
    'invalid',
    /intrinsic gas|exceeds block gas limit|gas limit (is )?too (high|low)|invalid (sender|signature|chain id)|tip (is )?higher|tip above fee cap|oversized|init code size/i,
  ],
];

/** What an error of eth_sendRawTransaction means for the bytes that were sent. Whatever is not understood is `unknown`. */
export function classifySendError(error: unknown): SendOutcome {
  const message = error instanceof Error ? error.message : String(error);
  for (const [kind, pattern] of PATTERNS) {
    if (pattern.test(message)) return { kind, message } as SendOutcome;
  }
  return { kind: 'unknown', message };
}
