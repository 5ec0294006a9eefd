import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { lineOfText, localeSchema, timeZoneSchema } from '../shared/text.ts';

/** The columns of the exchange file, in this order; docs/migration/import.md explains them. */
export const COLUMNS = [
  'legacy_id',
  'email',
  'display_name',
  'locale',
  'time_zone',
  'wallets',
  'email_enabled',
  'push_enabled',
  'points',
  'created_at',
] as const;

const optional = <S extends z.ZodType>(schema: S, fallback: z.output<S> | null) =>
  z.union([z.literal('').transform(() => fallback), schema]);
const yesNo = z
  .enum(['true', 'false', '1', '0', 'yes', 'no', ''])
  .transform((v) => v === '' || v === 'true' || v === '1' || v === 'yes');

/** One person of the old service. */
export const legacyRowSchema = z.object({
  legacy_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected 1 to 64 letters, digits, _ or -'),
  email: optional(z.email().max(254), null),
  display_name: optional(lineOfText(80), null),
  locale: optional(localeSchema, 'en'),
  time_zone: optional(timeZoneSchema, 'UTC'),
  wallets: z
    .string()
    .transform((text) => (text === '' ? [] : text.split(';').map((part) => part.trim())))
    .pipe(z.array(addressSchema).max(50))
    .refine((list) => new Set(list).size === list.length, 'names a wallet twice'),
  email_enabled: yesNo,
  push_enabled: yesNo,
  points: optional(z.string().regex(/^\d{1,30}$/, 'expected a whole number, not negative'), '0'),
  created_at: z.iso.datetime({ offset: true }).refine((t) => Date.parse(t) > 0, 'is before 1970'),
});
export type LegacyRow = z.output<typeof legacyRowSchema>;

export interface Fault {
  readonly line: number;
  readonly legacyId: string | null;
  readonly field: string;
  readonly detail: string;
}

/** Reads the cells of one line; every fault is reported, not only the first. */
export function parseLegacyRow(
  line: number,
  cells: readonly string[],
): { row: LegacyRow } | { faults: Fault[] } {
  if (cells.length !== COLUMNS.length)
    return {
      faults: [
        {
          line,
          legacyId: cells[0] ?? null,
          field: '',
          detail: `has ${cells.length} cells, expected ${COLUMNS.length}`,
        },
      ],
    };
  const parsed = legacyRowSchema.safeParse(Object.fromEntries(COLUMNS.map((name, i) => [name, cells[i]])));
  if (parsed.success) {
    if (parsed.data.wallets.length === 0 && parsed.data.email === null)
      return {
        faults: [
          {
            line,
            legacyId: parsed.data.legacy_id,
            field: 'wallets',
            detail: 'has neither wallet nor e-mail: the person could not sign in',
          },
        ],
      };
    return { row: parsed.data };
  }
  return {
    faults: parsed.error.issues.map((issue) => ({
      line,
      legacyId: cells[0]?.slice(0, 64) ?? null,
      field: String(issue.path[0] ?? ''),
      detail: issue.message,
    })),
  };
}
