import { createHash, createHmac } from 'node:crypto';
import { AppError } from '../../../../lib/errors.ts';
import { isUniqueViolation } from '../../../../lib/postgres.ts';
import type { Random } from '../../../../lib/random.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { GatewayPostgres, GatewayTransaction } from '../../store/gateway-database.ts';
import {
  type AllotmentRow,
  findAllotment,
  findAuthorization,
  insertAllotment,
  insertAuthorization,
  insertGrant,
  raiseCap,
  revokeAllotment,
  subjectSalt,
  useGrant,
} from './allotment-store.ts';
import {
  hashText,
  isWithin,
  parseScope,
  plainAuthorization,
  type SpendAuthorization,
  spendDigest,
  spendDomain,
  thumbprintOf,
} from './spend-authorization.ts';
import { CALL_TOKEN_SECONDS, type CallTokens } from './token-jwt.ts';
import type { WalletVerdict } from './verify-wallet.ts';

/** An authorization with its signature, as a client sends it. */
export interface SignedAuthorization {
  readonly domain: { name: string; version: string; chainId: number; verifyingContract: string };
  readonly authorization: SpendAuthorization;
  readonly signature: string;
}

export interface IssuedToken {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  readonly expiresIn: number;
  readonly scope: string;
  readonly bound: boolean;
  readonly allotment: AllotmentRow;
}

export interface CallTokenServiceDeps {
  readonly postgres: GatewayPostgres;
  readonly tokens: CallTokens;
  /** Tells Redis that earlier epochs are over; rejects when it cannot. */
  readonly publishRevocation: (allotmentId: string, epoch: number) => Promise<void>;
  readonly verifyWallet: (input: {
    address: string;
    digest: string;
    signature: string;
  }) => Promise<WalletVerdict>;
  readonly chainId: number;
  readonly verifyingContract: string;
  readonly audience: string;
  /** Asset (lower case) → its smallest units per compute unit. */
  readonly assets: ReadonlyMap<string, number>;
  /** Who may pay (lower case); `*` for anybody. */
  readonly payers: ReadonlySet<string>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
}

export interface CallTokenService {
  /** Replayed with the same authorization, it gives another token for the same budget. */
  exchange(request: {
    signed: SignedAuthorization;
    scope: string;
    tokenScope: string | undefined;
    clientId: string | undefined;
    provenKey: string | undefined;
  }): Promise<IssuedToken>;
  refresh(request: { refreshToken: string; provenKey: string | undefined }): Promise<IssuedToken>;
  topUp(allotmentId: string, request: { signed: SignedAuthorization; scope: string }): Promise<AllotmentRow>;
  revoke(allotmentId: string): Promise<AllotmentRow>;
  get(allotmentId: string): Promise<AllotmentRow>;
}

/** Lua counts in doubles: more could not be counted to the unit. */
const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER);
/** Clocks of payers may run ahead by this much, seconds. */
const CLOCK_TOLERANCE_S = 5;
const REFRESH_BYTES = 32;

const hashRefresh = (token: string): Buffer => createHash('sha256').update(token).digest();

/** The rules of call tokens: who may authorise what, and what a token is given out for. */
export function createCallTokenService(deps: CallTokenServiceDeps): CallTokenService {
  const { postgres, tokens, chainId, clock, random } = deps;
  const ours = spendDomain(chainId, deps.verifyingContract);
  const audienceHash = hashText(deps.audience);

  async function get(id: string): Promise<AllotmentRow> {
    const row = await findAllotment(postgres.db, id);
    if (!row) throw new AppError('not_found', `There is no allotment ${id}.`);
    return row;
  }

  /** Everything that the text itself tells, before the signature costs anything. @returns the digest that was signed. */
  function judge({ domain, authorization: a }: SignedAuthorization, scope: string): string {
    if (domain.name !== ours.name || domain.version !== ours.version)
      throw new AppError(
        'wrong_signing_domain',
        `Sign for the domain "${ours.name}" version ${ours.version}.`,
      );
    if (domain.chainId !== chainId)
      throw new AppError(
        'wrong_chain',
        `The authorization is for chain ${domain.chainId}; this gateway serves chain ${chainId}.`,
      );
    if (domain.verifyingContract.toLowerCase() !== ours.verifyingContract.toLowerCase())
      throw new AppError('wrong_contract', `Sign for the verifying contract ${ours.verifyingContract}.`);
    if (a.audience !== audienceHash)
      throw new AppError(
        'wrong_audience',
        `The authorization is for another audience than "${deps.audience}" (keccak256 ${audienceHash}).`,
      );
    const now = Math.floor(clock.now() / 1000);
    if (Number(a.validBefore) <= now)
      throw new AppError(
        'authorization_expired',
        'The authorization has expired; sign a new one with a new nonce.',
      );
    if (Number(a.validAfter) > now + CLOCK_TOLERANCE_S)
      throw new AppError(
        'authorization_not_yet_valid',
        `The authorization is valid from ${a.validAfter} (Unix seconds).`,
        {
          retryAfterSeconds: Math.min(Number(a.validAfter) - now, 86_400),
        },
      );
    if (!deps.payers.has('*') && !deps.payers.has(a.payer))
      throw new AppError('payer_not_accepted', 'Ask the operator to accept this payer (CALL_TOKEN_PAYERS).');
    if (!deps.assets.has(a.asset))
      throw new AppError('asset_not_accepted', `Calls are paid in ${[...deps.assets.keys()].join(' or ')}.`);
    if (a.maxAmount > MAX_AMOUNT || a.maxPerCall > MAX_AMOUNT)
      throw new AppError('amount_too_large', `Amounts may be at most ${MAX_AMOUNT} of the smallest unit.`);
    for (const name of ['maxAmount', 'maxPerCall', 'maxInFlight'] as const) {
      if (a[name] < 1n) throw new AppError('invalid_argument', `${name} must be at least 1.`);
    }
    if (a.maxInFlight > 2n ** 31n - 1n)
      throw new AppError('invalid_argument', 'maxInFlight must be at most 2147483647.');
    if (a.scopeHash !== hashText(scope))
      throw new AppError('invalid_scope', 'The scope is not the one whose hash was signed.');
    if (parseScope(scope) === undefined)
      throw new AppError(
        'invalid_scope',
        'A scope is "read" or "write", with chain:<id> and method:<name> words.',
      );
    return spendDigest(a, chainId, deps.verifyingContract);
  }

  async function verify(
    { authorization, signature }: SignedAuthorization,
    digest: string,
  ): Promise<'key' | 'contract'> {
    const verdict = await deps.verifyWallet({ address: authorization.payer, digest, signature });
    switch (verdict.kind) {
      case 'key':
      case 'contract':
        return verdict.kind;
      case 'malleable':
        throw new AppError(
          'signature_malleable',
          'Send the signature as the wallet wrote it: low s, v 27 or 28.',
        );
      case 'refused':
        throw new AppError(
          'wallet_refused',
          "The payer's contract did not answer that it signed (ERC-1271).",
        );
      case 'stuck':
        throw new AppError(
          'wallet_stuck',
          "The payer's contract ran out of gas or time while it judged the signature.",
        );
      default:
        throw new AppError('invalid_signature', 'The signature is not by the payer over this authorization.');
    }
  }

  const mustBeLive = (row: AllotmentRow): void => {
    if (row.revoked_at !== null)
      throw new AppError('token_revoked', 'The allotment was revoked; sign a new authorization.');
    if (row.valid_before.getTime() <= clock.now())
      throw new AppError('authorization_expired', 'The allotment has expired; sign a new authorization.');
  };

  const mustBeProven = (jkt: string | null, proven: string | undefined): void => {
    if (jkt !== null && proven === undefined)
      throw new AppError(
        'dpop_required',
        'This budget is bound to a key: send a DPoP header signed by it (RFC 9449).',
      );
    if (jkt !== null && proven !== jkt)
      throw new AppError(
        'dpop_invalid',
        'The proof of possession is by another key than the budget is bound to.',
      );
  };

  async function issue(
    row: AllotmentRow,
    grant: { clientId: string; scope: string },
    refreshToken: string | undefined,
  ): Promise<IssuedToken> {
    const left = Math.floor((row.valid_before.getTime() - clock.now()) / 1000);
    const expiresIn = Math.max(1, Math.min(CALL_TOKEN_SECONDS, left));
    const accessToken = await tokens.sign(
      {
        allotmentId: row.id,
        epoch: row.epoch,
        subject: row.subject,
        clientId: grant.clientId,
        scope: grant.scope,
        jkt: row.jkt,
      },
      expiresIn,
    );
    return {
      accessToken,
      refreshToken,
      expiresIn,
      scope: grant.scope,
      bound: row.jkt !== null,
      allotment: row,
    };
  }

  async function newGrant(
    trx: GatewayTransaction,
    allotmentId: string,
    clientId: string,
    scope: string,
  ): Promise<string> {
    const refreshToken = random.token(REFRESH_BYTES);
    await insertGrant(trx, {
      id: random.uuid(),
      allotmentId,
      refreshHash: hashRefresh(refreshToken),
      clientId,
      scope,
    });
    return refreshToken;
  }

  return {
    get,
    async exchange({ signed, scope, tokenScope, clientId, provenKey }) {
      const { authorization: a, signature } = signed;
      const digest = judge(signed, scope);
      const granted = tokenScope ?? scope;
      const [wide, narrow] = [parseScope(scope), parseScope(granted)];
      if (wide === undefined || narrow === undefined || !isWithin(narrow, wide))
        throw new AppError(
          'invalid_scope',
          'A token may be given less than what was authorized, never more.',
        );
      const jkt = thumbprintOf(a.jkt);
      mustBeProven(jkt, provenKey);
      const wallet = await verify(signed, digest);
      const salt = await subjectSalt(postgres.db);
      const pairwise = (client: string): string =>
        createHmac('sha256', salt).update(`${a.payer}\n${client}`).digest('base64url');
      const client = clientId ?? pairwise('');
      /** The budget of this nonce, when it was exchanged before. */
      const earlier = async (): Promise<string | undefined> => {
        const known = await findAuthorization(postgres.db, a.payer, a.nonce);
        if (known === undefined) return undefined;
        if (known.digest !== digest || known.kind !== 'exchange')
          throw new AppError(
            'nonce_reused',
            'This nonce was signed with something else before. Use 32 new random bytes.',
          );
        return known.allotment_id;
      };
      const create = async (): Promise<{ id: string; refreshToken: string }> => {
        const id = random.uuid();
        const refreshToken = await postgres.transaction(async (trx) => {
          await insertAllotment(trx, {
            id,
            chainId,
            payer: a.payer,
            asset: a.asset,
            unitPrice: deps.assets.get(a.asset) as number,
            cap: Number(a.maxAmount),
            maxPerCall: Number(a.maxPerCall),
            maxInFlight: Number(a.maxInFlight),
            audience: deps.audience,
            scope,
            jkt,
            subject: pairwise(client),
            validAfter: new Date(Number(a.validAfter) * 1_000),
            validBefore: new Date(Math.min(Number(a.validBefore) * 1_000, FAR_FUTURE_MS)),
          });
          await insertAuthorization(trx, {
            payer: a.payer,
            nonce: a.nonce,
            digest,
            allotmentId: id,
            kind: 'exchange',
            amount: Number(a.maxAmount),
            signed: { domain: signed.domain, ...plainAuthorization(a) },
            signature,
            wallet,
          });
          return newGrant(trx, id, client, granted);
        });
        return { id, refreshToken };
      };
      let id = await earlier();
      let refreshToken: string | undefined;
      if (id === undefined) {
        try {
          ({ id, refreshToken } = await create());
        } catch (error) {
          if (!isUniqueViolation(error, 'call_token_authorizations_pkey')) throw error;
          // The same authorization arrived twice at once; the other one made the budget.
          id = (await earlier()) as string;
        }
      }
      const row = await get(id);
      mustBeLive(row);
      refreshToken ??= await postgres.transaction((trx) => newGrant(trx, row.id, client, granted));
      return issue(row, { clientId: client, scope: granted }, refreshToken);
    },

    async refresh({ refreshToken, provenKey }) {
      const grant = await useGrant(postgres.db, hashRefresh(refreshToken));
      if (grant === undefined)
        throw new AppError(
          'invalid_token',
          'The refresh token is not known; exchange the authorization again.',
        );
      const row = await get(grant.allotment_id);
      mustBeLive(row);
      mustBeProven(row.jkt, provenKey);
      return issue(row, { clientId: grant.client_id, scope: grant.scope }, undefined);
    },

    async topUp(allotmentId, { signed, scope }) {
      const { authorization: a, signature } = signed;
      const digest = judge(signed, scope);
      const row = await get(allotmentId);
      mustBeLive(row);
      const known = await findAuthorization(postgres.db, a.payer, a.nonce);
      if (known !== undefined) {
        if (known.digest === digest && known.kind === 'top-up' && known.allotment_id === allotmentId)
          return row;
        throw new AppError(
          'nonce_reused',
          'This nonce was signed with something else before. Use 32 new random bytes.',
        );
      }
      const differs = (
        [
          ['payer', a.payer === row.payer],
          ['asset', a.asset === row.asset],
          ['scope', scope === row.scope],
          ['jkt', thumbprintOf(a.jkt) === row.jkt],
          // What is added may be spent under the limits of the budget, so it must have been signed for them.
          ['maxPerCall', Number(a.maxPerCall) >= row.max_per_call],
          ['maxInFlight', Number(a.maxInFlight) >= row.max_in_flight],
          ['validBefore', Number(a.validBefore) * 1_000 >= row.valid_before.getTime()],
        ] as const
      ).filter(([, fits]) => !fits);
      if (differs.length > 0)
        throw new AppError(
          'top_up_mismatch',
          `A top-up must fit its budget; ${differs.map(([name]) => name).join(', ')} does not.`,
          {
            errors: differs.map(([name]) => ({
              pointer: `/authorization/${name}`,
              rule: 'fits',
              detail: 'The same as in the budget, or, for limits and validBefore, not less.',
            })),
          },
        );
      const wallet = await verify(signed, digest);
      try {
        await postgres.transaction(async (trx) => {
          await insertAuthorization(trx, {
            payer: a.payer,
            nonce: a.nonce,
            digest,
            allotmentId,
            kind: 'top-up',
            amount: Number(a.maxAmount),
            signed: { domain: signed.domain, ...plainAuthorization(a) },
            signature,
            wallet,
          });
          if (!(await raiseCap(trx, allotmentId, Number(a.maxAmount))))
            throw new AppError(
              'amount_too_large',
              'The budget would grow beyond what can be counted, or was revoked.',
            );
        });
      } catch (error) {
        // Sent twice at once: the other one has added it.
        if (!isUniqueViolation(error, 'call_token_authorizations_pkey')) throw error;
      }
      return get(allotmentId);
    },

    async revoke(allotmentId) {
      const revoked = await revokeAllotment(postgres.db, allotmentId);
      if (!revoked) throw new AppError('not_found', `There is no allotment ${allotmentId}.`);
      try {
        await deps.publishRevocation(allotmentId, revoked.epoch);
      } catch (error) {
        throw new AppError(
          'dependency_unavailable',
          'The revocation is saved, but could not be told to every replica yet. Repeat the request.',
          { retryAfterSeconds: 1, cause: error },
        );
      }
      return get(allotmentId);
    },
  };
}

/** Postgres knows no later timestamps that JavaScript knows too; a uint64 of seconds may be later. */
const FAR_FUTURE_MS = Date.UTC(9_999, 0, 1);
