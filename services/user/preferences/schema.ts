import { z } from 'zod';

/** Ways out of the house; the inbox is always on, because it is the record of what happened. */
export const CHANNELS = ['email', 'push', 'fcm', 'webhook'] as const;
export type Channel = (typeof CHANNELS)[number];

/** What notifications are about; every notification type belongs to one topic. */
export const TOPICS = [
  'transfers',
  'nfts',
  'identity',
  'data',
  'permissions',
  'rewards',
  'partners',
  'security',
] as const;
export type Topic = (typeof TOPICS)[number];

const time = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day such as 22:00')
  .meta({ description: 'Local time of day, HH:MM', examples: ['22:00'] });

const channelSwitches = z.strictObject({
  email: z.boolean().optional(),
  push: z.boolean().optional(),
  fcm: z.boolean().optional(),
  webhook: z.boolean().optional(),
});

/** What a person wants to be told, where and when. Security notices ignore topics, quiet hours and digests. */
export const preferencesSchema = z
  .strictObject({
    channels: z
      .strictObject({
        email: z
          .strictObject({
            enabled: z.boolean().default(true),
            digest: z
              .enum(['off', 'hourly', 'daily'])
              .default('off')
              .describe('Collect notices into one message'),
            digestAt: time.default('08:00').describe('Local time of the daily digest'),
          })
          .prefault({}),
        push: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
        fcm: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
        webhook: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
      })
      .prefault({}),
    topics: z
      .partialRecord(z.enum(TOPICS), channelSwitches)
      .default({})
      .describe('Topic × channel; a pair that is not named is on'),
    quietHours: z
      .strictObject({ from: time, to: time })
      .refine((q) => q.from !== q.to, 'from and to must differ')
      .nullable()
      .default(null)
      .describe('In the time zone of the profile; may span midnight. Messages wait until it ends.'),
    minimumAmounts: z
      .record(
        z.string().regex(/^[A-Za-z0-9._-]{1,32}$/, 'expected a token symbol'),
        z.string().regex(/^\d{1,60}(\.\d{1,30})?$/, 'expected an amount such as "0.5"'),
      )
      .refine((r) => Object.keys(r).length <= 100, 'at most 100 tokens')
      .default({})
      .describe('Token symbol → smallest transfer that leaves the inbox'),
    consent: z.strictObject({ analytics: z.boolean().default(false) }).prefault({}),
  })
  .meta({ id: 'Preferences' });

export type Preferences = z.output<typeof preferencesSchema>;

/** What applies to somebody who never chose. */
export const defaultPreferences: Preferences = preferencesSchema.parse({});
