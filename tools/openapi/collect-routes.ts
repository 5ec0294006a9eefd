import { globSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Route } from '../../lib/http/route.ts';

const PROJECT = join(import.meta.dirname, '..', '..');

/**
 * Stands in for every dependency of a route function: whatever is asked of it or called on it is itself. Handlers
 * are never run here; only what a route says about itself is read. Schemas that one file gives another are real.
 */
function standIn(schemas: ReadonlyMap<string, z.ZodType>): unknown {
  const anything: unknown = new Proxy(() => undefined, {
    get: (_target, name) => {
      if (name === Symbol.iterator) return [][Symbol.iterator];
      if (name === Symbol.toPrimitive) return () => '';
      if (name === 'then') return undefined;
      if (typeof name === 'string' && name.endsWith('Schema')) return schemas.get(name) ?? z.unknown();
      return anything;
    },
    apply: () => anything,
  });
  return anything;
}

/**
 * Every route of a service, in the order of its files: each exported function of a `*routes.ts` file whose name ends
 * in `Routes` (or `RoutesV<n>`) is asked for its routes. A new file is found by itself.
 * @param except files that open connections when asked; what they compose is found on its own.
 */
export async function collectRoutes(service: string, except: readonly string[] = []): Promise<Route[]> {
  const files = globSync(`services/${service}/**/*routes.ts`, { cwd: PROJECT }).sort();
  const modules = new Map<string, Record<string, unknown>>();
  for (const file of files) {
    if (except.some((name) => file.endsWith(name))) continue;
    modules.set(file, (await import(join(PROJECT, file))) as Record<string, unknown>);
  }
  const schemas = new Map(
    [...modules.values()].flatMap((exported) =>
      Object.entries(exported).filter((entry): entry is [string, z.ZodType] => entry[1] instanceof z.ZodType),
    ),
  );
  const anything = standIn(schemas);
  const routes: Route[] = [];
  for (const [file, exported] of modules) {
    for (const [name, value] of Object.entries(exported)) {
      if (typeof value !== 'function' || !/Routes(V\d+)?$/.test(name)) continue;
      const made: unknown = value(anything, anything, anything);
      if (!Array.isArray(made)) throw new Error(`${file}: ${name} does not return a list of routes`);
      routes.push(...(made as Route[]));
    }
  }
  return routes;
}
