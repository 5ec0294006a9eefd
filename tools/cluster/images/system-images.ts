import { basename, dirname } from 'node:path';
import { PAUSE_IMAGE } from '../node/settings.ts';
import { PROGRAMS, versionOf } from '../programs.ts';
import { assembleImage } from './assemble.ts';
import { addHelper, helperKey } from './helpers.ts';

export const COREDNS_IMAGE = `localhost/coredns:${versionOf(PROGRAMS.coredns)}`;

/** The image that holds a pod's namespaces. */
export const pauseImage = (): Promise<string> =>
  assembleImage({
    name: PAUSE_IMAGE,
    key: helperKey('pause'),
    config: { entrypoint: ['/pause'], user: '65535:65535' },
    fill: (rootfs) => addHelper(rootfs, 'pause', '/pause'),
  });

/** DNS of the cluster. */
export const corednsImage = (program: string): Promise<string> =>
  assembleImage({
    name: COREDNS_IMAGE,
    key: basename(dirname(program)),
    config: { entrypoint: ['/coredns'], user: '65532:65532' },
    fill: (rootfs) => rootfs.program(program, '/coredns'),
  });
