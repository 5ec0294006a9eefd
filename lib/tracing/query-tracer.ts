import type { LogEvent } from 'kysely';
import { activeTracer, sampledContext } from './tracer.ts';

const MAX_SQL_CHARACTERS = 1_000;

/** Makes a span of every query of a traced request. Parameters stay out: they are people's data. */
export function queryTracer(schema: string): (event: LogEvent) => void {
  return ({ level, query, queryDurationMillis, ...rest }) => {
    const parent = sampledContext();
    if (parent === undefined) return;
    const operation = /^\s*(\w+)/.exec(query.sql)?.[1]?.toUpperCase() ?? 'QUERY';
    activeTracer()
      ?.start(`${operation} ${schema}`, {
        kind: 'client',
        parent,
        startedAt: Date.now() - queryDurationMillis,
        attributes: {
          'db.system.name': 'postgresql',
          'db.namespace': schema,
          'db.operation.name': operation,
          'db.query.text': query.sql.slice(0, MAX_SQL_CHARACTERS),
        },
      })
      .end(level === 'error' && 'error' in rest ? rest.error : undefined);
  };
}
