import { z } from 'zod';
import { csv, integer, secret } from '../../../../lib/config.ts';
import { serviceAuthKeys } from '../../../../lib/service-auth.ts';

/** Settings of call tokens; every process of the gateway understands them, so that one environment serves all. */
export const callTokenKeys = {
  CALL_TOKEN_PAYERS: csv(
    z.string().regex(/^(\*|0x[0-9a-fA-F]{40})$/, 'expected an address, or * for anybody'),
  )
    .optional()
    .describe(
      'Addresses that may pay for calls by call tokens. Switches call tokens on; needs DATABASE_URL and REDIS_URL',
    ),
  CALL_TOKEN_AUDIENCE: z
    .string()
    .min(1)
    .default('rejuve-gateway')
    .describe('Audience of call tokens; payers sign its keccak256'),
  CALL_TOKEN_ISSUER: z.string().min(1).default('rejuve-gateway').describe('Issuer in call tokens'),
  CALL_TOKEN_CONTRACT: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address')
    .optional()
    .describe('Verifying contract in the signed domain; default: RejuveToken of CONTRACTS_FILE'),
  CALL_TOKEN_UNIT_PRICE: integer({ min: 1, max: 1_000_000_000, default: 1 }).describe(
    'Price of a compute unit in the smallest unit of RejuveToken; fixed for a budget when it is authorized',
  ),
  CALL_TOKEN_CHUNK: integer({ min: 1_000, max: 1_000_000_000_000, default: 100_000 }).describe(
    'Most of a budget that Redis holds at a time: what the operator loses per budget when Redis loses its data',
  ),
  CALL_TOKEN_KEY_ROTATION_MS: integer({ min: 3_700_000, max: 31_536_000_000, default: 604_800_000 }).describe(
    'How long one key signs call tokens, milliseconds',
  ),
  CALL_TOKEN_STATEMENT_DAYS: integer({ min: 1, max: 36_500, default: 400 }).describe(
    'Days that the statement of a budget reaches back',
  ),
  DATA_KEYS: secret(serviceAuthKeys)
    .optional()
    .describe('kid:secret pairs that seal signing keys in the database; default: SERVICE_AUTH_KEYS'),
};
