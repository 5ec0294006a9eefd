import { parseArgs } from 'node:util';
import { buildImage, type Engine } from './build.ts';

const USAGE = `Usage: node tools/image/main.ts [--repository NAME] [--tag TAG] [--base registry|local] [--engine ENGINE] [--fresh] [--json]

Builds the image of the platform. With docker or podman its bases come from their registries (BUILD_IMAGE and
BASE_IMAGE choose others); with buildah and no other engine they are assembled from this machine's Node, and nothing
but npm's registry is needed. Output: output/image/ (archive, image.json, provenance.json).`;

const { values } = parseArgs({
  options: {
    repository: { type: 'string' },
    tag: { type: 'string' },
    base: { type: 'string' },
    engine: { type: 'string' },
    fresh: { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (values.base !== undefined && !['registry', 'local'].includes(values.base)) {
  console.error(`--base is registry or local, not "${values.base}"`);
  process.exit(2);
}
try {
  const built = await buildImage({
    ...(values.repository && { repository: values.repository }),
    ...(values.tag && { tag: values.tag }),
    ...(values.base && { base: values.base as 'registry' | 'local' }),
    ...(values.engine && { engine: values.engine as Engine }),
    ...(values.fresh && { fresh: true }),
    log: (line) => console.error(line),
  });
  if (values.json) console.log(JSON.stringify(built));
  else
    console.log(
      `${built.name}\n  ${(built.bytes / 1e6).toFixed(0)} MB, ${built.imageId}\n` +
        `  ${built.cached ? 'unchanged' : `built in ${built.seconds} s`}${built.archive ? `\n  ${built.archive}` : ''}`,
    );
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
