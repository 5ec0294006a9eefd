import { type HDNodeWallet, TypedDataEncoder, type TypedDataField } from 'ethers';
import { domainOf } from '../../contracts/typed-data.ts';
import { requireContract } from '../../lib/contracts-manifest.ts';
import { expectEqual, expectThat } from './demo-failure.ts';
import { followTransaction, requireMined } from './follow-transaction.ts';
import type { Story } from './story.ts';

export interface SignedRelay {
  /** Such as `/v1/identities`; the message to sign comes from `<path>/prepare`. */
  readonly path: string;
  /** What is asked for; goes to both. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Contract that verifies the signature. */
  readonly contract: string;
  /** What its EIP-712 message has, from the contract and not from the API. */
  readonly types: Record<string, TypedDataField[]>;
  /** What the message must say, except for its nonce. */
  readonly says: Readonly<Record<string, unknown>>;
}

/**
 * Has the platform prepare a message, compares it with what the contract will verify (a wallet must never sign what it
 * has not understood), signs it, hands it in and waits until it is in a block. Answers the transaction's hash.
 */
export async function relaySigned(story: Story, wallet: HDNodeWallet, relay: SignedRelay): Promise<string> {
  const { accessToken: token } = story.fact('person');
  const { body: prepared } = await story.api.post(`${relay.path}/prepare`, { token, body: relay.body });
  const domain = signingDomain(story, relay.contract);
  const nonce: unknown = prepared.message?.nonce;
  expectThat(typeof nonce === 'string', 'a nonce in the message to sign', prepared, 'api');
  const ours = TypedDataEncoder.hash(domain, relay.types, { ...relay.says, nonce });
  const theirs = TypedDataEncoder.hash(prepared.domain, prepared.types, prepared.message);
  expectEqual(theirs, ours, `the hash of the message that ${relay.path}/prepare wants signed`, 'api');

  const signature = await wallet.signTypedData(domain, relay.types, { ...relay.says, nonce });
  const { body: accepted } = await story.api.post(relay.path, {
    token,
    body: { ...relay.body, nonce, signature },
    idempotencyKey: crypto.randomUUID(),
    expect: 202,
  });
  return requireMined(await followTransaction(story, accepted.id, { token, until: 'included' })).hash;
}

function signingDomain({ stack: { manifest } }: Story, name: string) {
  const { eip712, address } = requireContract(manifest, name);
  if (!eip712) throw new Error(`${name} has no EIP-712 domain in the manifest`);
  return domainOf(eip712, manifest.chainId, address);
}
