import { z } from 'zod';
import { commonKeys, csv, databaseUrl, defineConfig, integer, port, secret, url } from '../../lib/config.ts';
import { serviceAuthKeys } from '../../lib/service-auth.ts';
import { operatorsSchema } from './access/operators.ts';

const target = z.string().transform((text, ctx) => {
  const at = text.indexOf('=');
  const name = text.slice(0, at).trim();
  const address = text
    .slice(at + 1)
    .trim()
    .replace(/\/+$/, '');
  if (at < 1 || !/^[a-z][a-z0-9-]*$/.test(name) || !/^https?:\/\//.test(address) || !URL.canParse(address)) {
    ctx.addIssue({
      code: 'custom',
      message: 'expected name=http://host:port, for example gateway=http://127.0.0.1:4000',
    });
    return z.NEVER;
  }
  return { name, url: address };
});

/** Settings of the operators' console. */
export const consoleConfig = defineConfig({
  service: 'console',
  keys: {
    ...commonKeys,
    PORT: port(4400).describe('The console itself'),
    DATABASE_URL: databaseUrl().describe('Postgres for sessions and the audit log (schema console)'),
    SERVICE_AUTH_KEYS: secret(serviceAuthKeys),
    GATEWAY_URL: url().default('http://127.0.0.1:4000').describe('The chain-gateway'),
    USER_URL: url().default('http://127.0.0.1:4200').describe('The user service'),
    API_URL: url().default('http://127.0.0.1:4100').describe('The API; linked for its documentation'),
    CONSOLE_TARGETS: csv(target)
      .default([])
      .describe(
        'Processes whose health and metrics are shown: name=url,…; without it gateway, api and user by their URLs',
      ),
    CONSOLE_OPERATORS: secret(operatorsSchema).describe(
      'Who may sign in: name:role:hash per line or comma, made by `node console/server/operator-cli.ts`; CONSOLE_OPERATORS_FILE names a file',
    ),
    CONSOLE_URL: url()
      .optional()
      .describe('Address at which people open it; with https cookies are marked Secure'),
    CONSOLE_SESSION_MINUTES: integer({ min: 5, max: 10_080, default: 480 }).describe(
      'A session ends after this long, and earlier when it is not used for an eighth of it',
    ),
    CONSOLE_SAMPLE_MS: integer({ min: 500, max: 60_000, default: 5_000 }).describe(
      'How often health and metrics are read',
    ),
    CONSOLE_KUBERNETES: z
      .enum(['auto', 'off'])
      .default('auto')
      .describe('Worker pools are read from the Kubernetes API inside a cluster or with KUBECONFIG'),
    CONSOLE_NAMESPACE: z.string().optional().describe('Namespace of the worker pools; all without it'),
    PROMETHEUS_URL: url()
      .optional()
      .describe('Prometheus for budgets over 30 days; computed here without it'),
    PROMETHEUS_TOKEN: secret(z.string().min(1).optional()).describe('Bearer token for that Prometheus'),
    GRAFANA_URL: url().optional().describe('Linked beside each objective when given; nothing depends on it'),
    FARO_FORWARD_URL: url()
      .optional()
      .describe('Where browser telemetry is forwarded to, a Faro receiver such as Alloy’s /collect'),
  },
});
