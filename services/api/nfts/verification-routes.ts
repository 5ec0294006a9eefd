import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { addressParams, asOfSchema, isoTime } from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import type { WalletService } from '../wallets/service.ts';
import type { VerificationService } from './verification-service.ts';

const attestationSchema = z
  .object({
    uid: z.string(),
    schema: z.string().nullable().describe('Role of the schema on this platform'),
    schemaUid: z.string(),
    attester: z.string(),
    trusted: z.boolean(),
    attestedAt: isoTime,
    expiresAt: isoTime.nullable(),
    revokedAt: isoTime.nullable(),
    valid: z.boolean(),
    why: z.string(),
  })
  .meta({ id: 'Attestation' });

export function verificationRoutes(deps: {
  verification: VerificationService;
  wallets: Pick<WalletService, 'requireOwner'>;
}): Route[] {
  return [
    defineRoute({
      ...secured('nfts:read', 'wallet'),
      method: 'get',
      path: '/v1/wallets/{address}/verification',
      operationId: 'getVerification',
      summary: 'What trusted attesters say about a wallet',
      description:
        'From EAS attestations: only allow-listed attesters count, and only until they end or are taken back.',
      tags: ['NFTs'],
      params: addressParams,
      responses: {
        200: {
          description: 'Verified when at least one attestation is valid.',
          schema: z
            .object({
              address: z.string(),
              asOf: asOfSchema,
              verified: z.boolean(),
              data: z.array(attestationSchema),
            })
            .meta({ id: 'Verification' }),
        },
      },
      errors: ['forbidden', 'not_found', 'chain_unavailable', 'dependency_unavailable'],
      handler: async ({ principal, params }) => {
        await deps.wallets.requireOwner(principal, params.address);
        return reply(200, await deps.verification.statusOf(params.address));
      },
    }),
  ];
}
