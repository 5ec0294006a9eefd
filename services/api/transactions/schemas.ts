import { z } from 'zod';
import { addressSchema, hexSchema } from '../../../lib/address.ts';
import { uint256String } from '../../../lib/amount.ts';
import { transactionState } from '../chain/gateway-shapes.ts';
import { cursorParam, limitParam } from '../chain/schemas.ts';

/** An argument of a contract call: numbers as decimal strings, bytes as hex, tuples and arrays as lists. */
export const argument: z.ZodType = z
  .lazy(() => z.union([z.string().max(20_000), z.boolean(), z.array(argument).max(200)]))
  .meta({
    id: 'ContractArgument',
    description: 'Number as decimal string, bytes as hex, boolean, or a list of these',
  });

const common = {
  signer: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/, 'expected the alias of a signer pool, such as treasury')
    .describe('Pool of platform keys that signs'),
  value: uint256String.optional().describe('Wei sent along; 0 when left out'),
  urgency: z.enum(['slow', 'standard', 'fast']).optional(),
  purpose: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .optional()
    .describe('For people who read the list; no personal data'),
};

const contractCall = z.strictObject({
  ...common,
  contract: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9]{0,63}$/, 'expected the name of a contract, such as RejuveToken'),
  function: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'expected the name of a function'),
  args: z.array(argument).max(32),
});

const rawCall = z.strictObject({ ...common, to: addressSchema, data: hexSchema(32_768).optional() });

export const createTransactionBody = z
  .union([contractCall, rawCall])
  .meta({ id: 'CreateTransaction', description: 'A call of a platform contract by name, or a raw call' });

export const transactionsQuery = z.strictObject({
  state: transactionState.optional(),
  cursor: cursorParam,
  limit: limitParam,
});
