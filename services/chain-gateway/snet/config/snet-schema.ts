import { z } from 'zod';
import { addressSchema } from '../../../../lib/address.ts';
import { signerEntry } from '../../signers/signers-file.ts';

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected letters, digits, dots, dashes and underscores');

/** Whole numbers of the token's smallest unit; as strings, because they can be larger than JSON numbers hold. */
const cogs = z
  .union([
    z.string().regex(/^\d{1,30}$/, 'expected a whole number of cogs, such as "100000000" for 1 RJV'),
    z.int().min(0),
  ])
  .transform(BigInt);

const endpoint = z
  .string()
  .refine(
    (value) =>
      URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).pathname === '/',
    'expected http://host:port (clear text) or https://host:port',
  );

const contractRef = z.union([
  addressSchema,
  z
    .string()
    .regex(/^[A-Z][A-Za-z0-9]{0,63}$/, 'expected an address, or the name of a contract of CONTRACTS_FILE'),
]);

export const groupSchema = z.strictObject({
  id: z
    .string()
    .refine((value) => Buffer.from(value, 'base64').length === 32, 'expected 32 bytes in Base64')
    .describe('Payment group id, Base64 as in the metadata of the organisation'),
  recipient: addressSchema.describe('Address that is paid'),
  expirationThreshold: z
    .int()
    .min(0)
    .default(40_320)
    .describe('Blocks before the expiration of a channel in which the daemon takes no payment any more'),
  endpoints: z
    .array(endpoint)
    .min(1)
    .optional()
    .describe('Daemons of this group, for services that name none'),
});

export const serviceSchema = z.strictObject({
  group: name.optional().describe('Payment group; left out when the organisation has one group'),
  endpoints: z.array(endpoint).min(1).optional().describe('Daemons; calls are spread over them'),
  protos: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('.proto files, or descriptor sets (.pb, .binpb); relative to this file'),
  reflection: z
    .union([z.boolean(), endpoint])
    .default(false)
    .describe('Learn the methods by gRPC reflection, from the daemon or from the endpoint named here'),
  price: cogs.optional().describe('Price of a call, cogs'),
  prices: z
    .record(z.string().regex(/^[A-Za-z0-9_.]+\/[A-Za-z0-9_]+$/, 'expected package.Service/Method'), cogs)
    .default({})
    .describe('Methods that cost another price'),
  payment: z
    .array(z.enum(['free', 'prepaid', 'escrow']))
    .min(1)
    .default(['prepaid', 'escrow'])
    .describe('Ways to pay, in the order in which they are tried'),
  concurrency: z
    .int()
    .min(1)
    .max(10_000)
    .default(64)
    .describe('Calls under way at once from this process: the share of what the service bears'),
  queue: z.int().min(0).max(100_000).default(1_000).describe('Calls that may wait for their turn'),
  timeoutMs: z.int().min(10).max(600_000).default(30_000).describe('Longest time a call may take'),
  maxMessageBytes: z
    .int()
    .min(1_024)
    .max(268_435_456)
    .default(4_194_304)
    .describe('Largest message in either direction; daemons take 4 MiB unless told otherwise'),
  repeatable: z
    .array(z.string())
    .default([])
    .describe(
      'Methods (package.Service/Method, or *) that may be executed twice: repeated when the answer is lost',
    ),
  units: z
    .number()
    .min(0)
    .default(1)
    .describe('Compute units that a call takes from a call token for each cog of its price'),
});

export const organizationSchema = z.strictObject({
  groups: z.record(name, groupSchema).default({}),
  services: z.record(name, serviceSchema).default({}),
  fromRegistry: z
    .boolean()
    .default(false)
    .describe('Fill what is missing (groups, endpoints, prices) from the registry contract and its metadata'),
});

const fundingSchema = z
  .strictObject({
    auto: z.boolean().default(false).describe('Open, fill and extend channels without being asked'),
    deposit: cogs
      .default(0n)
      .describe('What a channel is opened with, and what is added when it runs low, cogs'),
    lowWater: cogs.default(0n).describe('Add funds when less than this can be signed, cogs'),
    maxDeposit: cogs
      .default(0n)
      .describe('Most that may lie in one channel; the bound of the loss to its recipient'),
    expiryBlocks: z.int().min(1).default(200_000).describe('How far ahead channels expire'),
    extendBelowBlocks: z
      .int()
      .min(1)
      .default(50_000)
      .describe('Extend when fewer blocks are left before the threshold of the group'),
  })
  .prefault({});

const prepaidSchema = z
  .strictObject({
    purchase: cogs
      .default(10_000n)
      .describe('What is bought at once, cogs: also the most that a daemon can keep'),
    lowWater: cogs.default(2_500n).describe('Buy again when less than this is left, cogs'),
    refreshBeforeSeconds: z.int().min(1).default(600).describe('Renew a token this long before it ends'),
  })
  .refine((p) => p.lowWater < p.purchase, 'lowWater must be below purchase')
  .prefault({});

export const snetFileSchema = z.strictObject({
  mpe: contractRef.default('MultiPartyEscrow').describe('The MultiPartyEscrow contract'),
  token: contractRef.default('RejuveToken').describe('The token that it holds'),
  registry: contractRef.optional().describe('The registry of organisations; needed by fromRegistry'),
  ipfsGateway: z.url().optional().describe('Where metadata is fetched: <gateway>/ipfs/<cid>'),
  sender: z
    .strictObject({
      pool: z
        .string()
        .min(1)
        .describe('Signer pool of SIGNERS_FILE that deposits and opens; it must have one signer'),
      address: addressSchema.describe('Its address'),
    })
    .describe('Who owns the channels'),
  signer: signerEntry.describe('Signs payments; it can spend what is in the channels, and nothing else'),
  funding: fundingSchema,
  prepaid: prepaidSchema,
  reconcileSeconds: z.number().min(0.1).default(15).describe('Time between two looks at chain and daemons'),
  organizations: z.record(name, organizationSchema),
});

export type SnetFile = z.output<typeof snetFileSchema>;
export type SnetServiceSettings = z.output<typeof serviceSchema>;
export type SnetGroupSettings = z.output<typeof groupSchema>;

/** JSON Schema for editors (`# yaml-language-server: $schema=…`). */
export function snetJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(snetFileSchema, { io: 'input', unrepresentable: 'any' }),
    title: 'SingularityNET services of the chain gateway',
  };
}
