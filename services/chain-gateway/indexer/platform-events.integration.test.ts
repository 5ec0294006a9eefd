import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Wallet } from 'ethers';
import { devAccount } from '../../../contracts/dev-accounts.ts';
import {
  DATA_MANAGEMENT_DOMAIN,
  DATA_SUBMISSION_TYPES,
  domainOf,
  IDENTITY_DOMAIN,
  IDENTITY_TYPES,
  PERMISSION_TYPES,
} from '../../../contracts/typed-data.ts';
import { createLogger } from '../../../lib/log.ts';
import { testAccounts } from '../../../tools/testing/test-contracts.ts';
import { createKeySigner } from '../signers/local-signers.ts';
import { signerPolicySchema } from '../signers/signers-file.ts';
import { readEvents } from '../store/event-log.ts';
import { createIndexStore } from '../store/index-store.ts';
import {
  listIdentities,
  listNfts,
  listPermissions,
  listSubmissions,
  listTransfers,
} from '../store/read-store.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { createTransactionSchema } from '../transactions/transaction-schema.ts';
import { createChainReader } from './chain-reader.ts';
import { createChainFollower } from './follow-chain.ts';
import { followedContracts } from './followed-contracts.ts';

const person = new Wallet(devAccount(4).privateKey);
const lab = testAccounts.lab;
const dataHash = `0x${'ab'.repeat(32)}`;
const page = { before: undefined, limit: 10 };
// A busy machine is slow, not wrong.
jest.setTimeout(180_000);
let fixture: GatewayFixture;
let keys = 0;

beforeAll(async () => {
  const pool = (alias: string, privateKey: string) => ({
    alias,
    policy: signerPolicySchema.parse({ allowNative: true }),
    signers: [createKeySigner(privateKey)],
  });
  fixture = await createGatewayFixture({
    blockTime: 1,
    pools: [pool('sponsor', testAccounts.sponsor.privateKey), pool('lab', lab.privateKey)],
  });
  fixture.startWorker();
}, 60_000);
afterAll(() => fixture?.close());

async function execute(signer: string, call: object) {
  const request = createTransactionSchema.parse({ chainId: 31337, signer, requestedBy: 'story', ...call });
  const { view } = await fixture.service.create('api', `story-key-${++keys}`, request);
  const done = await fixture.waitFor(view.id, (v) => ['confirmed', 'rejected'].includes(v.state), 60_000);
  expect({ state: done.state, error: done.error }).toEqual({ state: 'confirmed', error: null });
  return done;
}

describe('the story of a person and her data', () => {
  it('is told by the index: identity, submission, permission, and plain transfers of our own', async () => {
    const { manifest, postgres } = fixture;
    const identityAt = manifest.contracts.IdentityToken?.address ?? '0x';
    const dataAt = manifest.contracts.DataManagement?.address ?? '0x';
    const kyc = `0x${'11'.repeat(32)}`;
    const consent = await person.signTypedData(domainOf(IDENTITY_DOMAIN, 31337, identityAt), IDENTITY_TYPES, {
      kyc,
      signer: person.address,
      uri: 'ipfs://person',
      nonce: 1,
    });
    await execute('sponsor', {
      contract: 'IdentityToken',
      function: 'createIdentity',
      args: [consent, kyc, person.address, 'ipfs://person', '1'],
    });
    const submit = await person.signTypedData(
      domainOf(DATA_MANAGEMENT_DOMAIN, 31337, dataAt),
      DATA_SUBMISSION_TYPES,
      { signer: person.address, dhash: dataHash, nonce: 2 },
    );
    await execute('sponsor', {
      contract: 'DataManagement',
      function: 'submitData',
      args: [person.address, submit, dataHash, '2'],
    });

    const rpc = createDirectRpc(fixture.chain.url);
    const contracts = await followedContracts(rpc, fixture.book);
    const follower = createChainFollower({
      reader: createChainReader({ rpc, contracts }),
      store: createIndexStore(postgres, 31337, 1),
      log: createLogger({ service: 'test', level: 'error' }),
      startBlock: Math.min(...contracts.map((c) => c.fromBlock)),
    });
    const catchUp = async () => {
      for (let i = 0; i < 200; i++) if (await follower.step(new AbortController().signal)) return;
    };
    await catchUp();
    const [requester] = await listIdentities(postgres.db, 31337, lab.address);
    if (!requester) throw new Error('the lab has no identity');
    const permission = {
      dataowner: person.address,
      requesterId: requester.token_id,
      dhash: dataHash,
      productId: 7,
      nonce: 3,
      expiration: 86_400,
    };
    const grant = await person.signTypedData(
      domainOf(DATA_MANAGEMENT_DOMAIN, 31337, dataAt),
      PERMISSION_TYPES,
      permission,
    );
    const granted = await execute('lab', {
      contract: 'DataManagement',
      function: 'getPermission',
      args: [person.address, grant, dataHash, '7', '3', '86400'],
    });
    const paid = await execute('lab', { to: person.address, value: '123' });
    await catchUp();

    const [identity] = await listIdentities(postgres.db, 31337, person.address);
    expect(identity).toMatchObject({
      owner: person.address,
      sponsor: testAccounts.sponsor.address,
      token_uri: 'ipfs://person',
      destroyed_block: null,
    });
    const nfts = await listNfts(postgres.db, { chainId: 31337, owner: person.address }, undefined, 10);
    expect(nfts).toEqual([
      expect.objectContaining({ contract: identityAt, token_id: identity?.token_id, amount: '1' }),
    ]);
    expect(await listSubmissions(postgres.db, { chainId: 31337, owner: person.address }, page)).toEqual([
      expect.objectContaining({ data_hash: dataHash, owner_id: identity?.token_id }),
    ]);
    const permissions = await listPermissions(
      postgres.db,
      { chainId: 31337, owner: person.address, productId: '7' },
      page,
    );
    expect(permissions).toEqual([
      expect.objectContaining({
        requester_id: requester.token_id,
        data_hash: dataHash,
        transaction_hash: granted.hash,
      }),
    ]);
    const native = await listTransfers(
      postgres.db,
      { chainId: 31337, address: person.address, standard: 'native' },
      page,
    );
    expect(native).toEqual([
      expect.objectContaining({ amount: '123', from_address: lab.address, transaction_hash: paid.hash }),
    ]);

    const types = new Set((await readEvents(postgres.db, 0, 1_000)).map((event) => event.type));
    for (const type of [
      'identity.created',
      'data.submitted',
      'permission.granted',
      'transfer.erc20',
      'transfer.erc721',
      'transfer.native',
    ])
      expect(types).toContain(type);
  }, 180_000);

  it('forgets an identity that was destroyed, and remembers that it was', async () => {
    const [identity] = await listIdentities(fixture.postgres.db, 31337, person.address);
    const token = fixture.book.byName('IdentityToken');
    const data = token?.interface.encodeFunctionData('burnIdentity', [identity?.token_id]);
    await fixture.chain.rpc('eth_sendTransaction', [{ from: person.address, to: token?.address, data }]);
    await fixture.chain.mine(1);
    const rpc = createDirectRpc(fixture.chain.url);
    const contracts = await followedContracts(rpc, fixture.book);
    const follower = createChainFollower({
      reader: createChainReader({ rpc, contracts }),
      store: createIndexStore(fixture.postgres, 31337, 1),
      log: createLogger({ service: 'test', level: 'error' }),
      startBlock: 1,
    });
    for (let i = 0; i < 100 && !(await follower.step(new AbortController().signal)); i++);
    expect(
      (await listIdentities(fixture.postgres.db, 31337, person.address))[0]?.destroyed_block,
    ).not.toBeNull();
    expect(
      await listNfts(fixture.postgres.db, { chainId: 31337, owner: person.address }, undefined, 10),
    ).toEqual([]);
  }, 60_000);
});
