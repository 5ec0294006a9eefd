import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '../runtime/resources.ts';
import { findForeignWriter } from './rivals.ts';

const replicas = { 'f:spec': { 'f:replicas': {} } };
const target = (...managedFields: { manager: string; time: string; fieldsV1: unknown }[]): Deployment =>
  ({ metadata: { name: 'workers', managedFields } }) as unknown as Deployment;

describe('findForeignWriter', () => {
  const scaled = '2026-01-01T12:00:00Z';

  it('names who set the replicas after we did', () => {
    const helm = { manager: 'helm', time: '2026-01-01T12:00:05Z', fieldsV1: replicas };
    expect(findForeignWriter(target(helm), scaled)).toEqual({ manager: 'helm', at: '2026-01-01T12:00:05Z' });
  });

  it.each([
    [
      'the maker of the target, before we ever scaled',
      'kubectl',
      '2026-01-01T12:00:05Z',
      replicas,
      undefined,
    ],
    ['who set them before we did', 'kubectl', '2026-01-01T11:00:00Z', replicas, scaled],
    ['ourselves', 'rejuve-controller', '2026-01-01T12:00:05Z', replicas, scaled],
    ['who set something else', 'helm', '2026-01-01T12:00:05Z', { 'f:spec': { 'f:template': {} } }, scaled],
    ['who only reports', 'kube-controller-manager', '2026-01-01T12:00:05Z', { 'f:status': {} }, scaled],
  ])('does not mind %s', (_who, manager, time, fieldsV1, lastScaleTime) => {
    expect(findForeignWriter(target({ manager, time, fieldsV1 }), lastScaleTime)).toBeUndefined();
  });
});
