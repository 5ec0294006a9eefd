import { computeAddress, hexlify, Signature, SigningKey, toBeHex } from 'ethers';

/** Order of secp256k1 (SEC 2, section 2.4.1). */
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** The two integers of a DER-encoded ECDSA signature (RFC 3279, section 2.2.3). @throws Error when it is not one. */
export function parseDerSignature(der: Uint8Array): { r: bigint; s: bigint } {
  const bad = (): Error => new Error('not a DER-encoded ECDSA signature');
  const integer = (at: number): { value: bigint; next: number } => {
    const length = der[at + 1];
    if (
      der[at] !== 0x02 ||
      length === undefined ||
      length === 0 ||
      length > 33 ||
      at + 2 + length > der.length
    )
      throw bad();
    return { value: BigInt(hexlify(der.subarray(at + 2, at + 2 + length))), next: at + 2 + length };
  };
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw bad();
  const r = integer(2);
  const s = integer(r.next);
  if (s.next !== der.length || r.value === 0n || s.value === 0n || r.value >= N || s.value >= N) throw bad();
  return { r: r.value, s: s.value };
}

/**
 * What Ethereum wants of a signature made elsewhere: `s` in the lower half (EIP-2), and the parity by which the
 * signer's own address is recovered.
 * @throws Error when the signature is of another key or another digest.
 */
export function toEthereumSignature(
  der: Uint8Array,
  digest: Uint8Array,
  address: string,
): { r: string; s: string; yParity: 0 | 1 } {
  const { r, s } = parseDerSignature(der);
  const low = s > N / 2n ? N - s : s;
  for (const yParity of [0, 1] as const) {
    const candidate = Signature.from({ r: toBeHex(r, 32), s: toBeHex(low, 32), yParity });
    try {
      if (computeAddress(SigningKey.recoverPublicKey(hexlify(digest), candidate)) === address)
        return { r: candidate.r, s: candidate.s, yParity };
    } catch {
      // No point on the curve for this parity; the other one decides.
    }
  }
  throw new Error('the signature is not by the key of this signer');
}

/** DER of a SubjectPublicKeyInfo for an uncompressed secp256k1 point (RFC 5480) up to the point itself. */
const SPKI_PREFIX = '3056301006072a8648ce3d020106052b8104000a034200';

/** The Ethereum address of a public key as key services give it out. @throws Error for any other kind of key. */
export function addressOfSpki(spki: Uint8Array): string {
  const hex = Buffer.from(spki).toString('hex');
  if (!hex.startsWith(SPKI_PREFIX) || spki.length !== 88)
    throw new Error(
      'the key is not an uncompressed secp256k1 public key (ECC_SECG_P256K1, EC_SIGN_SECP256K1_SHA256)',
    );
  return computeAddress(`0x${hex.slice(SPKI_PREFIX.length)}`);
}
