import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { OBJECTIVES } from '../../lib/slo/objectives.ts';
import { buildPrograms } from '../../tools/cluster/build.ts';
import { platformAlertTests } from './platform-alert-tests.ts';
import { PLATFORM_ALERTS, platformRule } from './platform-alerts.ts';
import { prometheusRules } from './prometheus-rules.ts';
import { ruleTests } from './rule-tests.ts';
import { rulesOf } from './slo-rules.ts';

/** A cold machine builds promtool first, from its pinned modules. */
const BUILD_MS = 20 * 60_000;

let promtool: string;
let folder: string;

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(promtool, args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
};

beforeAll(async () => {
  promtool = (await buildPrograms(['promtool'], (line) => console.log(line))).promtool;
  folder = mkdtempSync(join(tmpdir(), 'rules-'));
}, BUILD_MS);
afterAll(() => {
  if (folder) rmSync(folder, { recursive: true, force: true });
});

describe('Prometheus rules', () => {
  it('are rules, as Prometheus itself reads them', () => {
    const file = join(folder, 'all.yaml');
    writeFileSync(file, prometheusRules());
    const { status, output } = run('check', 'rules', '--lint-fatal', file);
    expect([status, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
  });

  // Each with its own rules only: promtool evaluates all rules of a file in every case.
  it.each(OBJECTIVES.map((objective) => [objective.id, objective] as const))(
    '%s: fires, stays quiet, recovers, and is silent without traffic and without metrics',
    (id, objective) => {
      const rules = join(folder, `${id}.yaml`);
      const cases = join(folder, `${id}.test.yaml`);
      writeFileSync(rules, stringify({ groups: rulesOf(objective) }, { lineWidth: 0 }));
      writeFileSync(cases, ruleTests([objective], rules));
      const { status, output } = run('test', 'rules', cases);
      expect([status, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    },
    60_000,
  );

  // Names repeat (one alert for each service), so each is judged in a file of its own.
  it.each(PLATFORM_ALERTS.map((alert) => [`${alert.name} (${alert.service})`, alert] as const))(
    '%s: fires, ends with its cause, stays quiet in good times, and knows absence',
    (name, alert) => {
      const file = join(folder, `${name.replace(/\W/g, '-')}.yaml`);
      const cases = join(folder, `${name.replace(/\W/g, '-')}.test.yaml`);
      writeFileSync(
        file,
        stringify({ groups: [{ name: 'one', rules: [platformRule(alert)] }] }, { lineWidth: 0 }),
      );
      writeFileSync(cases, platformAlertTests(alert, file));
      const { status, output } = run('test', 'rules', cases);
      expect([status, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    },
    60_000,
  );
});
