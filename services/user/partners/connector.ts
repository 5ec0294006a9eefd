/** A partner's offer in our words. */
export interface Offer {
  readonly offerId: string;
  readonly title: string;
  readonly description: string;
  /** Smallest units of `currency`. */
  readonly price: bigint;
  readonly currency: string;
  readonly availableUntil: Date | null;
}

/** Something a partner sent that we could not understand; operators see it, the rest of the answer is used. */
export interface MappingProblem {
  readonly what: string;
  readonly detail: string;
  readonly sample: unknown;
}

export interface OrderPlaced {
  readonly reference: string;
}

export interface OrderNews {
  readonly reference: string;
  readonly state: 'fulfilled' | 'refused';
  readonly reason: string | null;
}

/** A refusal that no retry changes. */
export class PartnerRefused extends Error {
  override readonly name = 'PartnerRefused';
}

/** The webhook is not from the partner, or too old. */
export class WebhookRefused extends Error {
  override readonly name = 'WebhookRefused';
}

/**
 * A partner, behind the one interface that the rest of the service knows. A connector translates; retries, replay
 * protection, storage and schedules are not its business.
 */
export interface PartnerConnector {
  readonly name: string;
  fetchOffers(
    signal: AbortSignal,
  ): Promise<{ offers: readonly Offer[]; problems: readonly MappingProblem[] }>;
  /**
   * Places an order; `order.id` is the idempotency key, so that an order whose answer was lost is placed once.
   * @throws PartnerRefused when trying again is useless, anything else when it is not
   */
  placeOrder(
    order: { id: string; offerId: string; buyer: string },
    signal: AbortSignal,
  ): Promise<OrderPlaced>;
  /** @throws WebhookRefused */
  readWebhook(request: {
    headers: Readonly<Record<string, string | string[] | undefined>>;
    body: Buffer;
    now: number;
  }): {
    readonly id: string;
    readonly news: readonly OrderNews[];
    readonly problems: readonly MappingProblem[];
  };
}

/** A webhook older or younger than this is a replay or a wrong clock, milliseconds. */
export const WEBHOOK_TOLERANCE_MS = 5 * 60_000;
