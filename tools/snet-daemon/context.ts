import type { DaemonChain } from './chain.ts';
import type { DaemonStorage } from './storage.ts';

/** What a daemon is configured with, from its organisation's and its service's metadata. */
export interface DaemonSettings {
  readonly orgId: string;
  readonly serviceId: string;
  readonly groupName: string;
  /** Base64, and the same as 32 bytes in hex. */
  readonly groupId: string;
  readonly groupIdHex: string;
  readonly mpeAddress: string;
  /** Who is paid (EIP-55). */
  readonly recipient: string;
  readonly paymentExpirationThreshold: bigint;
  /** Price of a call, cogs, and of methods (`package.Service/Method`) that cost another. */
  readonly price: bigint;
  readonly prices: Readonly<Record<string, bigint>>;
  readonly freeCalls: number;
  /** Signs free call tokens. */
  readonly freeCallSignerKey: string;
}

/** What may be changed while it runs; a fault is switched off by setting it back. */
export interface Faults {
  /** Added to the daemon's clock, milliseconds. */
  clockSkewMs: number;
  /** Added to the block that the daemon believes to be the newest. */
  blockSkew: number;
  /** Every call takes this much longer, milliseconds. */
  slowMs: number;
  /** Share of calls whose service fails, 0 to 1. */
  failShare: number;
  /** Calls whose answer is thrown away after the payment was taken. */
  loseAnswers: number;
  /** Refuses everything: `RESOURCE_EXHAUSTED` as its rate limiter does. */
  overloaded: boolean;
  /** false: a daemon from before prepaid calls. */
  prepaid: boolean;
  tokenLifeSeconds: number;
  /** Calls that the service works on at once, and how long one takes, milliseconds. */
  workers: number;
  workMs: number;
}

export const NO_FAULTS: Faults = {
  clockSkewMs: 0,
  blockSkew: 0,
  slowMs: 0,
  failShare: 0,
  loseAnswers: 0,
  overloaded: false,
  prepaid: true,
  tokenLifeSeconds: 86_400,
  workers: 1_000,
  workMs: 0,
};

/** What happened, for tests to hold against what the gateway says. */
export interface Observed {
  accepted(channelId: string, nonce: bigint, amount: bigint): void;
  readonly acceptedPayments: { channelId: string; nonce: string; amount: string }[];
  readonly counts: Record<string, number>;
  count(what: string): void;
}

export interface DaemonContext {
  readonly settings: DaemonSettings;
  readonly chain: DaemonChain;
  readonly storage: DaemonStorage;
  readonly faults: Faults;
  readonly observed: Observed;
  currentBlock(): Promise<bigint>;
  /** Epoch milliseconds by the daemon's own clock. */
  now(): number;
}

export function createObserved(): Observed {
  const acceptedPayments: Observed['acceptedPayments'] = [];
  const counts: Record<string, number> = {};
  return {
    acceptedPayments,
    counts,
    accepted: (channelId, nonce, amount) =>
      void acceptedPayments.push({ channelId, nonce: `${nonce}`, amount: `${amount}` }),
    count: (what) => {
      counts[what] = (counts[what] ?? 0) + 1;
    },
  };
}
