import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AbiCoder, Interface } from 'ethers';
import { eventually } from '../../../tools/testing/eventually.ts';
import { WALLET } from '../docs/examples.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';

const CID = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG';
const nft = new Interface(['function tokenURI(uint256)', 'function ownerOf(uint256)']);
const selectorOf = (name: string): string => nft.getFunction(name)?.selector ?? '';

describe('metadata of NFTs', () => {
  let h: ApiHarness;
  let ipfs: Server;
  let ada: string;
  let document = { name: 'Identity 1', version: 1 };
  const asked: string[] = [];
  const pointTo = (uri: string): void => {
    h.gateway.views.set(selectorOf('tokenURI'), AbiCoder.defaultAbiCoder().encode(['string'], [uri]));
  };
  const read = (headers: Record<string, string> = {}) =>
    h.call('GET', '/v1/nfts/IdentityToken/1/metadata', { token: ada, headers });

  beforeAll(async () => {
    ipfs = createServer((req, res) => {
      asked.push(req.url ?? '');
      if (req.url?.endsWith('/bomb.json')) {
        res.end(Buffer.alloc(600 * 1024, ' '));
        return;
      }
      if (req.url?.endsWith('/redirect.json')) {
        res.writeHead(302, { location: 'http://169.254.169.254/' }).end();
        return;
      }
      res.end(req.url?.endsWith('/list.json') ? '[1]' : JSON.stringify(document));
    });
    await new Promise<void>((resolve) => ipfs.listen(0, '127.0.0.1', resolve));
    h = await startApiHarness({
      IPFS_GATEWAY: `http://127.0.0.1:${(ipfs.address() as AddressInfo).port}`,
    });
    ada = await h.user.accessToken('ada');
    h.gateway.views.set(selectorOf('ownerOf'), AbiCoder.defaultAbiCoder().encode(['address'], [WALLET]));
  }, 60_000);
  afterAll(async () => {
    await h?.stop();
    await new Promise<void>((resolve) => ipfs.close(() => resolve()));
  });

  it('are read once, answered with an ETag, and read again when ERC-4906 says that they changed', async () => {
    pointTo(`ipfs://${CID}/1.json`);
    const first = await read();
    expect(first.status).toBe(200);
    expect(first.body.metadata).toEqual({ name: 'Identity 1', version: 1 });
    const etag = first.headers.get('etag') ?? '';
    expect((await read({ 'if-none-match': etag })).status).toBe(304);
    document = { name: 'Identity 1', version: 2 };
    expect((await read()).body.metadata.version).toBe(1);
    expect(asked).toEqual([`/ipfs/${CID}/1.json`]);

    const contract = { name: 'IdentityToken', address: `0x${'2'.repeat(40)}` };
    h.gateway.emit({ type: 'metadata.updated', contract, data: { tokenId: '2', toTokenId: '2' } });
    h.gateway.emit({ type: 'metadata.updated', contract, data: { tokenId: '1', toTokenId: '1' } });
    await eventually(async () => expect((await read()).body.metadata.version).toBe(2));
    expect((await read({ 'if-none-match': etag })).status).toBe(200);

    document = { name: 'Identity 1', version: 3 };
    h.gateway.emit({ type: 'metadata.updated', contract, data: { tokenId: '0', toTokenId: '9' } });
    await eventually(async () => expect((await read()).body.metadata.version).toBe(3));
    expect(asked).toHaveLength(3);
  });

  it.each([
    ['https://169.254.169.254/latest/meta-data', 'private address'],
    ['https://localhost/x', undefined],
    ['http://example.org/x', 'none of data:, ipfs:, https:'],
    [`ipfs://${CID}/../../api/v0/id`, 'content id'],
    [`ipfs://${CID}/%2e%2e/%2e%2e/api`, 'content id'],
    [`ipfs://${CID}/bomb.json`, 'larger than'],
    [`ipfs://${CID}/redirect.json`, 'answered 302'],
    [`ipfs://${CID}/list.json`, 'not a JSON object'],
    ['data:application/json,{', 'not JSON'],
  ])('of %s are refused in words', async (uri, words) => {
    pointTo(uri);
    const { status, body } = await read();
    expect(status).toBe(words === undefined ? 503 : 422);
    if (words !== undefined) expect(body.detail).toContain(words);
  });
});
