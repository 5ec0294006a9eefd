import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { keccak256, parseEventLogs, toHex } from 'viem';
import { revertOf, startContractFixture } from './testing/contract-fixture.ts';
import { createSignedMessages } from './testing/signed-messages.ts';

describe('IdentityToken', () => {
  let fixture: Awaited<ReturnType<typeof startContractFixture>>;
  let messages: ReturnType<typeof createSignedMessages>;
  let snapshot: string;

  beforeAll(async () => {
    fixture = await startContractFixture();
    messages = createSignedMessages(fixture);
  });
  beforeEach(async () => {
    if (snapshot) await fixture.chain.revert(snapshot);
    snapshot = await fixture.chain.snapshot();
  });
  afterAll(() => fixture?.stop());

  const create = (args: readonly unknown[], by = fixture.accounts.sponsor) =>
    fixture.send(by, { ...fixture.identity, functionName: 'createIdentity', args });
  const call = (functionName: string, args: readonly unknown[], by = fixture.accounts.person) =>
    fixture.send(by, { ...fixture.identity, functionName, args });
  const identityOf = (address: `0x${string}`) =>
    fixture.client.readContract({ ...fixture.identity, functionName: 'getOwnerIdentity', args: [address] });

  it('gives a person who signed for it one identity, and says so in events', async () => {
    const { person, sponsor } = fixture.accounts;
    const receipt = await create(await messages.identity(person));
    const events = parseEventLogs({ abi: fixture.identity.abi, logs: receipt.logs });
    expect(events.map((event) => event.eventName)).toEqual([
      'IdentityCreated',
      'Locked',
      'MetadataUpdate',
      'Transfer',
    ]);
    expect(events[0]?.args).toEqual({
      identityOwner: person.address,
      sponsor: sponsor.address,
      tokenId: 2n, // 1 is the lab's
      tokenURI: 'ipfs://identity',
    });
    expect(await identityOf(person.address)).toBe(2n);
    for (const [name, expected] of [
      ['isRegistered', true],
      ['ifRegistered', 1],
    ] as const) {
      expect(
        await fixture.client.readContract({
          ...fixture.identity,
          functionName: name,
          args: [person.address],
        }),
      ).toBe(expected);
    }
  });

  it('refuses a second identity for the same person', async () => {
    const { person } = fixture.accounts;
    await create(await messages.identity(person));
    expect(await revertOf(create(await messages.identity(person, { nonce: 2n })))).toEqual([
      'AlreadyRegistered',
      person.address,
      2n,
    ]);
  });

  it('refuses anybody without the sponsor role', async () => {
    const { person, stranger } = fixture.accounts;
    expect(await revertOf(create(await messages.identity(person), stranger))).toEqual([
      'AccessControlUnauthorizedAccount',
      stranger.address,
      keccak256(toHex('SPONSOR_ROLE')),
    ]);
  });

  it('left no sponsor role with the deployer', async () => {
    const { person, deployer } = fixture.accounts;
    expect((await revertOf(create(await messages.identity(person), deployer)))[0]).toBe(
      'AccessControlUnauthorizedAccount',
    );
  });

  it('refuses a signature of somebody else, a changed message and bytes that are no signature', async () => {
    const { person, stranger } = fixture.accounts;
    const refused = ['InvalidSignature', person.address];
    expect(await revertOf(create(await messages.identity(person, { by: stranger })))).toEqual(refused);
    const [signature, kyc, signer, , nonce] = await messages.identity(person);
    expect(await revertOf(create([signature, kyc, signer, 'ipfs://other', nonce]))).toEqual(refused);
    expect(await revertOf(create(['0x1234', kyc, signer, 'ipfs://identity', nonce]))).toEqual(refused);
  });

  it('never acts on one signature twice, not even after the identity was burnt', async () => {
    const { person } = fixture.accounts;
    const args = await messages.identity(person);
    await create(args);
    await call('burnIdentity', [2n]);
    expect((await revertOf(create(args)))[0]).toBe('MessageAlreadyUsed');
    await create(await messages.identity(person, { nonce: 2n }));
    expect(await identityOf(person.address)).toBe(3n);
  });

  it.each([
    ['signature', 0, '0x'],
    ['kyc', 1, `0x${'00'.repeat(32)}`],
    ['signer', 2, `0x${'00'.repeat(20)}`],
    ['tokenURI', 3, ''],
    ['nonce', 4, 0n],
  ])('refuses an empty %s', async (name, index, value) => {
    const args: unknown[] = [...(await messages.identity(fixture.accounts.person))];
    args[index] = value;
    expect(await revertOf(create(args))).toEqual(['EmptyField', name]);
  });

  it('is soulbound: no transfer, no approval, locked by ERC-5192', async () => {
    const { person, stranger } = fixture.accounts;
    await create(await messages.identity(person));
    for (const [functionName, args] of [
      ['transferFrom', [person.address, stranger.address, 2n]],
      ['safeTransferFrom', [person.address, stranger.address, 2n]],
      ['safeTransferFrom', [person.address, stranger.address, 2n, '0x']],
      ['approve', [stranger.address, 2n]],
      ['setApprovalForAll', [stranger.address, true]],
    ] as const) {
      expect(await revertOf(call(functionName, args))).toEqual(['Soulbound']);
    }
    expect(
      await fixture.client.readContract({ ...fixture.identity, functionName: 'locked', args: [2n] }),
    ).toBe(true);
    expect(
      await revertOf(
        fixture.client.readContract({ ...fixture.identity, functionName: 'locked', args: [99n] }),
      ),
    ).toEqual(['ERC721NonexistentToken', 99n]);
  });

  it.each([
    ['ERC-165', '0x01ffc9a7', true],
    ['ERC-721', '0x80ac58cd', true],
    ['ERC-721 metadata', '0x5b5e139f', true],
    ['ERC-4906', '0x49064906', true],
    ['ERC-5192', '0xb45a3c0e', true],
    ['nothing', '0xffffffff', false],
  ] as const)('answers for %s', async (_name, id, expected) => {
    expect(
      await fixture.client.readContract({
        ...fixture.identity,
        functionName: 'supportsInterface',
        args: [id],
      }),
    ).toBe(expected);
  });

  it('is burnt by its owner only, and is gone then', async () => {
    const { person, stranger } = fixture.accounts;
    await create(await messages.identity(person));
    expect(await revertOf(call('burnIdentity', [2n], stranger))).toEqual([
      'NotIdentityOwner',
      stranger.address,
      2n,
    ]);
    const receipt = await call('burnIdentity', [2n]);
    const [destroyed] = parseEventLogs({
      abi: fixture.identity.abi,
      logs: receipt.logs,
      eventName: 'IdentityDestroyed',
    });
    expect(destroyed?.args).toEqual({ identityOwner: person.address, tokenId: 2n });
    expect(await identityOf(person.address)).toBe(0n);
  });

  it('gets new metadata from a sponsor and tells caches by ERC-4906', async () => {
    const { person, sponsor, stranger } = fixture.accounts;
    await create(await messages.identity(person));
    expect((await revertOf(call('updateTokenURI', [2n, 'ipfs://new'], stranger)))[0]).toBe(
      'AccessControlUnauthorizedAccount',
    );
    const receipt = await call('updateTokenURI', [2n, 'ipfs://new'], sponsor);
    const [update] = parseEventLogs({
      abi: fixture.identity.abi,
      logs: receipt.logs,
      eventName: 'MetadataUpdate',
    });
    expect(update?.args).toEqual({ _tokenId: 2n });
    expect(
      await fixture.client.readContract({ ...fixture.identity, functionName: 'tokenURI', args: [2n] }),
    ).toBe('ipfs://new');
    expect(await revertOf(call('updateTokenURI', [77n, 'ipfs://new'], sponsor))).toEqual([
      'ERC721NonexistentToken',
      77n,
    ]);
  });

  it('does nothing while paused', async () => {
    const { person, deployer } = fixture.accounts;
    await call('pause', [], deployer);
    expect(await revertOf(create(await messages.identity(person)))).toEqual(['EnforcedPause']);
    await call('unpause', [], deployer);
    await create(await messages.identity(person));
  });
});
