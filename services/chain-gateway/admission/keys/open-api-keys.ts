import type { CursorCodec } from '../../../../lib/cursor.ts';
import type { Route } from '../../../../lib/http/route.ts';
import type { ProcessScope } from '../../../../lib/lifecycle.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Random } from '../../../../lib/random.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { CredentialReader } from '../identify.ts';
import { createKeyNews } from './key-news.ts';
import { createKeyRing } from './key-ring.ts';
import { findBySecrets, touchSecrets } from './key-store.ts';
import { createKeyRoutes, type KeyUsage } from './routes.ts';
import { createKeyService } from './service.ts';

/** API keys of this process: their routes, and the reader that recognises them. */
export function openApiKeys(deps: {
  postgres: GatewayPostgres;
  cursors: CursorCodec;
  redis: { url: string; prefix: string } | undefined;
  usage: (principal: string) => Promise<KeyUsage>;
  clock: Clock;
  random: Random;
  log: Logger;
  scope: Pick<ProcessScope, 'defer'>;
}): { routes: Route[]; reader: CredentialReader } {
  const { postgres, clock, log, scope } = deps;
  const news = deps.redis && createKeyNews({ ...deps.redis, log });
  if (news) scope.defer('news of keys', () => news.close());
  const ring = createKeyRing({
    load: (ids) => findBySecrets(postgres.db, ids),
    touch: (used) => touchSecrets(postgres.db, used),
    hearsNews: () => news?.hears() ?? false,
    clock,
    log,
  });
  scope.defer('keys', () => ring.stop());
  news?.listen(
    (keyId) => ring.onNews(keyId),
    () => ring.onNews(undefined),
  );
  const service = createKeyService({
    postgres,
    random: deps.random,
    news,
    onChange: (id) => ring.onNews(id),
  });
  return {
    reader: ring,
    routes: createKeyRoutes({ ...deps, service, now: () => clock.now() }),
  };
}
