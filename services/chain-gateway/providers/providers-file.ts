import { isMap, isPair, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { nearest } from '../../../lib/nearest.ts';
import type { ProviderConfig } from './provider-config.ts';
import { type ProvidersFile, providerSchema, providersFileSchema } from './providers-schema.ts';

/** One thing wrong with a providers file, and where. Lines and columns start at 1. */
export interface FileProblem {
  readonly line: number;
  readonly column: number;
  /** `providers[1].tier`; empty for the whole file. */
  readonly at: string;
  readonly message: string;
}

export type ParsedProvidersFile =
  | { readonly ok: true; readonly file: ProvidersFile; readonly providers: readonly ProviderConfig[] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

export interface Secrets {
  /** An environment variable; undefined when it is not set. */
  env(name: string): string | undefined;
  /** The content of a file. @throws when it cannot be read */
  file(path: string): string;
}

/** `${NAME}` and `${file:/path}`; `$${` is a literal `${`. */
const REFERENCE = /\$\$\{|\$\{([^}]*)\}/g;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Parses and checks a providers file. Finds everything that is wrong in one go, each with its line and column. */
export function parseProvidersFile(text: string, secrets: Secrets): ParsedProvidersFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const position = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.map((error) => ({
        ...position(error.pos[0]),
        at: '',
        message: sentence(error.message),
      })),
    };
  }

  const problems: FileProblem[] = [];
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string' || !node.value.includes('${')) return;
      node.value = node.value.replace(REFERENCE, (whole, name: string | undefined) => {
        if (whole === '$${') return '${';
        const value = resolve(name ?? '', secrets);
        if ('problem' in value)
          problems.push({ ...position(node.range?.[0] ?? 0), at: '', message: value.problem });
        return 'value' in value ? value.value : 'unresolved';
      });
    },
  });

  const parsed = providersFileSchema.safeParse(document.toJS());
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      for (const { path, message, key } of explainIssue(issue)) {
        const offset = offsetOf(document.contents as Node | null, path, key);
        problems.push({ ...position(offset), at: pathText(path), message });
      }
    }
  }
  if (problems.length > 0 || !parsed.success) {
    return { ok: false, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  return { ok: true, file: parsed.data, providers: parsed.data.providers };
}

/** `file.yaml:3:7: providers[0].tier: expected …`, the form that editors and terminals make clickable. */
export function formatProblem(file: string, problem: FileProblem): string {
  return `${file}:${problem.line}:${problem.column}: ${problem.at === '' ? '' : `${problem.at}: `}${problem.message}`;
}

function resolve(reference: string, secrets: Secrets): { value: string } | { problem: string } {
  if (reference.startsWith('file:')) {
    const path = reference.slice('file:'.length);
    try {
      return { value: secrets.file(path).trim() };
    } catch (error) {
      return {
        problem: `cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
      };
    }
  }
  if (!VARIABLE.test(reference))
    return { problem: `\${${reference}} is neither an environment variable nor file:/path` };
  const value = secrets.env(reference);
  return value === undefined ? { problem: `environment variable ${reference} is not set` } : { value };
}

type Issue = z.core.$ZodIssue;

function explainIssue(issue: Issue): { path: readonly PropertyKey[]; message: string; key?: string }[] {
  if (issue.code === 'unrecognized_keys') {
    const valid = validKeys(issue.path);
    return issue.keys.map((key) => {
      const guess = nearest(key, valid);
      return {
        path: issue.path,
        key,
        message: `unknown setting ${key}; ${guess === undefined ? `valid ones: ${valid.join(', ')}` : `did you mean ${guess}?`}`,
      };
    });
  }
  return [{ path: issue.path, message: sentence(issue.message) }];
}

function validKeys(path: readonly PropertyKey[]): string[] {
  if (path.length === 0) return Object.keys(providersFileSchema.shape);
  if (path.length === 2) return Object.keys(providerSchema.shape);
  if (path[2] === 'limits') return ['callsPerSecond', 'maxInFlight', 'maxLogRange'];
  return ['allow', 'deny'];
}

/** Where in the text a path begins; the nearest parent that exists when the member itself is missing. */
function offsetOf(root: Node | null, path: readonly PropertyKey[], key: string | undefined): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of key === undefined ? path : [...path, key]) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === step);
      if (pair === undefined) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (typeof node === 'object' && node !== null && 'items' in node && typeof step === 'number') {
      node = (node as { items: unknown[] }).items[step];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else return offset;
  }
  return key === undefined ? ((node as Node | null)?.range?.[0] ?? offset) : offset;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : `${text}${text === '' ? '' : '.'}${String(step)}`,
    '',
  );
}

function sentence(message: string): string {
  const first = message.split('\n')[0] ?? message;
  return first.charAt(0).toLowerCase() + first.slice(1);
}
