import { describe, expect, it } from '@jest/globals';
import { RPC_ERROR } from '../rpc/errors.ts';
import { callerFrom } from './asked.ts';
import { scopeRefusal } from './check-scope.ts';
import { unlimitedPrincipal } from './principal.ts';

const NOW = 1_800_000_000_000;
const clock = { now: () => NOW };
const anybody = unlimitedPrincipal('api-key', 'key:k');
const modest = { ...anybody, priorities: ['standard', 'background'] as const };
const asked = (headers: Record<string, string>, principal = anybody) =>
  callerFrom(headers, principal, 'r', 10_000, clock);

describe('what a request asks for', () => {
  it('is the first class of its principal and the whole time when it does not ask', () => {
    expect(asked({}, modest)).toMatchObject({ priority: 'standard', timeoutMs: 10_000, refusal: undefined });
  });

  it('is honoured within what the principal may ask for', () => {
    expect(asked({ 'x-priority': 'background' }, modest)).toMatchObject({ priority: 'background' });
    const refusal = asked({ 'x-priority': 'interactive' }, modest).refusal;
    expect(refusal).toMatchObject({ code: RPC_ERROR.priorityNotAllowed });
    expect(JSON.parse(refusal?.data ?? '')).toEqual({
      reason: 'priority_not_allowed',
      allowed: ['standard', 'background'],
    });
  });

  it.each(['internal', 'INTERACTIVE', 'urgent', ''])('refuses priority "%s", which is none', (given) => {
    expect(asked({ 'x-priority': given }).refusal).toMatchObject({ code: RPC_ERROR.invalidRequest });
  });

  it('takes the nearer of deadline and timeout, and never more than the gateway allows', () => {
    expect(asked({ 'x-deadline-ms': String(NOW + 300) }).timeoutMs).toBe(300);
    expect(asked({ 'x-deadline-ms': String(NOW + 300), 'x-timeout-ms': '200' }).timeoutMs).toBe(200);
    expect(asked({ 'x-deadline-ms': String(NOW + 99_000), 'x-timeout-ms': '88000' }).timeoutMs).toBe(10_000);
  });

  it('refuses a deadline in the past, and tells our time so that a wrong clock is found', () => {
    const refusal = asked({ 'x-deadline-ms': String(NOW - 5) }).refusal;
    expect(refusal).toMatchObject({ code: RPC_ERROR.deadlinePassed });
    expect(JSON.parse(refusal?.data ?? '')).toMatchObject({ lateMs: 5, serverTimeMs: NOW });
  });

  it.each(['500', 'soon', '-1', 'NaN'])('refuses "%s", which is no moment', (given) => {
    const refusal = asked({ 'x-deadline-ms': given }).refusal;
    expect(refusal).toMatchObject({ code: RPC_ERROR.invalidRequest });
    expect(refusal?.message).toContain('x-timeout-ms');
  });
});

describe('scope', () => {
  it('allows everything when it says nothing', () => {
    expect(scopeRefusal({ access: 'write' }, 1, 'eth_sendRawTransaction')).toBeUndefined();
  });

  it.each([
    ['chain', { access: 'write', chains: new Set([5]) }, 'eth_call'],
    ['method', { access: 'write', methods: ['eth_get*', 'eth_call'] }, 'eth_estimateGas'],
    ['access', { access: 'read' }, 'eth_sendRawTransaction'],
    ['access', { access: 'read' }, 'anvil_setBalance'],
  ] as const)('refuses what is outside its %s', (what, scope, method) => {
    const refusal = scopeRefusal(scope, 1, method);
    expect(refusal).toMatchObject({ code: RPC_ERROR.forbidden });
    expect(JSON.parse(refusal?.data ?? '')).toEqual({ reason: 'out_of_scope', scope: what });
  });

  it('takes prefixes', () => {
    expect(scopeRefusal({ access: 'read', methods: ['eth_get*'] }, 1, 'eth_getLogs')).toBeUndefined();
  });
});
