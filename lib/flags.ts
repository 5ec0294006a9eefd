import { readFileSync } from 'node:fs';
import type {
  EvaluationContext,
  Logger as FlagLogger,
  JsonValue,
  ResolutionDetails,
} from '@openfeature/core';
import { FlagdCore } from '@openfeature/flagd-core';
import {
  type Client,
  OpenFeature,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
} from '@openfeature/server-sdk';
import { parse as parseYaml } from 'yaml';
import type { Logger } from './log.ts';
import type { Clock } from './time.ts';

/**
 * Feature flags: the OpenFeature interface over a file in the format of flagd, which Kubernetes mounts from a ConfigMap.
 * The file is read again every {@link READ_EVERY_MS}: a mounted ConfigMap changes by swapping a symbolic link, which
 * watches of the file system miss. A file with mistakes changes nothing; what was in force stays.
 */
const READ_EVERY_MS = 2_000;

/** A flag that our code asks for: what it is for, and what holds when the file says nothing. */
export interface FlagDefinition {
  readonly key: string;
  readonly type: 'boolean' | 'string' | 'number';
  readonly fallback: boolean | string | number;
  readonly description: string;
}

/** One line of the list that operators see. */
export interface FlagState {
  readonly key: string;
  readonly description: string;
  readonly value: JsonValue;
  readonly fallback: JsonValue;
  /** `STATIC`, `TARGETING_MATCH`, `DISABLED` … as OpenFeature names them; `DEFAULT` when the file does not have it. */
  readonly reason: string;
  readonly variant: string | undefined;
  /** Whether the answer depends on who asks. */
  readonly targeted: boolean;
  /** False for a flag of the file that no code asks for: a typing slip, or a leftover. */
  readonly known: boolean;
}

export interface Flags {
  /** For `await client.getBooleanValue(key, fallback, context)`. */
  readonly client: Client;
  /** The same without a promise, for hot paths and for what is decided once per change. */
  boolean(key: string, fallback: boolean, context?: EvaluationContext): boolean;
  string(key: string, fallback: string, context?: EvaluationContext): string;
  number(key: string, fallback: number, context?: EvaluationContext): number;
  /** Called after every change of the file that was accepted. */
  onChange(listener: () => void): void;
  list(): FlagState[];
  /** What is wrong with the file; empty when it is in force. */
  problems(): readonly string[];
  stop(): Promise<void>;
}

/**
 * @param file absent: every flag has its fallback.
 * @param definitions the flags that this process asks for; others in the file are listed as unknown.
 */
export function createFlags(deps: {
  file: string | undefined;
  definitions: readonly FlagDefinition[];
  clock: Pick<Clock, 'setInterval'>;
  log: Logger;
  /** OpenFeature keeps one provider per domain in a process. */
  domain: string;
}): Flags {
  const { file, definitions, clock, log, domain } = deps;
  const quiet: FlagLogger = {
    error: () => undefined,
    warn: () => undefined,
    info: () => undefined,
    debug: () => undefined,
  };
  // Interpreted: code made at run time is what a strict runtime forbids.
  const core = new FlagdCore(undefined, quiet, { disableDynamicCodeGeneration: true });
  const events = new OpenFeatureEventEmitter();
  const listeners: (() => void)[] = [];
  let applied: string | undefined;
  let problem: string | undefined;

  const complain = (text: string): void => {
    if (text === problem) return;
    problem = text;
    log.error({ file, problem: text }, 'the flags file has mistakes; the flags in force stay');
  };
  const read = (): void => {
    if (file === undefined) return;
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      complain(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
      return;
    }
    if (text === applied) {
      problem = undefined;
      return;
    }
    let changed: string[];
    try {
      const json = JSON.stringify(parseYaml(text));
      const wrong = mistakes(JSON.parse(json));
      if (wrong !== undefined) throw new Error(wrong);
      changed = core.setConfigurations(json);
    } catch (error) {
      complain((error as Error).message.split('\n')[0] ?? 'not the format of flagd');
      return;
    }
    problem = undefined;
    const first = applied === undefined;
    applied = text;
    if (!first) log.info({ flags: changed }, 'flags changed');
    for (const listener of listeners) listener();
    events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: changed });
  };

  const provider: Provider = {
    metadata: { name: 'flagd file' },
    runsOn: 'server',
    events,
    resolveBooleanEvaluation: async (key, fallback, context) =>
      core.resolveBooleanEvaluation(key, fallback, context),
    resolveStringEvaluation: async (key, fallback, context) =>
      core.resolveStringEvaluation(key, fallback, context),
    resolveNumberEvaluation: async (key, fallback, context) =>
      core.resolveNumberEvaluation(key, fallback, context),
    resolveObjectEvaluation: async <T extends JsonValue>(
      key: string,
      fallback: T,
      context: EvaluationContext,
    ) => core.resolveObjectEvaluation(key, fallback, context),
  };

  read();
  OpenFeature.setProvider(domain, provider);
  const timer = clock.setInterval(read, READ_EVERY_MS);

  /** A flag that is missing or disabled, or of another type, has the fallback: a switch must not be able to break us. */
  const safely = <T>(fallback: T, resolve: () => ResolutionDetails<T>): T => {
    try {
      return resolve().value ?? fallback;
    } catch {
      return fallback;
    }
  };

  return {
    client: OpenFeature.getClient(domain),
    boolean: (key, fallback, context) =>
      safely(fallback, () => core.resolveBooleanEvaluation(key, fallback, context)),
    string: (key, fallback, context) =>
      safely(fallback, () => core.resolveStringEvaluation(key, fallback, context)),
    number: (key, fallback, context) =>
      safely(fallback, () => core.resolveNumberEvaluation(key, fallback, context)),
    onChange: (listener) => listeners.push(listener),
    list: () => {
      const inFile = core.getFlags();
      const known = new Map(definitions.map((definition) => [definition.key, definition]));
      return [...new Set([...known.keys(), ...inFile.keys()])].sort().map((key): FlagState => {
        const definition = known.get(key);
        const flag = inFile.get(key);
        const type = definition?.type ?? typeOfFlag([...(flag?.variants.values() ?? [])][0]);
        const fallback = definition?.fallback ?? null;
        let details: { value?: unknown; reason?: string; variant?: string } = {};
        try {
          if (flag) details = core.resolve(type, key, fallback as never, {});
        } catch (error) {
          details = { reason: `ERROR: ${(error as Error).message}` };
        }
        return {
          key,
          description: definition?.description ?? '',
          value: (details.value ?? fallback) as JsonValue,
          fallback,
          reason: flag === undefined ? 'DEFAULT' : (details.reason ?? 'UNKNOWN'),
          variant: details.variant,
          targeted: definitionOf(applied, key)?.targeting !== undefined,
          known: definition !== undefined,
        };
      });
    },
    problems: () => (problem === undefined ? [] : [problem]),
    async stop() {
      timer.cancel();
      await OpenFeature.clearProviders();
    },
  };
}

const typeOfFlag = (value: unknown): 'boolean' | 'string' | 'number' | 'object' =>
  typeof value === 'boolean' || typeof value === 'string' || typeof value === 'number'
    ? (typeof value as 'boolean' | 'string' | 'number')
    : 'object';

const definitionOf = (text: string | undefined, key: string): { targeting?: unknown } | undefined =>
  text === undefined ? undefined : (parseYaml(text) as { flags?: Record<string, object> })?.flags?.[key];

/** What the evaluator would take without a word and people would not: the first mistake as a sentence. */
function mistakes(document: unknown): string | undefined {
  if (document === null || typeof document !== 'object' || !('flags' in document))
    return 'expected { "flags": { NAME: { state, variants, defaultVariant } } }';
  const { flags } = document as { flags: unknown };
  if (flags === null || typeof flags !== 'object' || Array.isArray(flags))
    return 'flags must be a mapping of names';
  for (const [name, flag] of Object.entries(flags as Record<string, Record<string, unknown>>)) {
    const { state, variants, defaultVariant } = flag ?? {};
    if (state !== 'ENABLED' && state !== 'DISABLED') return `flag ${name}: state must be ENABLED or DISABLED`;
    if (variants === null || typeof variants !== 'object' || Object.keys(variants).length === 0)
      return `flag ${name}: variants must name at least one value`;
    const names = Object.keys(variants);
    if (new Set(Object.values(variants).map((value) => typeof value)).size > 1)
      return `flag ${name}: variants must all be of one type`;
    if (defaultVariant !== undefined && defaultVariant !== null && !names.includes(String(defaultVariant)))
      return `flag ${name}: defaultVariant "${String(defaultVariant)}" is none of ${names.join(', ')}`;
  }
  return undefined;
}
