import { type ComparedRow, compareAutoscalers } from '../../../controllers/bench/compare.ts';
import { TRACES } from '../../../controllers/bench/traces.ts';
import type { Figure } from '../figure.ts';
import type { BenchScenario } from '../scenario.ts';

const OURS = 'ours';
/** The baseline with the fewest violations on most traces: KEDA as it comes, five jobs per pod. */
const PEER = 'keda (5 per pod)';

/**
 * A closed loop in simulated time: the controller's own decide() against the published algorithms of KEDA and HPA over
 * the same traces with one setting. Deterministic, so it is the same on every machine. `peer` is KEDA; a run in which
 * no pod waits in reserve for a dead or full provider pays for it with the start of pods when it comes back.
 */
export const autoscaling: BenchScenario = {
  name: 'autoscaling',
  title: 'Autoscaling in a closed loop over eight traces, against KEDA (peer)',
  async run(_stage, { quick }) {
    const rows = compareAutoscalers(quick ? [1] : [1, 2, 3], [OURS, PEER]);
    return TRACES.flatMap(({ name: trace }) => {
      const of = (autoscaler: string) =>
        rows.find((row) => row.trace === trace && row.autoscaler === autoscaler);
      const [ours, peer] = [of(OURS), of(PEER)];
      if (ours === undefined || peer === undefined) throw new Error(`the trace ${trace} was not run`);
      const figure = (
        name: string,
        unit: Figure['unit'],
        pick: (row: ComparedRow) => number,
        limit: number = pick(peer),
      ): Figure => ({
        name: `${trace}: ${name}`,
        unit,
        value: pick(ours),
        peer: pick(peer),
        aim: { max: limit },
      });
      return [
        figure('objective violated', 's', (row) => row.violationSeconds),
        figure('pods', 's', (row) => row.podSeconds),
        figure('calls refused by providers', 'count', (row) => row.providerErrors),
        figure('changes of direction', 'count', (row) => row.oscillations),
      ];
    });
  },
};
