import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { editDistance, nearest } from './nearest.ts';
import { otlpHeaders } from './tracing/otlp-headers.ts';

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  readonly key: string;
  readonly message: string;
}

/** Thrown once with everything that is wrong, so that a person fixes it in one go. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  constructor(service: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map((p) => `  ${p.key}: ${p.message}`);
    super(
      `${service} cannot start, ${problems.length === 1 ? 'one setting is' : `${problems.length} settings are`} wrong:\n${lines.join('\n')}`,
    );
    this.problems = problems;
  }
}

type Keys = Record<string, z.ZodType>;

/** The settings of one process: environment variable name → schema. */
export interface ConfigDefinition<K extends Keys> {
  readonly service: string;
  readonly keys: K;
}

export type ConfigOf<D> = D extends ConfigDefinition<infer K> ? { [N in keyof K]: z.output<K[N]> } : never;

export function defineConfig<K extends Keys>(definition: ConfigDefinition<K>): ConfigDefinition<K> {
  return definition;
}

/** A registry and no set: it knows a schema also after `.describe()`, which makes a new one. */
const secretSchemas = z.registry<{ secret: true }>();
/** Also what is made from a secret: `.optional()` and `.default()` wrap it. */
const isSecret = (schema: z.ZodType): boolean => {
  if (secretSchemas.get(schema)?.secret === true) return true;
  const { innerType } = schema.def as { innerType?: z.ZodType };
  return innerType !== undefined && isSecret(innerType);
};

/** Marks a setting as secret: `NAME_FILE` may name a file that holds it, and dumps show `[redacted]`. */
export function secret<S extends z.ZodType>(schema: S): S {
  secretSchemas.add(schema, { secret: true });
  return schema;
}

/** Settings that every process understands, so that one environment can serve all of them. */
export const commonKeys = {
  HOST: z.string().min(1).default('127.0.0.1').describe('Address to listen on'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Least severe level that is logged'),
  LOG_PRETTY: flag(false).describe('Human-readable log lines instead of JSON'),
  DRAIN_TIMEOUT_MS: integer({ min: 0, max: 600_000, default: 20_000 }).describe(
    'Milliseconds that requests in flight have to finish after SIGTERM',
  ),
  DRAIN_DELAY_MS: integer({ min: 0, max: 120_000, default: 0 }).describe(
    'Milliseconds that a process goes on serving after SIGTERM, until load balancers know that it leaves',
  ),
  FLAGS_FILE: z
    .string()
    .min(1)
    .optional()
    .describe('Feature flags in the format of flagd (JSON or YAML); read again when it changes'),
  // OpenTelemetry's own names, so that what configures other programs configures ours.
  OTEL_EXPORTER_OTLP_ENDPOINT: url()
    .optional()
    .describe('Where traces go by OTLP over HTTP, without /v1/traces; there is no tracing without it'),
  OTEL_EXPORTER_OTLP_HEADERS: secret(otlpHeaders.optional()).describe(
    'Headers for that endpoint, such as its credentials: name=value[,name=value]',
  ),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number('expected a share from 0 to 1')
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Share of the traces begun here that are recorded, 0 to 1; a caller’s decision is followed'),
};

/** What {@link commonKeys} says about tracing. */
export type TracingConfig = {
  readonly [K in
    | 'OTEL_EXPORTER_OTLP_ENDPOINT'
    | 'OTEL_EXPORTER_OTLP_HEADERS'
    | 'OTEL_TRACES_SAMPLER_ARG']: z.output<(typeof commonKeys)[K]>;
};

/** A whole number; `default` makes it optional. */
export function integer(options: {
  min?: number;
  max?: number;
  default: number;
}): z.ZodDefault<z.ZodType<number, unknown>>;
export function integer(options: { min?: number; max?: number }): z.ZodType<number, unknown>;
export function integer(options: {
  min?: number;
  max?: number;
  default?: number;
}): z.ZodType<number, unknown> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options;
  const base = z.coerce.number(`expected a whole number from ${min} to ${max}`).int().min(min).max(max);
  return options.default === undefined ? base : base.default(options.default);
}

/** A TCP port; 0 lets the system choose. */
export function port(defaultPort: number) {
  return integer({ min: 0, max: 65_535, default: defaultPort });
}

/** `true`/`false`/`1`/`0`/`yes`/`no`/`on`/`off`. */
export function flag(defaultValue: boolean) {
  return z
    .union(
      [z.boolean(), z.stringbool({ truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] })],
      {
        error: 'expected true or false',
      },
    )
    .default(defaultValue);
}

/** A comma-separated list; blanks around items are dropped, empty items refused. */
export function csv<S extends z.ZodType>(item: S) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
    z.array(item),
  );
}

/** An absolute URL with one of the given schemes, without a trailing slash. */
export function url(schemes: readonly string[] = ['http', 'https']) {
  const expected = `expected a URL such as ${schemes[0]}://host:port`;
  return z
    .string()
    .trim()
    .superRefine((value, ctx) => {
      const parsed = URL.canParse(value) ? new URL(value) : undefined;
      if (!parsed) ctx.addIssue({ code: 'custom', message: expected });
      else if (!schemes.includes(parsed.protocol.slice(0, -1))) {
        ctx.addIssue({ code: 'custom', message: `${expected}, not ${parsed.protocol}//` });
      }
    })
    .transform((value) => value.replace(/\/+$/, ''));
}

/** `postgres://user:password@host:port/database`; a secret. */
export const databaseUrl = () => secret(url(['postgres', 'postgresql']));
/** `redis://host:port/db`; a secret. */
export const redisUrl = () => secret(url(['redis', 'rediss']));

/** Variables of other programs that look like ours and are none of our business. */
const FOREIGN = /^(npm_|NODE_|JEST_|KUBERNETES_|.*_(SERVICE_HOST|SERVICE_PORT.*|PORT_\d+_.*)$)/;

function readSecretFile(key: string, file: string, problems: ConfigProblem[]): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    problems.push({
      key: `${key}_FILE`,
      message: `cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? error}`,
    });
    return undefined;
  }
}

function readConfigFile(file: string, problems: ConfigProblem[]): Record<string, unknown> {
  try {
    const parsed: unknown = parseYaml(readFileSync(file, 'utf8'));
    if (parsed === null || parsed === undefined) return {};
    if (typeof parsed === 'object' && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
    problems.push({ key: 'CONFIG_FILE', message: `${file} must hold a mapping of setting names to values` });
  } catch (error) {
    problems.push({
      key: 'CONFIG_FILE',
      message: `cannot read ${file}: ${(error as Error).message.split('\n')[0]}`,
    });
  }
  return {};
}

const didYouMean = (key: string, valid: readonly string[]): string => {
  const guess = nearest(key, valid);
  return guess ? `; did you mean ${guess}?` : `; valid names: ${valid.join(', ')}`;
};

/**
 * Reads the settings of one process. The environment wins over the file named by `CONFIG_FILE` (YAML or JSON).
 * Refused, all at once and each with the nearest valid name: unknown keys in the file; variables that are one slip
 * away from a valid name; variables that start with `REJUVE_` or with a prefix of `ownPrefixes`.
 *
 * @throws ConfigError
 */
export function loadConfig<K extends Keys>(
  definition: ConfigDefinition<K>,
  options: { env: NodeJS.ProcessEnv; ownPrefixes?: readonly string[]; sharedKeys?: readonly string[] },
): Readonly<ConfigOf<ConfigDefinition<K>>> {
  const { env, ownPrefixes = [], sharedKeys = [] } = options;
  const problems: ConfigProblem[] = [];
  const names = Object.keys(definition.keys);
  const fileNames = names
    .filter((name) => isSecret(definition.keys[name] as z.ZodType))
    .map((n) => `${n}_FILE`);
  const valid = new Set([...names, ...fileNames, 'CONFIG_FILE']);
  const foreign = new Set(sharedKeys);

  const file = env.CONFIG_FILE ? readConfigFile(env.CONFIG_FILE, problems) : {};
  for (const key of Object.keys(file)) {
    if (!valid.has(key))
      problems.push({ key, message: `unknown setting in ${env.CONFIG_FILE}${didYouMean(key, names)}` });
  }
  for (const key of Object.keys(env)) {
    if (valid.has(key) || foreign.has(key) || FOREIGN.test(key)) continue;
    const ours = ['REJUVE_', ...ownPrefixes].some((prefix) => key.startsWith(prefix));
    const slip = key.length >= 6 && isSlip(key, valid);
    if (ours || slip) problems.push({ key, message: `unknown setting${didYouMean(key, names)}` });
  }

  const result: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(definition.keys)) {
    let raw: unknown = env[key] === '' ? undefined : (env[key] ?? file[key]);
    const secretFile = fileNames.includes(`${key}_FILE`)
      ? (env[`${key}_FILE`] ?? file[`${key}_FILE`])
      : undefined;
    if (typeof secretFile === 'string' && secretFile !== '') {
      if (raw !== undefined) problems.push({ key, message: `set ${key} or ${key}_FILE, not both` });
      raw = readSecretFile(key, secretFile, problems);
      if (raw === undefined) continue;
    }
    const parsed = schema.safeParse(raw);
    if (parsed.success) {
      result[key] = parsed.data;
      continue;
    }
    for (const issue of parsed.error.issues) {
      const where = issue.path.length > 0 ? ` (item ${issue.path.join('.')})` : '';
      const missing = raw === undefined;
      const help = schema.description ? ` — ${schema.description}` : '';
      problems.push({ key, message: missing ? `is required${help}` : `${issue.message}${where}` });
    }
  }
  if (problems.length > 0) throw new ConfigError(definition.service, problems);
  return Object.freeze(result) as Readonly<ConfigOf<ConfigDefinition<K>>>;
}

/** True for a likely typing slip of a valid name, false for an unrelated variable that merely looks alike. */
function isSlip(key: string, valid: ReadonlySet<string>): boolean {
  const guess = nearest(key, valid);
  if (guess === undefined || guess.length < 6) return false;
  const distance = editDistance(key, guess);
  return key[0] === guess[0] && (distance === 1 || (distance === 2 && guess.length >= 10));
}

/** The settings as they may be printed: secrets replaced. */
export function describeConfig<K extends Keys>(
  definition: ConfigDefinition<K>,
  values: ConfigOf<ConfigDefinition<K>>,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(definition.keys)) {
    const value = (values as Record<string, unknown>)[key];
    out[key] = isSecret(schema) && value !== undefined ? '[redacted]' : value;
  }
  return out;
}
