import { createHash } from 'node:crypto';
import { AppError } from '../../../lib/errors.ts';
import { checkTargetUrl, ForbiddenTarget } from '../../../lib/http/public-address.ts';
import type { Random } from '../../../lib/random.ts';
import type { Sealer } from '../../../lib/sealing.ts';
import { newWebhookSecret } from '../../../lib/standard-webhooks.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { FcmTarget, WebhookTarget, WebPushTarget } from './channel.ts';
import type { deliveryStore, TargetRow } from './store.ts';

/** Enough for many browsers and devices, few enough that one person cannot multiply our work. */
export const MAX_TARGETS = 30;
/** How long the previous secret of a webhook keeps signing after a rotation. */
export const ROTATION_OVERLAP_MS = 24 * 3600_000;

const PURPOSE = 'delivery-target';

export interface Targets {
  addPush(personId: string, target: WebPushTarget, description: string | null): Promise<TargetRow>;
  addFcm(personId: string, target: FcmTarget, description: string | null): Promise<TargetRow>;
  /** @returns the row and the secret, which is shown this once. */
  addWebhook(
    personId: string,
    url: string,
    description: string | null,
  ): Promise<{ row: TargetRow; secret: string }>;
  rotate(personId: string, id: string): Promise<{ secret: string; previousUntil: Date }>;
  list(personId: string): Promise<(TargetRow & { address: string })[]>;
  remove(personId: string, id: string): Promise<void>;
  open<T>(row: TargetRow): T;
  find(db: Db, id: string): Promise<TargetRow | undefined>;
}

export function createTargets(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof deliveryStore;
  sealer: Sealer;
  clock: Pick<Clock, 'now'>;
  random: Random;
  allowPrivate: boolean;
}): Targets {
  const { postgres, store, sealer, clock, random, allowPrivate } = deps;
  const checkUrl = (url: string, pointer: string): void => {
    try {
      checkTargetUrl(url, allowPrivate);
    } catch (error) {
      if (!(error instanceof ForbiddenTarget)) throw error;
      throw new AppError('invalid_argument', `${pointer}: this URL cannot be used, ${error.message}.`, {
        errors: [{ pointer, rule: 'url', detail: error.message }],
      });
    }
  };
  const add = async (
    personId: string,
    channel: TargetRow['channel'],
    target: unknown,
    identity: string,
    description: string | null,
  ): Promise<TargetRow> => {
    const existing = await store.allTargets(postgres.db, personId);
    if (existing.filter((t) => t.disabledAt === null).length >= MAX_TARGETS)
      throw new AppError('conflict', `There can be ${MAX_TARGETS} devices and webhooks; remove one first.`);
    return store.putTarget(
      postgres.db,
      {
        id: random.uuid(),
        personId,
        channel,
        sealed: sealer.seal(PURPOSE, JSON.stringify(target)),
        fingerprint: createHash('sha256').update(`${channel}\n${identity}`).digest(),
        description,
      },
      new Date(clock.now()),
    );
  };
  const open = <T>(row: TargetRow): T => JSON.parse(sealer.open(PURPOSE, row.sealed)) as T;
  const newSecret = (): string => newWebhookSecret((count) => random.bytes(count));

  return {
    addPush(personId, target, description) {
      checkUrl(target.endpoint, '/endpoint');
      return add(personId, 'push', target, target.endpoint, description);
    },
    addFcm: (personId, target, description) => add(personId, 'fcm', target, target.token, description),
    async addWebhook(personId, url, description) {
      checkUrl(url, '/url');
      const secret = newSecret();
      const target: WebhookTarget = { url, secrets: [{ secret, until: null }] };
      return { row: await add(personId, 'webhook', target, `${personId}\n${url}`, description), secret };
    },
    rotate: (personId, id) =>
      postgres.transaction(async (trx) => {
        const row = await store.target(trx, id);
        if (!row || row.personId !== personId || row.channel !== 'webhook')
          throw new AppError('not_found', 'There is no webhook with this id.');
        const target = open<WebhookTarget>(row);
        const secret = newSecret();
        const until = clock.now() + ROTATION_OVERLAP_MS;
        const previous = target.secrets
          .filter((s) => s.until === null)
          .map((s) => ({ secret: s.secret, until }));
        const next: WebhookTarget = { url: target.url, secrets: [{ secret, until: null }, ...previous] };
        await store.reseal(trx, id, sealer.seal(PURPOSE, JSON.stringify(next)));
        return { secret, previousUntil: new Date(until) };
      }),
    async list(personId) {
      return (await store.allTargets(postgres.db, personId)).map((row) => {
        const target = open<Partial<WebPushTarget & WebhookTarget>>(row);
        // Endpoints of push services are capabilities; only their host is shown.
        const address =
          row.channel === 'webhook'
            ? (target.url ?? '')
            : row.channel === 'push'
              ? new URL(target.endpoint ?? 'https://unknown').host
              : 'device';
        return { ...row, address };
      });
    },
    async remove(personId, id) {
      if ((await store.removeTarget(postgres.db, personId, id)) === 0)
        throw new AppError('not_found', 'There is no target with this id.');
    },
    open,
    find: (db, id) => store.target(db, id),
  };
}
