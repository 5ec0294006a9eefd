import { describe, expect, it } from '@jest/globals';
import { chooseNetwork, overlaps } from './network.ts';

describe('chooseNetwork', () => {
  it('takes the first /16 that no route leads to', () => {
    expect(chooseNetwork(undefined, ['default', '172.17.0.0/16']).prefix).toBe('10.213');
    expect(chooseNetwork(undefined, ['10.213.0.0/30', '10.214.7.1']).prefix).toBe('10.215');
  });

  it('does not mind a VPN that claims all of 10.0.0.0/8: the longer prefix wins', () => {
    expect(chooseNetwork(undefined, ['10.0.0.0/8']).prefix).toBe('10.213');
  });

  it('takes the wanted one, or says what is in its way', () => {
    expect(chooseNetwork('10.20', []).serviceCidr).toBe('10.20.128.0/17');
    expect(() => chooseNetwork('10.20', ['10.20.4.0/24'])).toThrow(
      'in use on this machine (route to 10.20.4.0/24)',
    );
    expect(() => chooseNetwork('192.168.0', [])).toThrow('must look like 10.220');
  });

  it('says so when all are taken', () => {
    expect(() =>
      chooseNetwork(undefined, ['10.128.0.0/12', '10.208.0.0/12', '10.224.0.0/12', '10.240.0.0/12']),
    ).toThrow('CLUSTER_SUBNET');
  });
});

describe('overlaps', () => {
  it.each([
    ['10.213.64.0/18', 213, true],
    ['10.212.0.0/15', 213, true],
    ['10.214.0.0/16', 213, false],
    ['default', 213, false],
    ['10.213.255.255', 213, true],
  ])('%s and 10.%i: %s', (route, second, expected) => {
    expect(overlaps(route, second)).toBe(expected);
  });
});
