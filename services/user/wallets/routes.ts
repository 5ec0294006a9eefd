import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { lineOfText } from '../shared/text.ts';
import type { Wallets } from './service.ts';
import type { WalletRow, WatchedRow } from './store.ts';

const walletSchema = z
  .object({
    address: z.string(),
    proof: z.enum(['signature', 'none']).describe('none: watched only, nothing private hangs on it'),
    primary: z.boolean(),
    chainId: z.number().int().nullable(),
    label: z.string().nullable(),
    kind: z.enum(['eoa', 'contract']).nullable(),
    linkedAt: z.iso.datetime(),
    history: z
      .enum(['reading', 'complete'])
      .nullable()
      .describe('Whether transfers from before the link are in the ledger yet'),
  })
  .meta({ id: 'LinkedWallet' });

const toJson = (row: WalletRow & { primary: boolean }) => ({
  address: row.address,
  proof: 'signature' as const,
  primary: row.primary,
  chainId: row.chainId,
  label: row.label,
  kind: row.kind,
  linkedAt: row.linkedAt.toISOString(),
  history: row.historyState === 'done' ? ('complete' as const) : ('reading' as const),
});

const watchedToJson = (row: WatchedRow) => ({
  address: row.address,
  proof: 'none' as const,
  primary: false,
  chainId: null,
  label: row.label,
  kind: null,
  linkedAt: row.createdAt.toISOString(),
  history: null,
});

const person = z.object({ personId: z.uuid() });
const personAndAddress = z.object({ personId: z.uuid(), address: addressSchema });
const signedMessage = {
  message: z.string().max(8_192),
  signature: z
    .string()
    .regex(/^0x([0-9a-fA-F]{2}){1,4096}$/, 'expected a signature as 0x and hexadecimal digits'),
};

/** Routes for our other services; the API shows wallets to the app and calls these. */
export function walletRoutes(deps: {
  wallets: Wallets;
  exists: (personId: string) => Promise<boolean>;
  challenge: (input: {
    personId: string;
    address: string;
    chainId?: number;
  }) => Promise<{ message?: string; expiresAt: Date }>;
  link: (input: {
    personId: string;
    message: string;
    signature: string;
    label: string | null;
  }) => Promise<WalletRow>;
  find: (address: string) => Promise<WalletRow | undefined>;
}): Route[] {
  const { wallets, exists } = deps;
  const requirePerson = async (personId: string): Promise<void> => {
    if (!(await exists(personId))) throw new AppError('not_found', 'There is no such person.');
  };
  async function listOf(personId: string) {
    const { linked, watched } = await wallets.overview(personId);
    return [...linked.map(toJson), ...watched.map(watchedToJson)];
  }
  async function one(personId: string, address: string) {
    const found = (await listOf(personId)).find((wallet) => wallet.address === address);
    if (!found) throw new AppError('not_found', `The wallet ${address} is not linked to this person.`);
    return found;
  }
  const base = { tags: ['Wallets (internal)'], auth: ['service'] as const };
  return [
    defineRoute({
      ...base,
      method: 'post',
      path: '/internal/people/{personId}/wallets/challenge',
      operationId: 'challengeWallet',
      summary: 'A message that proves control of a wallet when signed',
      params: person,
      body: z.strictObject({ address: addressSchema, chainId: z.number().int().positive().optional() }),
      responses: {
        201: {
          description: 'To be signed by the wallet',
          schema: z.object({ message: z.string(), expiresAt: z.iso.datetime() }),
        },
      },
      errors: ['not_found', 'invalid_argument'],
      async handler({ params, body }) {
        await requirePerson(params.personId);
        const challenge = await deps.challenge({
          personId: params.personId,
          address: body.address,
          ...(body.chainId === undefined ? {} : { chainId: body.chainId }),
        });
        return reply(201, { message: challenge.message, expiresAt: challenge.expiresAt.toISOString() });
      },
    }),
    defineRoute({
      ...base,
      method: 'post',
      path: '/internal/people/{personId}/wallets',
      operationId: 'linkWallet',
      summary: 'Link the wallet that signed the challenge',
      params: person,
      body: z.strictObject({ ...signedMessage, label: lineOfText(60).nullable().optional() }),
      responses: { 201: { description: 'Linked', schema: walletSchema } },
      errors: [
        'not_found',
        'invalid_argument',
        'invalid_signature',
        'expired_token',
        'nonce_used',
        'already_linked',
        'conflict',
        'chain_unavailable',
      ],
      async handler({ params, body }) {
        await requirePerson(params.personId);
        const row = await deps.link({
          personId: params.personId,
          message: body.message,
          signature: body.signature,
          label: body.label ?? null,
        });
        return reply(201, await one(params.personId, row.address));
      },
    }),
    defineRoute({
      ...base,
      method: 'put',
      path: '/internal/people/{personId}/wallets/{address}/watch',
      operationId: 'watchWallet',
      summary: 'Watch an address without proof',
      description: 'Gives no rights: no sign-in, no notices, no ledger, nothing private.',
      params: personAndAddress,
      body: z.strictObject({ label: lineOfText(60).nullable().optional() }),
      responses: { 200: { description: 'Watched, or linked already', schema: walletSchema } },
      errors: ['not_found', 'conflict'],
      async handler({ params, body }) {
        await requirePerson(params.personId);
        await wallets.watch(params.personId, params.address, body.label ?? null);
        return reply(200, await one(params.personId, params.address));
      },
    }),
    defineRoute({
      ...base,
      method: 'get',
      path: '/internal/people/{personId}/wallets',
      operationId: 'listWallets',
      summary: 'Linked and watched wallets of a person',
      params: person,
      responses: {
        200: {
          description: 'In the order in which they were linked, the watched ones after them',
          schema: z.object({ data: z.array(walletSchema) }),
        },
      },
      errors: ['not_found'],
      async handler({ params }) {
        await requirePerson(params.personId);
        return reply(200, { data: await listOf(params.personId) });
      },
    }),
    defineRoute({
      ...base,
      method: 'patch',
      path: '/internal/people/{personId}/wallets/{address}',
      operationId: 'changeWallet',
      summary: 'Change the label of a wallet, or make it the primary one',
      params: personAndAddress,
      body: z.strictObject({
        label: lineOfText(60).nullable().optional(),
        primary: z.literal(true).optional(),
      }),
      responses: { 200: { description: 'Changed', schema: walletSchema } },
      errors: ['not_found', 'invalid_argument'],
      async handler({ params, body }) {
        await wallets.change(params.personId, params.address, body);
        return reply(200, await one(params.personId, params.address));
      },
    }),
    defineRoute({
      ...base,
      method: 'delete',
      path: '/internal/people/{personId}/wallets/{address}',
      operationId: 'unlinkWallet',
      summary: 'Unlink a wallet, or stop watching it',
      params: personAndAddress,
      responses: { 204: { description: 'Unlinked' } },
      errors: ['not_found', 'conflict'],
      async handler({ params }) {
        await wallets.unlink(params.personId, params.address);
        return reply(204);
      },
    }),
    defineRoute({
      ...base,
      method: 'get',
      path: '/internal/wallets/{address}',
      operationId: 'findWallet',
      summary: 'Whose wallet an address is',
      params: z.object({ address: addressSchema }),
      responses: { 200: { description: 'The person', schema: z.object({ personId: z.uuid() }) } },
      errors: ['not_found'],
      async handler({ params }) {
        const row = await deps.find(params.address);
        if (!row) throw new AppError('not_found', 'Nobody has linked this wallet.');
        return reply(200, { personId: row.personId });
      },
    }),
  ];
}
