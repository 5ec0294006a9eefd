import { hexlify, id, randomBytes } from 'ethers';
import { DATA_SUBMISSION_TYPES, IDENTITY_TYPES, PERMISSION_TYPES } from '../../../contracts/typed-data.ts';
import { expectEqual, expectThat } from '../demo-failure.ts';
import { eventually } from '../eventually.ts';
import { relaySigned } from '../signed-relay.ts';
import type { Step, Story } from '../story.ts';

const METADATA_NAME = 'Identity of the demo';
/** The index follows the chain within a second or two. */
const INDEX_MS = 8_000;
const ONE_HOUR = '3600';

/** What one permission is about. */
interface Permission {
  readonly dataHash: string;
  readonly requesterId: string;
  readonly productId: string;
}

/** 6. Identity, data, permission; and its revocation acts at once. */
export const healthDataStep: Step = {
  id: 'health-data',
  title: 'She shares data with a lab, then revokes it',
  needs: ['sign-in'],
  async run(story) {
    const { api } = story;
    const { wallet } = story.fact('person');
    const tokenId = await createIdentity(story);
    // A salted commitment: nobody can guess the data from it.
    const dataHash = id(`the data and a salt ${hexlify(randomBytes(32))}`);
    await submitData(story, dataHash);

    const requesterId = story.stack.manifest.accounts.lab?.identity;
    expectThat(
      requesterId,
      'a lab with an identity in the contracts manifest',
      story.stack.manifest.accounts,
    );
    const permission = { dataHash, requesterId, productId: BigInt(hexlify(randomBytes(8))).toString() };
    expectEqual(await isEffective(story, permission), false, 'the permission before it is granted', 'api');
    await grant(story, permission);
    await eventually(
      { expected: 'the permission to be effective', withinMs: INDEX_MS, signal: story.signal },
      async () => {
        expectEqual(await isEffective(story, permission), true, 'the permission', 'api');
        return true;
      },
    );

    const { accessToken: token } = story.fact('person');
    await api.post('/v1/permissions/revoke', { token, body: { owner: wallet.address, ...permission } });
    // No waiting here: the very next answer must know.
    expectEqual(
      await isEffective(story, permission),
      false,
      'the permission right after its revocation',
      'api',
    );
    return {
      did: `identity ${tokenId} is soulbound; data ${dataHash.slice(0, 10)}… permitted to requester ${requesterId}, revoked, refused at once`,
      look: `${api.baseUrl}/v1/nfts/IdentityToken/${tokenId}`,
    };
  },
};

async function createIdentity(story: Story): Promise<string> {
  const { api } = story;
  const { wallet, accessToken: token } = story.fact('person');
  const kyc = hexlify(randomBytes(32));
  const metadata = Buffer.from(JSON.stringify({ name: METADATA_NAME })).toString('base64');
  const tokenUri = `data:application/json;base64,${metadata}`;
  await relaySigned(story, wallet, {
    path: '/v1/identities',
    body: { owner: wallet.address, kyc, tokenUri },
    contract: 'IdentityToken',
    types: IDENTITY_TYPES,
    says: { kyc, signer: wallet.address, uri: tokenUri },
  });
  const identity = await eventually(
    { expected: 'her identity', withinMs: INDEX_MS, signal: story.signal },
    async () => {
      const { body } = await api.get(`/v1/identities/${wallet.address}`, { token });
      return body.identity.registered ? (body.identity as { tokenId: string }) : undefined;
    },
  );
  const nft = `/v1/nfts/IdentityToken/${identity.tokenId}`;
  // Behind a Service another replica may answer, whose head is a moment behind.
  await eventually({ expected: 'the identity NFT', withinMs: INDEX_MS, signal: story.signal }, async () => {
    const { body: status } = await api.get(nft, { token });
    expectEqual(status.nft?.owner, wallet.address, 'the owner of the identity NFT', 'api');
    expectEqual(status.nft?.soulbound, true, 'whether the identity NFT is soulbound', 'api');
    return true;
  });
  const { body: described } = await api.get(`${nft}/metadata`, { token });
  expectEqual(described.metadata?.name, METADATA_NAME, 'the name in the metadata', 'api');
  return identity.tokenId;
}

async function submitData(story: Story, dataHash: string): Promise<void> {
  const { wallet, accessToken: token } = story.fact('person');
  await relaySigned(story, wallet, {
    path: '/v1/data-submissions',
    body: { owner: wallet.address, dataHash },
    contract: 'DataManagement',
    types: DATA_SUBMISSION_TYPES,
    says: { signer: wallet.address, dhash: dataHash },
  });
  await eventually(
    { expected: 'the data submission in the list', withinMs: INDEX_MS, signal: story.signal },
    async () => {
      const { body } = await story.api.get('/v1/data-submissions', {
        token,
        query: { owner: wallet.address },
      });
      return body.data.some((row: { dataHash: string }) => row.dataHash === dataHash) ? true : undefined;
    },
  );
}

async function grant(story: Story, permission: Permission): Promise<void> {
  const { wallet } = story.fact('person');
  await relaySigned(story, wallet, {
    path: '/v1/permissions',
    body: { owner: wallet.address, ...permission, expiresInSeconds: ONE_HOUR },
    contract: 'DataManagement',
    types: PERMISSION_TYPES,
    says: {
      dataowner: wallet.address,
      requesterId: permission.requesterId,
      dhash: permission.dataHash,
      productId: permission.productId,
      expiration: ONE_HOUR,
    },
  });
}

async function isEffective(story: Story, permission: Permission): Promise<boolean> {
  const { accessToken: token } = story.fact('person');
  const { body } = await story.api.get('/v1/permissions/effective', { token, query: { ...permission } });
  expectThat(Array.isArray(body.why), 'an answer with its reasons', body, 'api');
  return body.effective === true;
}
