import { describe, expect, it } from '@jest/globals';
import { createWritesSwitch } from './writes-switch.ts';

const request = (method: string) => ({
  route: { method, operationId: 'createTransaction' },
  principal: { kind: 'api-key', id: 'k1' },
});

describe('the switch of writes', () => {
  it('lets everything through while the flag is on, and reading always', () => {
    const on = createWritesSwitch({ boolean: () => true });
    const off = createWritesSwitch({ boolean: () => false });
    expect(() => on(request('post'))).not.toThrow();
    expect(() => off(request('get'))).not.toThrow();
  });

  it('refuses a change while the flag is off, with a time to come back, and tells the flag who asks for what', () => {
    let asked: unknown;
    const off = createWritesSwitch({
      boolean: (_key, _fallback, context) => {
        asked = context;
        return false;
      },
    });
    expect(() => off(request('post'))).toThrow(
      expect.objectContaining({ code: 'writes_paused', retryAfterSeconds: 30 }),
    );
    expect(asked).toEqual({ targetingKey: 'k1', operation: 'createTransaction', kind: 'api-key' });
  });
});
