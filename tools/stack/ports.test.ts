import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { freePort, isPortFree } from './parts/free-port.ts';
import { choosePorts, PORTS, PortError, type PortName } from './ports.ts';

const allFree = async () => true;
const counting = (from: number) => {
  let next = from;
  return async () => next++;
};

describe('choosePorts', () => {
  it('takes the defaults when they are free', async () => {
    const { ports, moved } = await choosePorts({}, 'defaults', allFree, counting(50_000));
    for (const name of Object.keys(PORTS) as PortName[]) expect(ports[name]).toBe(PORTS[name].default);
    expect(moved).toEqual([]);
  });

  it('moves away from a taken default and says so', async () => {
    const isFree = async (port: number) => port !== 4000;
    const { ports, moved } = await choosePorts({}, 'defaults', isFree, counting(50_000));
    expect(ports.gateway).toBe(50_000);
    expect(moved).toEqual([{ name: 'gateway', wanted: 4000, chosen: 50_000 }]);
  });

  it('never gives one port to two parts', async () => {
    // The "free" port that the system offers first is the one another part was given on request.
    const offers = [9000, 9000, 9001];
    const anyFree = async () => offers.shift() ?? 0;
    const isFree = async (port: number) => port !== 4100;
    const { ports } = await choosePorts({ GATEWAY_PORT: '9000' }, 'defaults', isFree, anyFree);
    expect(ports.gateway).toBe(9000);
    expect(ports.api).toBe(9001);
    expect(new Set(Object.values(ports)).size).toBe(Object.keys(PORTS).length);
  });

  it('gives a requested port even when it is the default of another part', async () => {
    const { ports } = await choosePorts({ API_PORT: '4000' }, 'defaults', allFree, counting(50_000));
    expect(ports.api).toBe(4000);
    expect(ports.gateway).toBe(50_000);
  });

  it('refuses a requested port that is taken, is asked for twice, or is no port', async () => {
    const taken = choosePorts({ API_PORT: '4500' }, 'defaults', async (port) => port !== 4500);
    await expect(taken).rejects.toThrow(/API_PORT=4500, but something listens on port 4500/);
    const twice = choosePorts({ API_PORT: '4500', USER_PORT: '4500' }, 'defaults', allFree);
    await expect(twice).rejects.toThrow(PortError);
    for (const text of ['0', '70000', 'http', '4000.5']) {
      await expect(choosePorts({ API_PORT: text }, 'defaults', allFree)).rejects.toThrow(/is no port/);
    }
  });

  it('ignores defaults and requests in a stack that runs beside others', async () => {
    const { ports, moved } = await choosePorts({ API_PORT: '4500' }, 'free', allFree, counting(50_000));
    expect(Object.values(ports).every((port) => port >= 50_000)).toBe(true);
    expect(moved).toEqual([]);
  });
});

describe('isPortFree', () => {
  it('sees a listener', async () => {
    const port = await freePort();
    expect(await isPortFree(port)).toBe(true);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    expect(await isPortFree(port)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
  });
});
