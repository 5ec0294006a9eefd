import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { ConfigError, type ConfigProblem } from '../../../../lib/config.ts';
import { nearest } from '../../../../lib/nearest.ts';
import { withPaths } from '../../signers/signers-file.ts';
import { type SnetFile, snetFileSchema, snetJsonSchema } from './snet-schema.ts';

/** `${NAME}` and `${file:path}`; `$${` is a literal `${`. */
const REFERENCE = /\$\$\{|\$\{([^}]*)\}/g;

/**
 * Reads SNET_FILE (YAML or JSON). Values may refer to the environment (`${NAME}`) and to files (`${file:path}`); paths
 * are relative to the file.
 *
 * @throws ConfigError with everything that is wrong, each with its path and, for a mistyped name, the nearest valid one
 */
export function loadSnetFile(file: string, env: NodeJS.ProcessEnv): SnetFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new ConfigError('gateway', [{ key: 'SNET_FILE', message: `cannot read ${file}: ${reason}` }]);
  }
  return parseSnetFile(text, file, env);
}

/** The same for text in memory; `file` names it in messages and is the base of paths. @throws ConfigError */
export function parseSnetFile(text: string, file: string, env: NodeJS.ProcessEnv): SnetFile {
  const base = dirname(file);
  const resolvePath = (path: string): string => (isAbsolute(path) ? path : join(base, path));
  const problems: ConfigProblem[] = [];
  const say = (at: string, message: string): void =>
    void problems.push({ key: `SNET_FILE ${at}`.trim(), message });

  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true });
  for (const error of document.errors) say('', error.message.split('\n')[0] ?? 'is not YAML');
  if (problems.length > 0) throw new ConfigError('gateway', problems);
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string' || !node.value.includes('${')) return;
      node.value = node.value.replace(REFERENCE, (whole, name: string | undefined) => {
        if (whole === '$${') return '${';
        const found = resolveReference(name ?? '', env, resolvePath);
        if ('problem' in found) say('', found.problem);
        return 'value' in found ? found.value : '';
      });
    },
  });
  const parsed = snetFileSchema.safeParse(document.toJS());
  if (!parsed.success) for (const issue of parsed.error.issues) explain(issue, say);
  else for (const { at, message } of crossChecks(parsed.data)) say(at, message);
  if (!parsed.success || problems.length > 0) throw new ConfigError('gateway', problems);

  const { organizations } = parsed.data;
  return {
    ...parsed.data,
    signer: withPaths(parsed.data.signer, resolvePath),
    organizations: Object.fromEntries(
      Object.entries(organizations).map(([org, settings]) => [
        org,
        {
          ...settings,
          services: Object.fromEntries(
            Object.entries(settings.services).map(([service, s]) => [
              service,
              s.protos === undefined ? s : { ...s, protos: s.protos.map(resolvePath) },
            ]),
          ),
        },
      ]),
    ),
  };
}

function resolveReference(
  name: string,
  env: NodeJS.ProcessEnv,
  resolvePath: (path: string) => string,
): { value: string } | { problem: string } {
  if (name.startsWith('file:')) {
    const path = resolvePath(name.slice('file:'.length));
    try {
      return { value: readFileSync(path, 'utf8').trim() };
    } catch (error) {
      return { problem: `cannot read ${path}: ${(error as NodeJS.ErrnoException).code}` };
    }
  }
  const value = env[name];
  return value === undefined || value === ''
    ? { problem: `environment variable ${name} is not set` }
    : { value };
}

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
}

/** The names that are valid at a path, out of the JSON schema. */
function validNames(path: readonly PropertyKey[]): string[] {
  let node = snetJsonSchema() as SchemaNode | undefined;
  for (const step of path) {
    const next: SchemaNode | boolean | undefined =
      node?.properties?.[String(step)] ?? node?.additionalProperties;
    node = typeof next === 'object' ? next : undefined;
  }
  return Object.keys(node?.properties ?? {});
}

function explain(issue: z.core.$ZodIssue, say: (at: string, message: string) => void): void {
  const at = issue.path.map(String).join('.');
  if (issue.code !== 'unrecognized_keys') {
    say(at, issue.message);
    return;
  }
  const valid = validNames(issue.path);
  for (const key of issue.keys) {
    const guess = nearest(key, valid);
    say(
      at,
      `unknown setting ${key}; ${guess ? `did you mean ${guess}?` : `valid ones: ${valid.join(', ')}`}`,
    );
  }
}

/** What one setting says about another. */
function* crossChecks(file: SnetFile): Generator<{ at: string; message: string }> {
  if (file.funding.auto && file.funding.deposit === 0n)
    yield {
      at: 'funding.deposit',
      message: 'is 0, and funding.auto cannot open a channel with nothing in it',
    };
  if (file.funding.maxDeposit < file.funding.deposit)
    yield { at: 'funding.maxDeposit', message: 'must be at least funding.deposit' };
  for (const [org, { groups, services, fromRegistry }] of Object.entries(file.organizations)) {
    const at = `organizations.${org}`;
    if (fromRegistry && (file.registry === undefined || file.ipfsGateway === undefined))
      yield { at, message: 'fromRegistry needs registry and ipfsGateway' };
    const known = Object.keys(groups);
    for (const [service, settings] of Object.entries(services)) {
      const here = `${at}.services.${service}`;
      if (settings.group !== undefined && !known.includes(settings.group) && !fromRegistry) {
        const guess = nearest(settings.group, known);
        yield {
          at: `${here}.group`,
          message: `unknown group ${settings.group}; ${guess ? `did you mean ${guess}?` : `known: ${known.join(', ') || 'none'}`}`,
        };
      }
      if (settings.group === undefined && known.length !== 1 && !fromRegistry)
        yield { at: `${here}.group`, message: `is required: the organisation has ${known.length} groups` };
      const group = groups[settings.group ?? known[0] ?? ''];
      if (settings.endpoints === undefined && group?.endpoints === undefined && !fromRegistry)
        yield {
          at: `${here}.endpoints`,
          message: 'is required: neither the service nor its group names a daemon',
        };
      if (settings.price === undefined && !fromRegistry && settings.payment.some((mode) => mode !== 'free'))
        yield { at: `${here}.price`, message: 'is required: without it no payment can be signed' };
      if (settings.protos === undefined && settings.reflection === false)
        yield { at: here, message: 'name protos, or set reflection: the methods must be known' };
    }
  }
}
