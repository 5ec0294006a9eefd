import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigError } from '../../../lib/config.ts';
import type { PartnerConnector } from './connector.ts';
import { createCsvFormConnector } from './connectors/csv-form.ts';
import { createRestJsonConnector } from './connectors/rest-json.ts';

/** Where a secret is, never the secret: `env:NAME` or `file:/path`. */
const secretRef = z.string().regex(/^(env:[A-Z0-9_]+|file:.+)$/, 'expected env:NAME or file:/path');
const name = z.string().regex(/^[a-z0-9-]{2,40}$/);

const partnerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('rest-json'),
    name,
    baseUrl: z.url(),
    apiKey: secretRef,
    webhookSecret: secretRef,
  }),
  z.strictObject({
    kind: z.literal('csv-form'),
    name,
    baseUrl: z.url(),
    clientId: z.string().min(1),
    secret: secretRef,
  }),
]);
const fileSchema = z.strictObject({ partners: z.array(partnerSchema) });

/**
 * Builds the connectors that a file (YAML or JSON) lists.
 * @throws ConfigError naming what is wrong, a missing secret included.
 */
export function loadPartners(file: string, env: NodeJS.ProcessEnv): PartnerConnector[] {
  const fail = (message: string): never => {
    throw new ConfigError('user', [{ key: 'PARTNERS_FILE', message }]);
  };
  let raw: unknown;
  try {
    raw = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return fail(`cannot be read: ${(error as Error).message.split('\n')[0]}`);
  }
  const parsed = fileSchema.safeParse(raw);
  if (!parsed.success) return fail(z.prettifyError(parsed.error));
  const resolve = (ref: string): string => {
    if (ref.startsWith('env:')) return env[ref.slice(4)] || fail(`${ref} is not set`);
    try {
      return readFileSync(ref.slice(5), 'utf8').trim();
    } catch (error) {
      return fail(`${ref} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
  };
  return parsed.data.partners.map((p) => {
    const baseUrl = p.baseUrl.replace(/\/+$/, '');
    return p.kind === 'rest-json'
      ? createRestJsonConnector({
          name: p.name,
          baseUrl,
          apiKey: resolve(p.apiKey),
          webhookSecret: resolve(p.webhookSecret),
        })
      : createCsvFormConnector({ name: p.name, baseUrl, clientId: p.clientId, secret: resolve(p.secret) });
  });
}
