import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXAMPLE_REQUESTS, WALLET } from './docs/examples.ts';
import { type ApiHarness, BOOTSTRAP_KEY, startApiHarness } from './testing/api-harness.ts';

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly kinds: readonly string[];
  readonly scopes: readonly string[];
  readonly owner: string;
}

/** Owners whose things a client may touch only when it acts for anyone. */
const PERSONAL = new Set(['person', 'wallet', 'requester']);

describe('the authorisation matrix, made from the OpenAPI document', () => {
  let h: ApiHarness;
  let operations: Operation[];
  const verdicts: string[] = [];

  beforeAll(async () => {
    h = await startApiHarness();
    h.user.owners.set(WALLET, 'ada');
    const { paths } = await h.openapi();
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, op]) => ({
        id: String(op.operationId),
        method: method.toUpperCase(),
        path,
        kinds: (op.security as Record<string, unknown>[]).flatMap((one) => Object.keys(one)),
        scopes: (op['x-required-scopes'] as string[] | undefined) ?? [],
        owner: String(op['x-resource-owner']),
      })),
    );
  }, 60_000);
  afterAll(() => h?.stop());

  /** Sends the sample request of an operation with a credential; the stream is left after its first bytes. */
  async function send(
    op: Operation,
    token: string | undefined,
  ): Promise<{ status: number; code: string | undefined }> {
    const sample = EXAMPLE_REQUESTS[op.id];
    if (!sample) throw new Error(`${op.id} has no sample request; add one to docs/examples.ts`);
    const path = op.path.replace(/\{(\w+)\}/g, (_, name) => sample.path?.[name] ?? 'x');
    const query = sample.query ? `?${new URLSearchParams(sample.query)}` : '';
    const { status, body } = await h.call(op.method, `${path}${query}`, {
      ...(token === undefined ? {} : { token }),
      ...(sample.form === undefined ? { body: sample.body } : { body: sample.form }),
      ...(sample.form === undefined
        ? {}
        : { headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
    });
    verdicts.push(`${op.id} ${status}`);
    return { status, code: body?.code };
  }

  it('knows a sample request for every route, and none too many', () => {
    expect(Object.keys(EXAMPLE_REQUESTS).sort()).toEqual(operations.map((op) => op.id).sort());
  });

  it('states for every route whose things it touches', () => {
    const known = ['none', 'person', 'wallet', 'requester', 'principal', 'client', 'operator'];
    expect(operations.filter((op) => !known.includes(op.owner)).map((op) => op.id)).toEqual([]);
    const open = operations.filter((op) => op.kinds.length === 0).map((op) => op.id);
    expect(open.sort()).toEqual(['createAccessToken', 'revokeAccessToken']);
    expect(operations.filter((op) => op.kinds.length > 0 && op.scopes.length === 0)).toEqual([]);
  });

  const secured = () => operations.filter((op) => op.kinds.length > 0);

  it('refuses the anonymous, the garbled, the expired, the foreign and the revoked', async () => {
    const scopes = [...new Set(operations.flatMap((op) => op.scopes))];
    const revoked = await h.client(scopes);
    await h.call('DELETE', `/v1/clients/${revoked.id}/credentials/${revoked.credentialId}`, {
      token: BOOTSTRAP_KEY,
    });
    const expired = await h.user.accessToken('ada', { expiresInSeconds: -60 });
    const foreign = await h.user.accessToken('ada', { audience: 'somebody-else' });
    for (const op of secured()) {
      expect([op.id, await send(op, undefined)]).toEqual([op.id, { status: 401, code: 'unauthenticated' }]);
      expect([op.id, (await send(op, 'rjv_unknown_0123456789abcdef')).status]).toEqual([op.id, 401]);
      expect([op.id, (await send(op, revoked.key)).status]).toEqual([op.id, 401]);
      expect([op.id, (await send(op, `${expired.slice(0, -4)}AAAA`)).status]).toEqual([op.id, 401]);
      expect([op.id, (await send(op, foreign)).status]).toEqual([op.id, 401]);
      const old = await send(op, expired);
      expect([op.id, old]).toEqual([
        op.id,
        { status: 401, code: op.kinds.includes('user') ? 'expired_token' : 'unauthenticated' },
      ]);
    }
  }, 120_000);

  it('refuses a key without the scope, and lets one with it past that check', async () => {
    const all = [...new Set(operations.flatMap((op) => op.scopes))];
    const cache = new Map<string, { with: string; without: string }>();
    for (const op of secured()) {
      const scope = op.scopes[0] as string;
      let keys = cache.get(scope);
      if (!keys) {
        keys = {
          with: (await h.client([scope])).key,
          without: (await h.client(all.filter((one) => one !== scope))).key,
        };
        cache.set(scope, keys);
      }
      expect([op.id, await send(op, keys.without)]).toEqual([
        op.id,
        { status: 403, code: 'insufficient_scope' },
      ]);
      const allowed = await send(op, keys.with);
      expect([op.id, allowed.status === 401 || allowed.code === 'insufficient_scope']).toEqual([
        op.id,
        false,
      ]);
      // Its scope does not make a client the owner of a person's things.
      if (PERSONAL.has(op.owner) && allowed.status !== 404 && op.id !== 'listEarningOpportunities') {
        expect([op.id, allowed.status]).toEqual([op.id, 403]);
      }
    }
  }, 120_000);

  it('refuses another person what is not hers, and the owner nothing', async () => {
    const other = await h.user.accessToken('eve');
    const owner = await h.user.accessToken('ada');
    for (const op of secured().filter((one) => one.kinds.includes('user'))) {
      const mine = await send(op, owner);
      // A data hash that nobody submitted has no owner, so that nobody may ask about it.
      if (op.id !== 'getEffectivePermission' && op.id !== 'createTransaction') {
        expect([op.id, [401, 403].includes(mine.status) && mine.code !== 'invalid_signature']).toEqual([
          op.id,
          false,
        ]);
      }
      if (op.owner === 'wallet') expect([op.id, (await send(op, other)).status]).toEqual([op.id, 403]);
    }
  }, 120_000);

  it('never answered 5xx on the way', () => {
    expect(verdicts.filter((line) => / 5\d\d$/.test(line))).toEqual([]);
  });
});
