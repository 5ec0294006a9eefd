import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  decodeFunctionResult,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  keccak256,
  parseEventLogs,
  toHex,
  zeroHash,
} from 'viem';
import { revertOf, startContractFixture } from './testing/contract-fixture.ts';

let fixture: Awaited<ReturnType<typeof startContractFixture>>;
beforeAll(async () => {
  fixture = await startContractFixture();
});
afterAll(() => fixture?.stop());

describe('Multicall3', () => {
  const balanceOf = (address: Hex) =>
    encodeFunctionData({ abi: fixture.token.abi, functionName: 'balanceOf', args: [address] });
  const failing = () =>
    encodeFunctionData({ abi: fixture.identity.abi, functionName: 'ownerOf', args: [999n] });

  it('answers many calls in one, and says which of them failed', async () => {
    const { result } = await fixture.client.simulateContract({
      ...fixture.multicall,
      functionName: 'aggregate3',
      args: [
        [
          {
            target: fixture.token.address,
            allowFailure: false,
            callData: balanceOf(fixture.accounts.treasury.address),
          },
          { target: fixture.identity.address, allowFailure: true, callData: failing() },
        ],
      ],
    });
    expect(result.map((item) => item.success)).toEqual([true, false]);
    expect(
      decodeFunctionResult({
        abi: fixture.token.abi,
        functionName: 'balanceOf',
        data: result[0]?.returnData ?? '0x',
      }),
    ).toBe(10_000_000_000_000n);
  });

  it("passes the callee's own reason on when a call may not fail", async () => {
    const call = fixture.client.simulateContract({
      address: fixture.multicall.address,
      abi: [...fixture.multicall.abi, ...fixture.identity.abi],
      functionName: 'aggregate3',
      args: [[{ target: fixture.identity.address, allowFailure: false, callData: failing() }]],
    });
    expect(await revertOf(call)).toEqual(['ERC721NonexistentToken', 999n]);
  });

  it('sends wei along, and only what it was given', async () => {
    const { person, stranger } = fixture.accounts;
    const args = [[{ target: stranger.address, allowFailure: false, value: 5n, callData: '0x' }]];
    const before = await fixture.client.getBalance({ address: stranger.address });
    const request = { ...fixture.multicall, functionName: 'aggregate3Value', args };
    await fixture.send(person, { ...request, value: 5n });
    expect(await fixture.client.getBalance({ address: stranger.address })).toBe(before + 5n);
    expect(await revertOf(fixture.send(person, { ...request, value: 6n }))).toEqual([
      'ValueMismatch',
      6n,
      5n,
    ]);
  });

  it('works as the multicall of a common client library', async () => {
    const results = await fixture.client.multicall({
      multicallAddress: fixture.multicall.address,
      contracts: [
        { ...fixture.token, functionName: 'symbol' },
        { ...fixture.multicall, functionName: 'getChainId' },
        { ...fixture.multicall, functionName: 'getBlockNumber' },
      ],
      allowFailure: false,
    });
    expect(results.slice(0, 2)).toEqual(['RJV', 31_337n]);
    expect(results[2]).toBeGreaterThan(0n);
  });
});

describe('EAS', () => {
  it('takes attestations of our schema and shows their revocation', async () => {
    const { sponsor, person } = fixture.accounts;
    const schema = fixture.manifest.schemas.healthData?.uid ?? '0x';
    const registered = await fixture.client.readContract({
      ...fixture.schemas,
      functionName: 'getSchema',
      args: [schema],
    });
    expect(registered).toMatchObject({
      schema: 'bytes dataHash,uint256 dataOwnerId,bytes32 method',
      revocable: true,
    });

    const data = encodeAbiParameters(
      [{ type: 'bytes' }, { type: 'uint256' }, { type: 'bytes32' }],
      ['0x1234', 1n, keccak256(toHex('laboratory'))],
    );
    const attested = await fixture.send(sponsor, {
      ...fixture.eas,
      functionName: 'attest',
      args: [
        {
          schema,
          data: {
            recipient: person.address,
            expirationTime: 0n,
            revocable: true,
            refUID: zeroHash,
            data,
            value: 0n,
          },
        },
      ],
    });
    const [event] = parseEventLogs({ abi: fixture.eas.abi, logs: attested.logs, eventName: 'Attested' });
    const uid = event?.args.uid ?? '0x';
    await fixture.send(sponsor, {
      ...fixture.eas,
      functionName: 'revoke',
      args: [{ schema, data: { uid, value: 0n } }],
    });
    const attestation = await fixture.client.readContract({
      ...fixture.eas,
      functionName: 'getAttestation',
      args: [uid],
    });
    expect(attestation).toMatchObject({ attester: sponsor.address, recipient: person.address });
    expect(attestation.revocationTime).toBeGreaterThan(0n);
  });
});
