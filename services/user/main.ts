import { loadConfig } from '../../lib/config.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { createLogger } from '../../lib/log.ts';
import { startTracing } from '../../lib/tracing/start-tracing.ts';
import { userConfig } from './config.ts';
import { startUserService } from './start-user-service.ts';

runProcess('user', async (scope) => {
  const config = loadConfig(userConfig, { env: process.env });
  const log = createLogger({ service: 'user', level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
  await startTracing({ service: 'user', version: '1.0.0', config, log, scope });
  await startUserService(config, scope, log);
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS, drainDelayMs: config.DRAIN_DELAY_MS };
});
