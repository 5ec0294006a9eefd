import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, IMAGE_OUTPUT } from '../../image/build.ts';
import { type Check, expectThat, SkipCheck } from '../check.ts';

interface Manifest {
  readonly Config: string;
  readonly Layers: readonly string[];
}

const tar = (...args: string[]): string =>
  execFileSync('tar', args, { encoding: 'utf8', maxBuffer: 512 * 1024 * 1024 });

/** Packages that only build and test; any of them inside would be a mistake of the Dockerfile. */
const DEVELOPMENT = ['jest', 'typescript', '@biomejs/biome', '@swc/core', 'solc', 'hardhat', 'viem'];

export const imageCheck: Check = {
  id: 'image',
  title: 'The image is small, rootless, without a shell or development packages',
  needs: [],
  async run({ folder, figure }) {
    const built = JSON.parse(readFileSync(join(IMAGE_OUTPUT, 'image.json'), 'utf8')) as {
      archive?: string;
      seconds: number;
      bytes: number;
    };
    if (!built.archive) throw new SkipCheck('the image is in a daemon, not in an archive');
    const [manifest] = JSON.parse(tar('-xOf', built.archive, 'manifest.json')) as [Manifest];
    const config = JSON.parse(tar('-xOf', built.archive, manifest.Config)) as {
      config: { User: string; Entrypoint: string[] };
    };
    expectThat(config.config.User === '65532:65532', 'user 65532:65532', config.config.User);
    const files: string[] = [];
    for (const layer of manifest.Layers) {
      execFileSync('tar', ['-xf', built.archive, '-C', folder, layer]);
      files.push(
        ...tar('-tf', join(folder, layer))
          .split('\n')
          .map((name) => name.replace(/^\.?\//, '')),
      );
    }
    const shells = files.filter((name) => /^(usr\/)?bin\/(sh|bash|dash|busybox)$/.test(name));
    expectThat(shells.length === 0, 'no shell in the image', shells);
    const development = DEVELOPMENT.filter((name) =>
      files.some((file) => file.startsWith(`app/node_modules/${name}/`)),
    );
    expectThat(development.length === 0, 'no development package in the image', development);
    const tests = files.filter(
      (name) => name.startsWith('app/') && !name.includes('node_modules') && /\.test\.ts$/.test(name),
    );
    expectThat(tests.length === 0, 'no test file in the image', tests.slice(0, 3));
    expectThat(files.includes('app/sbom.cdx.json'), 'a bill of materials in the image', 'none');
    const compressed = Number(
      execFileSync('sh', ['-c', `gzip -1 -c '${built.archive}' | wc -c`], { encoding: 'utf8' }),
    );
    figure('image', Math.round(built.bytes / 1e6), 'MB');
    figure('image, compressed', Math.round(compressed / 1e6), 'MB');
    figure('image build', built.seconds, 's');
    return `${Math.round(built.bytes / 1e6)} MB (${Math.round(compressed / 1e6)} MB compressed), built in ${built.seconds} s, ${files.length} files, user 65532, no shell, SBOM inside`;
  },
};

export const reproducibleCheck: Check = {
  id: 'reproducible-image',
  title: 'The same sources give the same image',
  needs: ['image'],
  async run({ target, log }) {
    const { imageId } = JSON.parse(readFileSync(join(IMAGE_OUTPUT, 'image.json'), 'utf8')) as {
      imageId: string;
    };
    const again = await buildImage({
      repository: target.repository,
      log: () => undefined,
      noCache: true,
      ...(target.kind === 'own' && { engine: 'buildah' as const }),
    });
    log(`built again without caches in ${again.seconds} s`);
    expectThat(again.imageId === imageId, `image ${imageId} again`, again.imageId);
    return `built twice, ${imageId.slice(0, 16)}… both times (second without caches: ${again.seconds} s)`;
  },
};
