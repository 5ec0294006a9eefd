import { loadConfig } from '../../lib/config.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { createLogger } from '../../lib/log.ts';
import { startTracing } from '../../lib/tracing/start-tracing.ts';
import { apiConfig } from './config.ts';
import { startApi } from './start-api.ts';

runProcess('api', async (scope) => {
  const config = loadConfig(apiConfig, { env: process.env, ownPrefixes: ['API_'], sharedKeys: ['API_URL'] });
  const log = createLogger({ service: 'api', level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
  await startTracing({ service: 'api', version: '1.0.0', config, log, scope });
  await startApi(config, scope, log);
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS, drainDelayMs: config.DRAIN_DELAY_MS };
});
