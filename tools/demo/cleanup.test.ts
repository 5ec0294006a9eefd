import { describe, expect, it } from '@jest/globals';
import { createCleanup } from './cleanup.ts';

describe('createCleanup', () => {
  it('undoes in reverse order, each once', async () => {
    const done: string[] = [];
    const cleanup = createCleanup();
    cleanup.add('first', () => void done.push('first'));
    const undoSecond = cleanup.add('second', () => void done.push('second'));
    cleanup.add('third', () => void done.push('third'));
    await undoSecond();
    expect(await cleanup.run()).toEqual([]);
    expect(await cleanup.run()).toEqual([]);
    expect(done).toEqual(['second', 'third', 'first']);
  });

  it('goes on when one fails, and tells which', async () => {
    const done: string[] = [];
    const cleanup = createCleanup();
    cleanup.add('first', () => void done.push('first'));
    cleanup.add('broken', () => Promise.reject(new Error('no answer')));
    expect(await cleanup.run()).toEqual(['broken: no answer']);
    expect(done).toEqual(['first']);
  });

  it('tries again at the end what failed when it was undone early', async () => {
    let attempts = 0;
    const cleanup = createCleanup();
    const undo = cleanup.add('flaky', () => {
      attempts += 1;
      if (attempts === 1) throw new Error('not yet');
    });
    await expect(undo()).rejects.toThrow('not yet');
    expect(await cleanup.run()).toEqual([]);
    expect(attempts).toBe(2);
  });
});
