import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { encodePacked, type Hex, keccak256, parseEventLogs, toHex } from 'viem';
import { revertOf, startContractFixture } from './testing/contract-fixture.ts';
import { createSignedMessages } from './testing/signed-messages.ts';

describe('DataManagement', () => {
  let fixture: Awaited<ReturnType<typeof startContractFixture>>;
  let messages: ReturnType<typeof createSignedMessages>;
  let snapshot: string;
  const LAB_ID = 1n;
  const PERSON_ID = 2n;
  const PRODUCT = 7n;
  const dhash = keccak256(toHex('commitment to data'));

  beforeAll(async () => {
    fixture = await startContractFixture();
    messages = createSignedMessages(fixture);
    const { person, sponsor } = fixture.accounts;
    const args = await messages.identity(person);
    await fixture.send(sponsor, { ...fixture.identity, functionName: 'createIdentity', args });
  });
  beforeEach(async () => {
    if (snapshot) await fixture.chain.revert(snapshot);
    snapshot = await fixture.chain.snapshot();
  });
  afterAll(() => fixture?.stop());

  const submit = (args: readonly unknown[], by = fixture.accounts.sponsor) =>
    fixture.send(by, { ...fixture.data, functionName: 'submitData', args });
  const take = (args: readonly unknown[], by = fixture.accounts.lab) =>
    fixture.send(by, { ...fixture.data, functionName: 'getPermission', args });
  const status = (hash: Hex = dhash) =>
    fixture.client.readContract({
      ...fixture.data,
      functionName: 'getPermissionStatus',
      args: [hash, PRODUCT],
    });
  const deadline = () =>
    fixture.client.readContract({
      ...fixture.data,
      functionName: 'getPermissionDeadline',
      args: [dhash, PRODUCT],
    });
  const ownerOf = (hash: Hex) =>
    fixture.client.readContract({ ...fixture.data, functionName: 'getDataOwnerId', args: [hash] });

  async function submitAndSign(options: { expiration?: bigint; requesterId?: bigint } = {}) {
    const { person } = fixture.accounts;
    await submit(await messages.submission(person, dhash));
    const { expiration = 3600n, requesterId = LAB_ID } = options;
    return messages.permission(person, { requesterId, dhash, productId: PRODUCT, expiration });
  }

  it('records submitted data under its owner', async () => {
    const { person } = fixture.accounts;
    const receipt = await submit(await messages.submission(person, dhash));
    const [event] = parseEventLogs({ abi: fixture.data.abi, logs: receipt.logs, eventName: 'DataSubmitted' });
    expect(event?.args).toEqual({ dataOwner: person.address, dataOwnerId: PERSON_ID, dataHash: dhash });
    expect(await ownerOf(dhash)).toBe(PERSON_ID);
    const read = (index: bigint) =>
      fixture.client.readContract({
        ...fixture.data,
        functionName: 'getDataByTokenId',
        args: [PERSON_ID, index],
      });
    expect(await read(0n)).toBe(dhash);
    expect(await revertOf(read(1n))).toEqual(['NoSuchData', PERSON_ID, 1n]);
  });

  it('refuses a replay, a foreign signature, an empty hash, a stranger and a caller without the role', async () => {
    const { person, stranger } = fixture.accounts;
    const args = await messages.submission(person, dhash);
    await submit(args);
    expect((await revertOf(submit(args)))[0]).toBe('MessageAlreadyUsed');
    expect(
      await revertOf(submit(await messages.submission(person, dhash, { nonce: 2n, by: stranger }))),
    ).toEqual(['InvalidSignature', person.address]);
    expect(await revertOf(submit(await messages.submission(person, '0x')))).toEqual(['EmptyField', 'dHash']);
    expect(await revertOf(submit(await messages.submission(stranger, '0x12')))).toEqual([
      'NotRegistered',
      stranger.address,
    ]);
    expect((await revertOf(submit(await messages.submission(person, '0x12'), stranger)))[0]).toBe(
      'AccessControlUnauthorizedAccount',
    );
  });

  it('refuses a signature made for the same message on another chain', async () => {
    const { person } = fixture.accounts;
    const elsewhere = createSignedMessages({
      ...fixture,
      domain: (name) => ({ ...fixture.domain(name), chainId: 1 }),
    });
    expect((await revertOf(submit(await elsewhere.submission(person, dhash))))[0]).toBe('InvalidSignature');
  });

  it('lets nobody take over a hash, until the identity that held it is burnt', async () => {
    const { person, lab } = fixture.accounts;
    await submit(await messages.submission(person, dhash));
    const takeOver = await messages.submission(lab, dhash);
    expect(await revertOf(submit(takeOver))).toEqual(['DataOwnedByAnother', PERSON_ID]);
    await fixture.send(person, { ...fixture.identity, functionName: 'burnIdentity', args: [PERSON_ID] });
    await submit(takeOver);
    expect(await ownerOf(dhash)).toBe(LAB_ID);
  });

  it('grants what the owner signed, to the requester who brings it', async () => {
    const args = await submitAndSign();
    expect(await status()).toBe(0);
    const receipt = await take(args);
    const [event] = parseEventLogs({
      abi: fixture.data.abi,
      logs: receipt.logs,
      eventName: 'PermissionGranted',
    });
    const permissionHash = keccak256(encodePacked(['uint256', 'bytes', 'uint256'], [LAB_ID, dhash, PRODUCT]));
    expect(event?.args).toEqual({
      dataOwnerId: PERSON_ID,
      requesterId: LAB_ID,
      nextProductUID: PRODUCT,
      dataHash: dhash,
      permissionHash,
    });
    expect(await status()).toBe(1);
    expect(
      await fixture.client.readContract({
        ...fixture.data,
        functionName: 'getPermissionHashes',
        args: [fixture.accounts.person.address],
      }),
    ).toEqual([permissionHash]);
  });

  it('counts the expiry from the block that executes, not from the signature', async () => {
    const args = await submitAndSign({ expiration: 600n });
    await fixture.client.increaseTime({ seconds: 10_000 });
    const receipt = await take(args);
    const block = await fixture.client.getBlock({ blockNumber: receipt.blockNumber });
    expect(await deadline()).toBe(block.timestamp + 600n);
  });

  it('keeps saying "permitted" after the deadline: the trap that readers must know', async () => {
    const args = await submitAndSign({ expiration: 1n });
    await take(args);
    await fixture.client.increaseTime({ seconds: 100 });
    await fixture.client.mine({ blocks: 1 });
    const { timestamp } = await fixture.client.getBlock();
    expect(await deadline()).toBeLessThan(timestamp);
    expect(await status()).toBe(1);
  });

  it('replaces the deadline when the owner signs again', async () => {
    const { person } = fixture.accounts;
    await take(await submitAndSign({ expiration: 10n }));
    const first = await deadline();
    await take(
      await messages.permission(person, {
        requesterId: LAB_ID,
        dhash,
        productId: PRODUCT,
        nonce: 2n,
        expiration: 99_999n,
      }),
    );
    expect(await deadline()).toBeGreaterThan(first + 90_000n);
  });

  it('refuses a permission that was signed for another requester', async () => {
    const args = await submitAndSign({ requesterId: 99n });
    expect(await revertOf(take(args))).toEqual(['InvalidSignature', fixture.accounts.person.address]);
  });

  it('refuses a longer time than the owner signed', async () => {
    const [signer, signature, hash, product, nonce] = await submitAndSign({ expiration: 60n });
    expect((await revertOf(take([signer, signature, hash, product, nonce, 61n])))[0]).toBe(
      'InvalidSignature',
    );
  });

  it('refuses the same permission twice', async () => {
    const args = await submitAndSign();
    await take(args);
    expect((await revertOf(take(args)))[0]).toBe('MessageAlreadyUsed');
  });

  it('refuses a requester and an owner without identity, and an owner of other data', async () => {
    const { person, stranger, lab } = fixture.accounts;
    const args = await submitAndSign();
    expect(await revertOf(take(args, stranger))).toEqual(['NotRegistered', stranger.address]);
    const message = { requesterId: LAB_ID, productId: PRODUCT, expiration: 60n };
    expect(await revertOf(take(await messages.permission(stranger, { ...message, dhash })))).toEqual([
      'NotRegistered',
      stranger.address,
    ]);
    expect(await revertOf(take(await messages.permission(lab, { ...message, dhash })))).toEqual([
      'NotDataOwner',
      lab.address,
    ]);
    expect(await revertOf(take(await messages.permission(person, { ...message, dhash: '0xabcd' })))).toEqual([
      'NotDataOwner',
      person.address,
    ]);
  });

  it('does nothing while paused', async () => {
    const args = await submitAndSign();
    const { deployer, person } = fixture.accounts;
    await fixture.send(deployer, { ...fixture.data, functionName: 'pause' });
    expect(await revertOf(take(args))).toEqual(['EnforcedPause']);
    expect(await revertOf(submit(await messages.submission(person, '0x12')))).toEqual(['EnforcedPause']);
  });
});
