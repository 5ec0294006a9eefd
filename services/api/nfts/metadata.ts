import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { toChecksum } from '../../../lib/address.ts';
import { AppError } from '../../../lib/errors.ts';
import { bareHost, isPublicAddress, publicOnlyLookup } from '../../../lib/http/public-address.ts';
import type { CacheAside } from '../data/cache-aside.ts';

/** Metadata documents are small; a larger one is refused, not truncated. */
const MAX_BYTES = 512 * 1024;
const TIMEOUT_MS = 5_000;
/** Longest time that a document is answered without asking its server again. */
const KEEP_MS = 3_600_000;

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '..';
  }
}

export interface Metadata {
  readonly document: Record<string, unknown>;
  /** Strong ETag of the document's bytes. */
  readonly etag: string;
}

const refuse = (detail: string, cause?: unknown): AppError =>
  new AppError(
    'invalid_argument',
    `The metadata of this token cannot be shown: ${detail}.`,
    cause === undefined ? {} : { cause },
  );

function parse(bytes: Uint8Array): Metadata {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refuse('it is not JSON', cause);
  }
  if (document === null || typeof document !== 'object' || Array.isArray(document))
    throw refuse('it is not a JSON object');
  return {
    document: document as Record<string, unknown>,
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`,
  };
}

/** RFC 2397 `data:[<type>][;base64],<data>`. */
function fromDataUri(uri: string): Uint8Array {
  const comma = uri.indexOf(',');
  if (comma === -1) throw refuse('its data: URI has no comma');
  const text = uri.slice(comma + 1);
  if (text.length > MAX_BYTES * 2) throw refuse(`it is larger than ${MAX_BYTES} bytes`);
  try {
    return uri.slice(0, comma).endsWith(';base64')
      ? Buffer.from(text, 'base64')
      : Buffer.from(decodeURIComponent(text), 'utf8');
  } catch (cause) {
    throw refuse('its data: URI cannot be decoded', cause);
  }
}

export type MetadataReader = ReturnType<typeof createMetadataReader>;

/**
 * Reads token metadata from wherever a token URI points: `data:`, `ipfs:` (through a gateway) or `https:`.
 * Sizes and times are bounded, private addresses are refused.
 * @param metadataDir development only: a folder whose files answer `metadata:<name>` URIs.
 */
export function createMetadataReader(options: {
  ipfsGateway: string;
  cache: Pick<CacheAside, 'get'>;
  metadataDir?: string | undefined;
}) {
  const { cache } = options;
  // No redirect is followed, and the names of strangers' URLs must be public ones. The gateway is the operator's choice.
  const strangers = new Agent({ connect: { timeout: TIMEOUT_MS, lookup: publicOnlyLookup() } });
  const ownGateway = new Agent({ connect: { timeout: TIMEOUT_MS } });

  function fetchFromStranger(url: URL): Promise<Uint8Array> {
    const literal = bareHost(url.hostname);
    if (isIP(literal) && !isPublicAddress(literal)) throw refuse('its URI names a private address');
    return fetchBytes(url, strangers);
  }

  async function fetchBytes(url: URL, agent: Agent): Promise<Uint8Array> {
    try {
      const answer = await request(url, {
        dispatcher: agent,
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.statusCode !== 200) throw refuse(`its server answered ${answer.statusCode}`);
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of answer.body) {
        size += (chunk as Uint8Array).length;
        if (size > MAX_BYTES) throw refuse(`it is larger than ${MAX_BYTES} bytes`);
        chunks.push(chunk as Uint8Array);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError(
        'dependency_unavailable',
        'The server of the metadata did not answer; try again later.',
        {
          retryAfterSeconds: 10,
          cause: error,
        },
      );
    }
  }

  async function bytesOf(uri: string): Promise<Uint8Array> {
    if (uri.startsWith('data:')) return fromDataUri(uri);
    if (uri.startsWith('metadata:') && options.metadataDir !== undefined) {
      const name = uri.slice('metadata:'.length);
      if (!/^[\w-]+\.json$/.test(name)) throw refuse('its name is not that of a file');
      return readFile(join(options.metadataDir, name)).catch((cause) => {
        throw refuse('there is no such file', cause);
      });
    }
    if (uri.startsWith('ipfs://')) {
      const path = uri.slice('ipfs://'.length).replace(/^ipfs\//, '');
      // A path with dots in it would leave /ipfs/ and reach whatever else the gateway's host serves.
      if (
        !/^[A-Za-z0-9]{10,120}(\/[^/?#]{1,255}){0,20}$/.test(path) ||
        /(^|\/)\.\.?(\/|$)/.test(decoded(path))
      )
        throw refuse('its ipfs: URI names no content id');
      return fetchBytes(new URL(`${options.ipfsGateway}/ipfs/${path}`), ownGateway);
    }
    if (uri.startsWith('https://') && URL.canParse(uri)) return fetchFromStranger(new URL(uri));
    throw refuse('its URI is none of data:, ipfs:, https:');
  }

  return {
    /**
     * The document of a token, from the cache while nothing says that it changed (ERC-4906 events, an hour at most).
     * @throws AppError invalid_argument (it will never work), dependency_unavailable (it may work later)
     */
    read(token: { address: string; tokenId: string }, uri: string): Promise<Metadata> {
      // What stands in the URI itself is cheaper to decode than to look up, and may be larger than a key should be.
      if (uri.startsWith('data:')) return bytesOf(uri).then(parse);
      const hash = createHash('sha256').update(uri).digest('base64url');
      const address = toChecksum(token.address);
      return cache.get(
        {
          key: `metadata:${address}:${token.tokenId}:${hash}`,
          ttlMs: KEEP_MS,
          tags: [`nft:${address}:${token.tokenId}`, `nfts:${address}`],
        },
        async () => parse(await bytesOf(uri)),
      );
    },
    async close() {
      await Promise.all([strangers.close(), ownGateway.close()]);
    },
  };
}
