import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { lineOfText } from '../shared/text.ts';
import type { Wallets } from './service.ts';
import type { WalletRow } from './store.ts';

const walletSchema = z
  .object({
    address: z.string(),
    chainId: z.number().int(),
    label: z.string().nullable(),
    kind: z.enum(['eoa', 'contract']),
    linkedAt: z.iso.datetime(),
    history: z
      .enum(['reading', 'complete'])
      .describe('Whether transfers from before the link are in the ledger yet'),
  })
  .meta({ id: 'LinkedWallet' });

const toJson = (row: WalletRow) => ({
  address: row.address,
  chainId: row.chainId,
  label: row.label,
  kind: row.kind,
  linkedAt: row.linkedAt.toISOString(),
  history: row.historyState === 'done' ? ('complete' as const) : ('reading' as const),
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
        return reply(201, toJson(row));
      },
    }),
    defineRoute({
      ...base,
      method: 'get',
      path: '/internal/people/{personId}/wallets',
      operationId: 'listWallets',
      summary: 'Linked wallets of a person',
      params: person,
      responses: {
        200: {
          description: 'In the order in which they were linked',
          schema: z.object({ data: z.array(walletSchema) }),
        },
      },
      errors: ['not_found'],
      async handler({ params }) {
        await requirePerson(params.personId);
        return reply(200, { data: (await wallets.list(params.personId)).map(toJson) });
      },
    }),
    defineRoute({
      ...base,
      method: 'patch',
      path: '/internal/people/{personId}/wallets/{address}',
      operationId: 'renameWallet',
      summary: 'Change the label of a wallet',
      params: personAndAddress,
      body: z.strictObject({ label: lineOfText(60).nullable() }),
      responses: { 200: { description: 'Changed', schema: walletSchema } },
      errors: ['not_found'],
      handler: async ({ params, body }) =>
        reply(200, toJson(await wallets.rename(params.personId, params.address, body.label))),
    }),
    defineRoute({
      ...base,
      method: 'delete',
      path: '/internal/people/{personId}/wallets/{address}',
      operationId: 'unlinkWallet',
      summary: 'Unlink a wallet',
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
