import { request } from 'node:http';

export interface PartStatus {
  readonly pid?: number;
  readonly restarts: number;
  /** How it ended last time. */
  readonly ended?: string;
}

/** Talks to the supervisor of a cluster through its socket. Every call rejects when nobody listens there. */
export function createSupervisorClient(socketPath: string) {
  const call = (method: string, path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const outgoing = request({ socketPath, method, path, timeout: 5_000 }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () =>
          (response.statusCode ?? 500) < 300
            ? resolve(text)
            : reject(new Error(`${method} ${path}: the supervisor answered ${response.statusCode}`)),
        );
      });
      outgoing.once('timeout', () => outgoing.destroy(new Error('the supervisor does not answer')));
      outgoing.once('error', reject);
      outgoing.end();
    });
  return {
    status: async () => JSON.parse(await call('GET', '/')) as Record<string, PartStatus>,
    start: async (name: string) => void (await call('POST', `/${name}/start`)),
    signal: async (name: string, signal: NodeJS.Signals) =>
      void (await call('POST', `/${name}/signal/${signal}`)),
  };
}
