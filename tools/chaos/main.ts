import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { prometheusRules } from '../../dashboards/rules/prometheus-rules.ts';
import { nearest } from '../../lib/nearest.ts';
import { whyNotBuildable } from '../cluster/build.ts';
import { CATALOGUE } from './catalogue.ts';
import { startExpiringCertificate } from './expiring-certificate.ts';
import type { Fault } from './fault.ts';
import { REHEARSALS } from './rehearsals.ts';
import { chaosHtml, chaosTable } from './report.ts';
import { alertKey, type FaultReport, runFault, survived } from './run-chaos.ts';
import { startChaosStage } from './world.ts';

const OUTPUT = join(import.meta.dirname, '..', '..', 'output', 'chaos');

const usage = (): string => `Usage: make chaos [ARGS="--only kill-api,cut-redis"]
       node tools/chaos/main.ts [--quick] [--only IDS] [--rehearse] [--list] [--no-prometheus]

Starts a platform of its own, puts it under load, strikes with each fault of the catalogue, and judges the seven
promises: kept, recovered (and how fast), broken. Writes output/chaos/report.html and report.json.
  --quick          the subset that CI runs
  --only           faults by id, comma-separated
  --rehearse       also make what every page alert is for, until it fires for real
  --list           the catalogue
  --no-prometheus  do not start a Prometheus; no alerts are seen then
Exit code: 0 all faults were survived, 1 a promise was broken, 2 wrong call.`;

/** Every alert that wakes somebody, as it is named in reports. */
function pageAlerts(): string[] {
  const rules = (
    parse(prometheusRules()) as { groups: { rules: { alert?: string; labels?: Record<string, string> }[] }[] }
  ).groups.flatMap((group) => group.rules);
  return rules
    .filter(({ alert, labels }) => alert !== undefined && labels?.severity === 'page')
    .map(({ alert, labels = {} }) => alertKey({ labels: { ...labels, alertname: alert as string } }))
    .sort();
}

function chosen(values: { quick?: boolean; only?: string; rehearse?: boolean }): Fault[] | string {
  const all = [...CATALOGUE, ...REHEARSALS];
  if (values.only !== undefined) {
    const ids = values.only.split(',');
    for (const id of ids) {
      if (all.some((fault) => fault.id === id)) continue;
      const guess = nearest(
        id,
        all.map((fault) => fault.id),
      );
      return `There is no fault "${id}"${guess ? `; did you mean ${guess}?` : ''}. --list shows them.`;
    }
    return all.filter(({ id }) => ids.includes(id));
  }
  if (values.quick) return CATALOGUE.filter(({ quick }) => quick);
  return values.rehearse ? all : [...CATALOGUE];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      rehearse: { type: 'boolean' },
      list: { type: 'boolean' },
      'no-prometheus': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(usage());
    return 0;
  }
  if (values.list) {
    for (const { id, title, like } of [...CATALOGUE, ...REHEARSALS])
      console.log(`${id.padEnd(24)} ${title} (${like})`);
    return 0;
  }
  const faults = chosen(values);
  if (typeof faults === 'string') {
    console.error(faults);
    return 2;
  }
  const withoutGo = whyNotBuildable();
  if (withoutGo !== undefined && !values['no-prometheus']) console.error(`No Prometheus: ${withoutGo}`);
  const say = (line: string): void => console.error(`… ${line}`);
  const certificate = values.rehearse ? await startExpiringCertificate(1) : undefined;
  const stage = await startChaosStage({
    extraTargets: certificate === undefined ? {} : { certificate: certificate.url },
    say,
    prometheus: !values['no-prometheus'] && withoutGo === undefined,
  });
  const reports: FaultReport[] = [];
  mkdirSync(OUTPUT, { recursive: true });
  // Written after each fault: an interrupted run has its report as well.
  const write = (): void => {
    writeFileSync(join(OUTPUT, 'report.html'), chaosHtml(reports, pageAlerts()));
    writeFileSync(join(OUTPUT, 'report.json'), `${JSON.stringify(reports, null, 2)}\n`);
  };
  try {
    for (const fault of faults) {
      say(fault.title);
      reports.push(await runFault({ ...stage, fault }));
      write();
    }
  } finally {
    await stage.stop();
    await certificate?.stop();
  }
  console.log(`\n${chaosTable(reports)}\n`);
  const fired = new Set(reports.flatMap(({ alerts }) => alerts));
  const pages = pageAlerts();
  console.log(
    `  ${reports.filter(survived).length} of ${reports.length} faults survived; ${pages.filter((name) => fired.has(name)).length} of ${pages.length} page alerts fired`,
  );
  console.log(`  ${join(OUTPUT, 'report.html')}`);
  return reports.every(survived) ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
