import { z } from 'zod';

/** What earns a reward, and how often. */
export const ruleSchema = z.strictObject({
  on: z
    .string()
    .regex(/^[a-z]+\.[a-z0-9.-]+$/)
    .describe('Notification type that earns it, or manual.<name> for awards by a service'),
  amount: z
    .string()
    .regex(/^[1-9]\d{0,40}$/)
    .describe('Smallest units of one award'),
  maxPerPerson: z.number().int().min(1).optional(),
  window: z
    .strictObject({
      max: z.number().int().min(1),
      hours: z
        .number()
        .int()
        .min(1)
        .max(24 * 366),
    })
    .optional()
    .describe('At most so many within so many hours'),
  minimumAmount: z
    .string()
    .regex(/^\d{1,60}$/)
    .optional()
    .describe('Smallest transfer that counts, smallest units'),
  minimumAccountAgeHours: z.number().int().min(0).optional(),
  counterparties: z
    .array(z.string())
    .max(100)
    .optional()
    .describe('Only transfers from or to these addresses'),
});
export type Rule = z.output<typeof ruleSchema>;

export interface Campaign {
  readonly id: string;
  readonly rule: Rule;
  readonly startsAt: number;
  readonly endsAt: number | null;
  readonly paused: boolean;
  readonly budget: bigint;
  readonly committed: bigint;
}

/** Something that happened to one person. */
export interface Happening {
  readonly type: string;
  readonly at: number;
  readonly amount?: bigint;
  readonly from?: string;
  readonly to?: string;
}

/** What the person has from this campaign so far; voided and clawed-back awards are not in it. */
export interface Standing {
  readonly awards: number;
  /** Times of awards, milliseconds, at least those within the window. */
  readonly times: readonly number[];
  readonly accountCreatedAt: number;
}

export type Eligibility =
  | { readonly eligible: true; readonly amount: bigint }
  | { readonly eligible: false; readonly reason: string };

const HOUR_MS = 3_600_000;

/** Whether a happening earns an award. Money is left: the caller holds the campaign's row while it asks and writes. */
export function judge(campaign: Campaign, happening: Happening, standing: Standing): Eligibility {
  const { rule } = campaign;
  const no = (reason: string): Eligibility => ({ eligible: false, reason });
  if (rule.on !== happening.type) return no('another kind of event');
  if (campaign.paused) return no('the campaign is paused');
  if (happening.at < campaign.startsAt) return no('before the campaign');
  if (campaign.endsAt !== null && happening.at >= campaign.endsAt) return no('after the campaign');
  if (rule.minimumAmount !== undefined && (happening.amount ?? 0n) < BigInt(rule.minimumAmount))
    return no('the amount is too small');
  if (
    rule.counterparties &&
    ![happening.from, happening.to].some((a) => a !== undefined && rule.counterparties?.includes(a))
  )
    return no('not with one of the partners');
  if (
    rule.minimumAccountAgeHours !== undefined &&
    happening.at - standing.accountCreatedAt < rule.minimumAccountAgeHours * HOUR_MS
  )
    return no('the account is too young');
  if (rule.maxPerPerson !== undefined && standing.awards >= rule.maxPerPerson)
    return no('the person has all she can get');
  const { window } = rule;
  if (window) {
    const since = happening.at - window.hours * HOUR_MS;
    if (standing.times.filter((t) => t > since).length >= window.max) return no('too many within the window');
  }
  const amount = BigInt(rule.amount);
  if (campaign.committed + amount > campaign.budget) return no('the budget is used up');
  return { eligible: true, amount };
}

export type AwardState = 'pending' | 'posted' | 'voided' | 'clawed-back';

/** Where an award goes when the chain changes its mind; undefined: nowhere. */
export function nextState(
  state: AwardState,
  stage: 'pending' | 'confirmed' | 'finalized' | 'reverted',
): AwardState | undefined {
  if (stage === 'reverted')
    return state === 'pending' ? 'voided' : state === 'posted' ? 'clawed-back' : undefined;
  if (stage === 'pending') return undefined;
  return state === 'pending' ? 'posted' : undefined;
}
