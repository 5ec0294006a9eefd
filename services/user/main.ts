import { loadConfig } from '../../lib/config.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { createLogger } from '../../lib/log.ts';
import { userConfig } from './config.ts';
import { startUserService } from './start-user-service.ts';

runProcess('user', async (scope) => {
  const config = loadConfig(userConfig, { env: process.env });
  const log = createLogger({ service: 'user', level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
  await startUserService(config, scope, log);
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS };
});
