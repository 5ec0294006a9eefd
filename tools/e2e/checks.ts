import type { Check } from './check.ts';
import { rollbackCheck, rotationCheck, upgradeCheck } from './checks/changes.ts';
import { clusterCheck, clusterDownCheck } from './checks/cluster.ts';
import { evictionCheck, nodePartsCheck, providerCheck } from './checks/faults.ts';
import { imageCheck, reproducibleCheck } from './checks/image.ts';
import { helmTestCheck, installCheck, memoryCheck, refusalsCheck } from './checks/install.ts';
import { scalingCheck } from './checks/scaling.ts';
import { storyCheck } from './checks/story.ts';
import { uninstallCheck } from './checks/uninstall.ts';

/** In the order in which they run. */
export const CHECKS: readonly Check[] = [
  clusterCheck,
  imageCheck,
  reproducibleCheck,
  installCheck,
  refusalsCheck,
  helmTestCheck,
  storyCheck,
  memoryCheck,
  providerCheck,
  nodePartsCheck,
  evictionCheck,
  upgradeCheck,
  rollbackCheck,
  rotationCheck,
  scalingCheck,
  uninstallCheck,
  clusterDownCheck,
];
