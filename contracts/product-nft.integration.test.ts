import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeAbiParameters, encodePacked, type Hex, keccak256, parseEventLogs, toHex } from 'viem';
import { revertOf, startContractFixture } from './testing/contract-fixture.ts';
import { createSignedMessages } from './testing/signed-messages.ts';

describe('ProductNFT', () => {
  let fixture: Awaited<ReturnType<typeof startContractFixture>>;
  let messages: ReturnType<typeof createSignedMessages>;
  let snapshot: string;
  const LAB_ID = 1n;
  const PRODUCT = 7n;
  const URI = 'ipfs://product';
  const first = keccak256(toHex('first'));
  const second = keccak256(toHex('second'));

  beforeAll(async () => {
    fixture = await startContractFixture();
    messages = createSignedMessages(fixture);
    const { person, sponsor, lab } = fixture.accounts;
    await fixture.send(sponsor, {
      ...fixture.identity,
      functionName: 'createIdentity',
      args: await messages.identity(person),
    });
    for (const dhash of [first, second]) {
      await fixture.send(sponsor, {
        ...fixture.data,
        functionName: 'submitData',
        args: await messages.submission(person, dhash),
      });
    }
    const args = await messages.permission(person, {
      requesterId: LAB_ID,
      dhash: first,
      productId: PRODUCT,
      expiration: 3600n,
    });
    await fixture.send(lab, { ...fixture.data, functionName: 'getPermission', args });
  });
  beforeEach(async () => {
    if (snapshot) await fixture.chain.revert(snapshot);
    snapshot = await fixture.chain.snapshot();
  });
  afterAll(() => fixture?.stop());

  /** Arguments that the platform's signer (the sponsor) signed for `creator`. */
  async function signed(
    options: {
      dataHashes?: Hex[];
      scores?: bigint[];
      nonce?: bigint;
      creator?: Hex;
      by?: 'sponsor' | 'stranger';
    } = {},
  ) {
    const { dataHashes = [first], scores = [80n], nonce = 1n, by = 'sponsor' } = options;
    const creator = options.creator ?? fixture.accounts.lab.address;
    const signer = fixture.accounts.sponsor.address;
    const raw = keccak256(
      encodePacked(
        ['uint256', 'uint256', 'string', 'address', 'bytes32', 'uint256[]', 'address', 'address'],
        [
          PRODUCT,
          nonce,
          URI,
          signer,
          keccak256(encodeAbiParameters([{ type: 'bytes[]' }], [dataHashes])),
          scores,
          creator,
          fixture.product.address,
        ],
      ),
    );
    const signature = await fixture.accounts[by].signMessage({ message: { raw } });
    return [PRODUCT, nonce, URI, signer, signature, dataHashes, scores] as const;
  }

  const send = (functionName: string, args: readonly unknown[], by = fixture.accounts.lab) =>
    fixture.send(by, { ...fixture.product, functionName, args });

  it('lets a registered lab create a product out of permitted data', async () => {
    const { lab, person } = fixture.accounts;
    const receipt = await send('createProduct', await signed());
    const [created] = parseEventLogs({
      abi: fixture.product.abi,
      logs: receipt.logs,
      eventName: 'ProductCreated',
    });
    expect(created?.args).toEqual({
      productUID: PRODUCT,
      productCreator: lab.address,
      productURI: URI,
      datahashes: [first],
      creditScore: [80n],
    });
    const { client, product } = fixture;
    expect(await client.readContract({ ...product, functionName: 'ownerOf', args: [PRODUCT] })).toBe(
      lab.address,
    );
    expect(await client.readContract({ ...product, functionName: 'tokenURI', args: [PRODUCT] })).toBe(URI);
    expect(
      await client.readContract({ ...product, functionName: 'getProductToData', args: [PRODUCT] }),
    ).toEqual([first]);
    expect(
      await client.readContract({ ...product, functionName: 'getInitialDataLength', args: [PRODUCT] }),
    ).toBe(1n);
    expect(
      await client.readContract({ ...product, functionName: 'getDataCredit', args: [first, PRODUCT] }),
    ).toBe(80n);
    expect(
      await client.readContract({ ...product, functionName: 'getDataOwnerAddress', args: [first] }),
    ).toBe(person.address);
  });

  it('refuses data without permission for the product', async () => {
    const args = await signed({ dataHashes: [first, second], scores: [1n, 2n] });
    expect(await revertOf(send('createProduct', args))).toEqual(['DataNotPermitted', second, PRODUCT]);
  });

  it('refuses a creator without identity', async () => {
    const { stranger } = fixture.accounts;
    const args = await signed({ creator: stranger.address });
    expect(await revertOf(send('createProduct', args, stranger))).toEqual([
      'NotRegistered',
      stranger.address,
    ]);
  });

  it('refuses a signature for another creator, by another signer, and of an unknown signer', async () => {
    const { sponsor, person, stranger } = fixture.accounts;
    const invalid = ['InvalidSignature', sponsor.address];
    expect(await revertOf(send('createProduct', await signed({ creator: person.address })))).toEqual(invalid);
    expect(await revertOf(send('createProduct', await signed({ by: 'stranger' })))).toEqual(invalid);
    const args: unknown[] = [...(await signed())];
    args[3] = stranger.address;
    expect(await revertOf(send('createProduct', args))).toEqual(['UnknownSigner', stranger.address]);
  });

  it('refuses scores that do not match the data', async () => {
    expect(await revertOf(send('createProduct', await signed({ scores: [1n, 2n] })))).toEqual([
      'LengthMismatch',
      1n,
      2n,
    ]);
  });

  it('links newly permitted data, by the creator only, each nonce once', async () => {
    const { lab, person } = fixture.accounts;
    await send('createProduct', await signed());
    const permission = await messages.permission(person, {
      requesterId: LAB_ID,
      dhash: second,
      productId: PRODUCT,
      expiration: 3600n,
    });
    await fixture.send(lab, { ...fixture.data, functionName: 'getPermission', args: permission });
    const link = await signed({ dataHashes: [second], scores: [5n], nonce: 2n });
    expect(await revertOf(send('linkNewData', link, person))).toEqual([
      'NotProductCreator',
      person.address,
      PRODUCT,
    ]);
    expect(await revertOf(send('linkNewData', await signed({ dataHashes: [second], scores: [5n] })))).toEqual(
      ['NonceAlreadyUsed', 1n],
    );
    await send('linkNewData', link);
    expect(
      await fixture.client.readContract({
        ...fixture.product,
        functionName: 'getProductToData',
        args: [PRODUCT],
      }),
    ).toEqual([first, second]);
    expect(
      await fixture.client.readContract({
        ...fixture.product,
        functionName: 'getInitialDataLength',
        args: [PRODUCT],
      }),
    ).toBe(1n);
  });
});
