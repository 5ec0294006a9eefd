import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Lockfile {
  readonly name?: string;
  readonly version?: string;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** `sha512-base64` of a lockfile as CycloneDX wants it. */
function hashOf(integrity: string): { alg: string; content: string } | undefined {
  const [algorithm = '', value = ''] = integrity.split(' ')[0]?.split('-') ?? [];
  const alg = { sha512: 'SHA-512', sha256: 'SHA-256', sha1: 'SHA-1' }[algorithm];
  return alg === undefined ? undefined : { alg, content: Buffer.from(value, 'base64').toString('hex') };
}

/**
 * The bill of materials of the image in CycloneDX 1.6, from the lockfile alone: no clock and no chance in it, so the
 * same lockfile gives the same text.
 */
export function billOfMaterials(lockText: string): string {
  const lock = JSON.parse(lockText) as Lockfile;
  const components = Object.entries(lock.packages)
    .filter(([path, pkg]) => path !== '' && !pkg.dev && !pkg.devOptional && pkg.version !== undefined)
    .map(([path, pkg]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      const hash = pkg.integrity === undefined ? undefined : hashOf(pkg.integrity);
      return {
        type: 'library',
        'bom-ref': path,
        name,
        version: pkg.version,
        purl: `pkg:npm/${name.replace('@', '%40')}@${pkg.version}`,
        ...(pkg.license !== undefined && { licenses: [{ license: { name: pkg.license } }] }),
        ...(hash !== undefined && { hashes: [hash] }),
      };
    });
  const digest = createHash('sha256').update(lockText).digest('hex');
  // A serial number in the form of a UUID, made of the content instead of chance.
  const serial = digest.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
  return `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      serialNumber: `urn:uuid:${serial}`,
      version: 1,
      metadata: { component: { type: 'application', name: lock.name, version: lock.version } },
      components,
    },
    null,
    2,
  )}\n`;
}

const [from, to] = process.argv.slice(2);
if (import.meta.main && from !== undefined && to !== undefined)
  writeFileSync(to, billOfMaterials(readFileSync(from, 'utf8')));
