import type { Stage } from '../gateway/schemas.ts';
import type { DeliveryKind } from './store.ts';

/** A notification as channels render it. */
export interface Notification {
  readonly inboxId: string;
  readonly type: string;
  readonly stage: Stage;
  readonly data: Readonly<Record<string, unknown>>;
  readonly occurredAt: Date;
}

/** One message to one target; more than one notification makes it a digest. */
export interface Message {
  /** Stable over all attempts: receivers can tell a repetition. */
  readonly id: string;
  readonly kind: DeliveryKind;
  readonly personId: string | null;
  readonly locale: string;
  readonly timeZone: string;
  readonly notifications: readonly Notification[];
  /** Opened payload of messages that belong to no notification (codes). */
  readonly payload: Readonly<Record<string, unknown>> | undefined;
}

/** What became of an attempt. */
export type Outcome =
  | { readonly result: 'delivered'; readonly detail: string }
  | {
      readonly result: 'retry';
      readonly detail: string;
      readonly retryAfterMs?: number;
      /** False when only this target is to blame: the breaker of the provider stays out of it. */
      readonly providerFault: boolean;
    }
  | {
      readonly result: 'dead';
      readonly detail: string;
      /** The target will never work again. */
      readonly target?: 'disable' | 'block-address';
    };

/** A way out of the house. It renders, sends once and reports; queues, retries and records are not its business. */
export interface ChannelSender<Target> {
  /** Names who would be to blame for a failure: breakers and limits count by it. */
  providerOf(target: Target): string;
  send(message: Message, target: Target, signal: AbortSignal): Promise<Outcome>;
}

export interface WebPushTarget {
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
}

export interface FcmTarget {
  readonly token: string;
}

export interface WebhookTarget {
  readonly url: string;
  /** `whsec_…`, the newest first; all sign, so that a receiver can change over. */
  readonly secrets: readonly { readonly secret: string; readonly until: number | null }[];
}

export interface EmailTarget {
  readonly address: string;
}
