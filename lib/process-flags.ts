import { createFlags, type FlagDefinition, type Flags } from './flags.ts';
import type { ProcessScope } from './lifecycle.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Clock } from './time.ts';

/** The flags of one process: read, shown in its metrics (`feature_flag_value`), and put away at the end. */
export function openFlags(deps: {
  config: { readonly FLAGS_FILE?: string | undefined };
  service: string;
  definitions: readonly FlagDefinition[];
  scope: Pick<ProcessScope, 'defer'>;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
}): Flags {
  const { config, service, definitions, scope, metrics, clock, log } = deps;
  const flags = createFlags({ file: config.FLAGS_FILE, definitions, clock, log, domain: service });
  scope.defer('flags', () => flags.stop());
  metrics.gauge({
    name: 'feature_flag_value',
    help: 'Feature flags and the value they have without a context: always 1, the value is a label.',
    labels: ['flag', 'value', 'reason', 'known'],
    collect(gauge) {
      gauge.reset();
      for (const { key, value, reason, known } of flags.list())
        gauge.set({ flag: key, value: String(value), reason, known: String(known) }, 1);
    },
  });
  metrics.gauge({
    name: 'feature_flags_file_mistakes',
    help: '1 while the flags file has mistakes and an earlier version of it is in force.',
    collect: (gauge) => gauge.set(flags.problems().length),
  });
  return flags;
}
