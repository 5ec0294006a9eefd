import {
  DATA_SUBMISSION_TYPES,
  domainOf,
  IDENTITY_TYPES,
  PERMISSION_TYPES,
} from '../../../contracts/typed-data.ts';
import { requireContract } from '../../../lib/contracts-manifest.ts';
import type { Step } from '../story.ts';

/** 6. Identity, data, permission; and its revocation acts at once. */
export const healthDataStep: Step = {
  id: 'health-data',
  title: 'She shares data, then revokes it',
  needs: ['link-wallet'],
  async run(_story) {
    void [DATA_SUBMISSION_TYPES, domainOf, IDENTITY_TYPES, PERMISSION_TYPES, requireContract];
    throw new Error('not written yet');
  },
};
