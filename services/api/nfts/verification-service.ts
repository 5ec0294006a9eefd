import { sameAddress, toChecksum } from '../../../lib/address.ts';
import { AppError } from '../../../lib/errors.ts';
import type { Clock } from '../../../lib/time.ts';
import type { ChainReader } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { AsOf } from '../chain/schemas.ts';

/** `Attestation` of EAS (`getAttestation`), as ethers decodes it. */
interface OnChainAttestation {
  readonly uid: string;
  readonly schema: string;
  readonly time: bigint;
  readonly expirationTime: bigint;
  readonly revocationTime: bigint;
  readonly recipient: string;
  readonly attester: string;
}

const MAX_ATTESTATIONS = 100;
const iso = (seconds: bigint): string | null =>
  seconds === 0n ? null : new Date(Number(seconds) * 1000).toISOString();

export type VerificationService = ReturnType<typeof createVerificationService>;

/**
 * What trusted attesters say about a wallet. EAS's own `isAttestationValid` only says that an attestation exists:
 * who made it, whether it has ended or was taken back is decided here, from the attestation itself.
 */
export function createVerificationService(deps: {
  gateway: Pick<Gateway, 'attestations'>;
  chain: Pick<ChainReader, 'read'>;
  contracts: Contracts;
  attesters: readonly string[];
  clock: Pick<Clock, 'now'>;
}) {
  const { gateway, chain, contracts, attesters, clock } = deps;
  const schemas = Object.entries(contracts.manifest.schemas);

  return {
    async statusOf(address: string) {
      if (!contracts.has('EAS')) throw new AppError('not_found', 'This chain has no attestations.');
      const listed = await gateway.attestations({ recipient: address, limit: MAX_ATTESTATIONS });
      const { asOf, results } = await chain.read(
        listed.data.map((row) => contracts.call('EAS', 'getAttestation', [row.uid])),
      );
      const data = results.flatMap((result) => {
        if (!result.ok) return [];
        const a = result.values[0] as OnChainAttestation;
        const trusted = attesters.some((attester) => sameAddress(attester, a.attester));
        const revoked = a.revocationTime !== 0n;
        const expired = a.expirationTime !== 0n && a.expirationTime * 1000n <= BigInt(clock.now());
        return [
          {
            uid: a.uid,
            schema: schemas.find(([, entry]) => entry.uid === a.schema.toLowerCase())?.[0] ?? null,
            schemaUid: a.schema.toLowerCase(),
            attester: toChecksum(a.attester) as string,
            trusted,
            attestedAt: iso(a.time) as string,
            expiresAt: iso(a.expirationTime),
            revokedAt: iso(a.revocationTime),
            valid: trusted && !revoked && !expired,
            why: !trusted
              ? 'the attester is not on the list of trusted ones'
              : revoked
                ? 'the attester took it back'
                : expired
                  ? 'it has ended'
                  : 'made by a trusted attester, not ended, not taken back',
          },
        ];
      });
      return { address, asOf: asOf as AsOf, verified: data.some((a) => a.valid), data };
    },
  };
}
