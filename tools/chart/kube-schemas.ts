import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { cacheFolder } from '../cluster/build.ts';
import { CHART, KUBE_VERSION } from './helm.ts';

/** Go modules whose sources hold the schemas that kubeconform needs; the checksum database vouches for them. */
const SOURCES = [
  { module: `k8s.io/kubernetes@v${KUBE_VERSION}`, swagger: 'api/openapi-spec/swagger.json' },
  { module: 'sigs.k8s.io/gateway-api@v1.4.0', crds: 'config/crd/standard' },
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    crds: 'example/prometheus-operator-crd',
  },
] as const;

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  [key: string]: unknown;
}

/**
 * A folder with a strict JSON schema per kind, named as kubeconform asks (`kind-group-version.json`): all of Kubernetes,
 * Gateway API and the Prometheus operator, kept in the cache, and the CRDs of the chart, written anew each time.
 * @throws Error when a source is neither cached nor to be had
 */
export function kubeSchemas(): string {
  const folder = join(cacheFolder(), `kube-schemas-v${KUBE_VERSION}-1`);
  if (!existsSync(folder)) {
    const part = `${folder}.${process.pid}`;
    mkdirSync(part, { recursive: true });
    for (const source of SOURCES) {
      const from = download(source.module);
      if ('swagger' in source) writeSwagger(join(from, source.swagger), part);
      else writeCrds(join(from, source.crds), part);
    }
    try {
      renameSync(part, folder);
    } catch (error) {
      // Another process was quicker, with the same content.
      rmSync(part, { recursive: true });
      if (!existsSync(folder)) throw error;
    }
  }
  const own = mkdtempSync(join(tmpdir(), 'kube-schemas-'));
  writeCrds(join(CHART, 'crds'), own);
  for (const file of readdirSync(own)) writeFileSync(join(folder, file), readFileSync(join(own, file)));
  rmSync(own, { recursive: true });
  return folder;
}

/** Where the source of a module is. */
function download(module: string): string {
  const run = spawnSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8', cwd: tmpdir() });
  const answer = JSON.parse(run.stdout || '{}') as { Dir?: string; Error?: string };
  if (answer.Dir === undefined)
    throw new Error(
      `cannot fetch ${module} for its schemas: ${answer.Error ?? run.stderr ?? run.error?.message}`,
    );
  return answer.Dir;
}

const fileOf = (group: string, version: string, kind: string): string =>
  `${kind}-${group === '' ? '' : `${group.split('.')[0]}-`}${version}.json`.toLowerCase();

function writeSwagger(file: string, folder: string): void {
  const { definitions } = JSON.parse(readFileSync(file, 'utf8')) as { definitions: Record<string, Schema> };
  for (const [name, definition] of Object.entries(definitions)) {
    for (const { group, version, kind } of definition['x-kubernetes-group-version-kind'] ?? []) {
      if (definition.properties?.metadata === undefined) continue;
      const used = new Map<string, Schema>();
      collect(name, definitions, used);
      const schema = { ...used.get(name), definitions: Object.fromEntries(used) };
      writeFileSync(join(folder, fileOf(group, version, kind)), JSON.stringify(schema));
    }
  }
}

/** A definition and everything it refers to. */
function collect(name: string, definitions: Record<string, Schema>, used: Map<string, Schema>): void {
  if (used.has(name)) return;
  const definition = definitions[name] as Schema;
  // Written as a string or a number by people, whatever the document says.
  const loose = /(IntOrString|Quantity)$/.test(name);
  const own = loose ? { type: ['string', 'integer', 'number'] } : strict(definition);
  used.set(name, own);
  const walk = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return;
    const ref = (value as Schema).$ref;
    if (typeof ref === 'string') collect(ref.replace('#/definitions/', ''), definitions, used);
    for (const child of Object.values(value)) walk(child);
  };
  walk(own);
}

/** No unknown fields where fields are named; `null` where nothing is. */
function strict(schema: Schema): Schema {
  const out: Schema = { ...schema };
  if (schema.properties) {
    out.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, child]) => [name, strict(child)]),
    );
    if (!schema['x-kubernetes-preserve-unknown-fields'] && schema.additionalProperties === undefined)
      out.additionalProperties = false;
  }
  if (schema.items) out.items = strict(schema.items);
  if (typeof schema.additionalProperties === 'object')
    out.additionalProperties = strict(schema.additionalProperties);
  if (schema['x-kubernetes-int-or-string']) out.type = ['string', 'integer'];
  delete out['x-kubernetes-group-version-kind'];
  // Formats are Kubernetes' own (int-or-string, byte): the types say enough.
  delete out.format;
  return out;
}

interface Crd {
  kind?: string;
  spec?: {
    group: string;
    names: { kind: string };
    versions: { name: string; schema: { openAPIV3Schema: Schema } }[];
  };
}

function writeCrds(from: string, folder: string): void {
  for (const file of readdirSync(from).filter((name) => name.endsWith('.yaml'))) {
    for (const document of parseAllDocuments(readFileSync(join(from, file), 'utf8'))) {
      const crd = document.toJS() as Crd | null;
      if (crd?.kind !== 'CustomResourceDefinition' || !crd.spec) continue;
      const { group, names, versions } = crd.spec;
      for (const { name, schema } of versions) {
        writeFileSync(
          join(folder, fileOf(group, name, names.kind)),
          JSON.stringify(strict(schema.openAPIV3Schema)),
        );
      }
    }
  }
}
