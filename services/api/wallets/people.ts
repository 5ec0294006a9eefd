import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import type { ServiceClient } from '../../../lib/service-client.ts';

const optionalText = z
  .string()
  .nullish()
  .transform((value) => value ?? null);

/** A wallet as the user service tells it. */
const walletShape = z.looseObject({
  address: z.string(),
  label: optionalText,
  proof: z.enum(['signature', 'none']).default('signature'),
  primary: z.boolean().default(false),
  linkedAt: z.string().nullish(),
  createdAt: z.string().nullish(),
});

export interface LinkedWallet {
  readonly address: string;
  readonly label: string | null;
  /** `none`: watched only. Nothing private hangs on it. */
  readonly proof: 'signature' | 'none';
  readonly primary: boolean;
  readonly linkedAt: string;
}

const toWallet = (raw: z.output<typeof walletShape>): LinkedWallet => ({
  address: raw.address,
  label: raw.label,
  proof: raw.proof,
  primary: raw.primary,
  linkedAt: raw.linkedAt ?? raw.createdAt ?? new Date(0).toISOString(),
});

const listShape = z.union([
  z.array(walletShape),
  z.looseObject({ data: z.array(walletShape) }).transform((value) => value.data),
  z.looseObject({ wallets: z.array(walletShape) }).transform((value) => value.wallets),
]);

const challengeShape = z.object({ message: z.string(), expiresAt: z.string() });

export interface WalletChange {
  readonly label?: string | null | undefined;
  readonly primary?: true | undefined;
}

export type People = ReturnType<typeof createPeople>;

/** The user service as the API sees it: it alone knows which wallet belongs to whom. */
export function createPeople({ client }: { client: ServiceClient }) {
  const base = (personId: string): string => `/internal/people/${encodeURIComponent(personId)}/wallets`;
  const one = (personId: string, address: string): string => `${base(personId)}/${address}`;
  return {
    challenge: (personId: string, address: string) =>
      client.request({
        method: 'POST',
        path: `${base(personId)}/challenge`,
        body: { address },
        schema: challengeShape,
      }),
    async link(
      personId: string,
      proof: { message: string; signature: string; label?: string | undefined },
      idempotencyKey: string,
    ): Promise<LinkedWallet> {
      return toWallet(
        await client.request({
          method: 'POST',
          path: base(personId),
          body: proof,
          idempotencyKey,
          schema: walletShape,
        }),
      );
    },
    async watch(
      personId: string,
      address: string,
      watched: { label?: string | undefined },
    ): Promise<LinkedWallet> {
      return toWallet(
        await client.request({
          method: 'PUT',
          path: `${one(personId, address)}/watch`,
          body: watched,
          schema: walletShape,
        }),
      );
    },
    async list(personId: string): Promise<LinkedWallet[]> {
      return (await client.request({ method: 'GET', path: base(personId), schema: listShape })).map(toWallet);
    },
    async update(personId: string, address: string, change: WalletChange): Promise<LinkedWallet> {
      return toWallet(
        await client.request({
          method: 'PATCH',
          path: one(personId, address),
          body: change,
          schema: walletShape,
        }),
      );
    },
    unlink: (personId: string, address: string) =>
      client.request({ method: 'DELETE', path: one(personId, address), schema: z.unknown() }),

    /** The person to whom the wallet is linked, or undefined. */
    async ownerOf(address: string): Promise<string | undefined> {
      try {
        const answer = await client.request({
          method: 'GET',
          path: `/internal/wallets/${address}`,
          schema: z.looseObject({ personId: z.string() }),
        });
        return answer.personId;
      } catch (error) {
        if (error instanceof AppError && error.code === 'not_found') return undefined;
        throw error;
      }
    },
  };
}
