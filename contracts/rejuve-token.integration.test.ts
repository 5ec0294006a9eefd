import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { keccak256, parseUnits, toHex } from 'viem';
import { revertOf, startContractFixture } from './testing/contract-fixture.ts';

describe('RejuveToken', () => {
  let fixture: Awaited<ReturnType<typeof startContractFixture>>;
  let snapshot: string;
  const rjv = (amount: string) => parseUnits(amount, 6);

  beforeAll(async () => {
    fixture = await startContractFixture();
  });
  beforeEach(async () => {
    if (snapshot) await fixture.chain.revert(snapshot);
    snapshot = await fixture.chain.snapshot();
  });
  afterAll(() => fixture?.stop());

  const read = (functionName: 'totalSupply' | 'cap' | 'decimals' | 'symbol' | 'name') =>
    fixture.client.readContract({ ...fixture.token, functionName });
  const balanceOf = (address: `0x${string}`) =>
    fixture.client.readContract({ ...fixture.token, functionName: 'balanceOf', args: [address] });

  it('is RJV: six decimals and a cap of a thousand million', async () => {
    expect([await read('name'), await read('symbol'), await read('decimals')]).toEqual([
      'Rejuve Token',
      'RJV',
      6,
    ]);
    expect(await read('cap')).toBe(rjv('1000000000'));
  });

  it('starts with the treasury supply and with nothing else', async () => {
    expect(await balanceOf(fixture.accounts.treasury.address)).toBe(rjv('10000000'));
    expect(await read('totalSupply')).toBe(rjv('10000000'));
  });

  it('moves RJV and logs it', async () => {
    const { treasury, person } = fixture.accounts;
    const receipt = await fixture.send(treasury, {
      ...fixture.token,
      functionName: 'transfer',
      args: [person.address, rjv('100')],
    });
    expect(receipt.logs).toHaveLength(1);
    expect(await balanceOf(person.address)).toBe(rjv('100'));
  });

  it('lets the treasury mint up to the cap exactly, and not one unit more', async () => {
    const { treasury, person } = fixture.accounts;
    const room = rjv('990000000');
    await fixture.send(treasury, { ...fixture.token, functionName: 'mint', args: [person.address, room] });
    expect(await read('totalSupply')).toBe(await read('cap'));
    expect(
      await revertOf(
        fixture.send(treasury, { ...fixture.token, functionName: 'mint', args: [person.address, 1n] }),
      ),
    ).toEqual(['ERC20ExceededCap', rjv('1000000000') + 1n, rjv('1000000000')]);
  });

  it('refuses to mint for anybody without the role', async () => {
    const { stranger } = fixture.accounts;
    expect(
      await revertOf(
        fixture.send(stranger, { ...fixture.token, functionName: 'mint', args: [stranger.address, 1n] }),
      ),
    ).toEqual(['AccessControlUnauthorizedAccount', stranger.address, keccak256(toHex('MINTER_ROLE'))]);
  });

  it('burns, which lowers the supply', async () => {
    const { treasury } = fixture.accounts;
    await fixture.send(treasury, { ...fixture.token, functionName: 'burn', args: [rjv('1')] });
    expect(await read('totalSupply')).toBe(rjv('9999999'));
  });

  it('stops transfers, mints and burns while paused, and only a pauser pauses', async () => {
    const { deployer, treasury, person } = fixture.accounts;
    expect((await revertOf(fixture.send(treasury, { ...fixture.token, functionName: 'pause' })))[0]).toBe(
      'AccessControlUnauthorizedAccount',
    );
    await fixture.send(deployer, { ...fixture.token, functionName: 'pause' });
    for (const [functionName, args] of [
      ['transfer', [person.address, 1n]],
      ['mint', [person.address, 1n]],
      ['burn', [1n]],
    ] as const) {
      expect(await revertOf(fixture.send(treasury, { ...fixture.token, functionName, args }))).toEqual([
        'EnforcedPause',
      ]);
    }
    await fixture.send(deployer, { ...fixture.token, functionName: 'unpause' });
    await fixture.send(treasury, { ...fixture.token, functionName: 'transfer', args: [person.address, 1n] });
    expect(await balanceOf(person.address)).toBe(1n);
  });

  it('refuses to spend more than there is', async () => {
    const { person, stranger } = fixture.accounts;
    expect(
      await revertOf(
        fixture.send(person, { ...fixture.token, functionName: 'transfer', args: [stranger.address, 1n] }),
      ),
    ).toEqual(['ERC20InsufficientBalance', person.address, 0n, 1n]);
  });
});
