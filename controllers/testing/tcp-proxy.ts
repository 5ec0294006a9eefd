import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy that can turn into a black hole: connections stay open and nothing passes any more. */
export interface TcpProxy {
  readonly port: number;
  /** Nothing passes on connections that exist now; new ones pass. */
  blackHoleExisting(): void;
  /** New connections are accepted and then silent, too. */
  blackHoleAll(on: boolean): void;
  /** Connections made so far. */
  readonly connections: number;
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<{ near: Socket; far: Socket }>();
  const swallowed = new Set<Socket>();
  let all = false;
  let connections = 0;
  const server = createServer((near) => {
    connections++;
    near.on('error', () => near.destroy());
    if (all) {
      swallowed.add(near);
      near.resume();
      return;
    }
    const far = connect(targetPort, '127.0.0.1');
    const pair = { near, far };
    pairs.add(pair);
    const end = (): void => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    far.on('error', end).on('close', end);
    near.on('close', end);
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const silence = (): void => {
    for (const { near, far } of pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.resume();
      far.resume();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    blackHoleExisting: silence,
    blackHoleAll(on) {
      all = on;
      if (on) silence();
    },
    get connections() {
      return connections;
    },
    close: () =>
      new Promise((resolve) => {
        for (const { near, far } of pairs) {
          near.destroy();
          far.destroy();
        }
        for (const socket of swallowed) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
