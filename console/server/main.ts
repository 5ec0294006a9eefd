import { loadConfig } from '../../lib/config.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { createLogger } from '../../lib/log.ts';
import { startTracing } from '../../lib/tracing/start-tracing.ts';
import { consoleConfig } from './config.ts';
import { startConsole } from './start-console.ts';

/** The operators' console: what runs, why, and the few switches there are. */
runProcess('console', async (scope) => {
  const config = loadConfig(consoleConfig, { env: process.env, ownPrefixes: ['CONSOLE_'] });
  const log = createLogger({ service: 'console', level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
  await startTracing({ service: 'console', version: '1.0.0', config, log, scope });
  await startConsole(config, scope, log);
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS };
});
