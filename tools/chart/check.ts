import { spawnSync } from 'node:child_process';
import { buildPrograms, missingPrograms, programPath, whyNotBuildable } from '../cluster/build.ts';
import type { ProgramName } from '../cluster/programs.ts';
import { CHART, helm, renderText } from './helm.ts';
import { kubeSchemas } from './kube-schemas.ts';
import { MATRIX } from './matrix.ts';
import { judge } from './policy.ts';

/**
 * `helm lint --strict` on every preset, kubeconform (strict, with the schemas of our CRDs) and a policy scan on every row
 * of the matrix. Without the programs it says so and passes; in CI, or with --build, it builds them first.
 */
const PROGRAMS: ProgramName[] = ['helm', 'kubeconform', 'kube-score'];

const complaints: string[] = [];
const missing = missingPrograms(PROGRAMS);
if (missing.length > 0) {
  const why = whyNotBuildable();
  if (why !== undefined || !(process.env.CI || process.argv.includes('--build'))) {
    console.log(
      `skipped: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not built; ` +
        (why ?? 'node tools/chart/check.ts --build does it once (a few minutes)'),
    );
    process.exit(0);
  }
  await buildPrograms(missing, (line) => console.log(line));
}

for (const preset of ['dev', 'production']) {
  const { ok, out, error } = helm(['lint', '--strict', CHART, '--values', `${CHART}/values-${preset}.yaml`]);
  if (!ok) complaints.push(`helm lint --strict, ${preset}:\n${out}${error}`);
}

let schemas: string | undefined;
try {
  schemas = kubeSchemas();
} catch (error) {
  console.log(`kubeconform skipped: ${(error as Error).message}`);
}
let objects = 0;
for (const [name, options] of Object.entries(MATRIX)) {
  let text: string;
  try {
    text = renderText(options);
  } catch (error) {
    complaints.push(`${name} cannot be rendered: ${(error as Error).message}`);
    continue;
  }
  objects += text.match(/^kind: /gm)?.length ?? 0;
  if (schemas !== undefined) {
    const location = `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`;
    const run = spawnSync(
      programPath('kubeconform'),
      ['-strict', '-summary=false', '-schema-location', location, '-'],
      { input: text, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 },
    );
    if (run.status !== 0) complaints.push(`${name}, kubeconform:\n${run.stdout}${run.stderr}`);
  }
  complaints.push(...judge(name, text));
}
if (complaints.length > 0) {
  console.log(complaints.join('\n\n'));
  process.exit(1);
}
console.log(
  `${Object.keys(MATRIX).length} ways to install, ${objects} objects: valid, restricted, no finding left open`,
);
