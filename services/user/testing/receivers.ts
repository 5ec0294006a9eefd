import { createECDH, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

const require = createRequire(import.meta.url);
/** Independent implementations of the other side: none of our code decrypts, parses or accepts here. */
const ece = require('http_ece') as {
  decrypt(body: Buffer, options: { version: string; privateKey: unknown; authSecret: Buffer }): Buffer;
};
const { SMTPServer } = require('smtp-server') as {
  SMTPServer: new (options: Record<string, unknown>) => ReturnType<typeof JSON.parse>;
};
const { simpleParser } = require('mailparser') as { simpleParser(source: Buffer): Promise<ParsedMail> };

export interface ParsedMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
  readonly headers: Map<string, unknown>;
  readonly headerLines: readonly { readonly key: string; readonly line: string }[];
  readonly from: { readonly text: string };
  readonly to: { readonly text: string };
}

export type SmtpBehaviour =
  | 'accept'
  | 'refuse-later'
  | 'refuse-address'
  | 'accept-then-hang'
  | 'slow'
  | 'hang';

/** A real SMTP server that misbehaves on demand. */
export async function startSmtp() {
  const mails: ParsedMail[] = [];
  const state = { behaviour: (): SmtpBehaviour => 'accept', slowMs: 300 };
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    onRcptTo(_address: unknown, _session: unknown, callback: (error?: Error) => void) {
      if (state.behaviour() === 'refuse-address')
        return callback(Object.assign(new Error('5.1.1 no such user'), { responseCode: 550 }));
      callback();
    },
    onData(
      stream: AsyncIterable<Buffer>,
      _session: unknown,
      callback: (error?: Error | null, message?: string) => void,
    ) {
      const behaviour = state.behaviour();
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk);
        if (behaviour === 'refuse-later')
          return callback(Object.assign(new Error('4.3.2 busy'), { responseCode: 451 }));
        if (behaviour === 'hang') return;
        if (behaviour === 'slow') await new Promise((r) => setTimeout(r, state.slowMs));
        mails.push(await simpleParser(Buffer.concat(chunks)));
        // Kept, and never said so: the sender has to try again.
        if (behaviour === 'accept-then-hang') return;
        callback(null, 'queued');
        // The sender may be killed in the middle of a message.
      })().catch(() => undefined);
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    state,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly at: number;
}

/** An HTTP endpoint that remembers what it got and answers what the test says. */
export async function startHttpReceiver() {
  const received: Received[] = [];
  const state = {
    answer: (_request: Received): { status: number; headers?: Record<string, string>; body?: string } => ({
      status: 201,
    }),
  };
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const request = {
        path: req.url ?? '',
        headers: req.headers,
        body: Buffer.concat(chunks),
        at: Date.now(),
      };
      const { status, headers = {}, body = '' } = state.answer(request);
      received.push(request);
      res.writeHead(status, headers);
      res.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    state,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A browser's side of web push: its subscription, and its reading of what arrives. */
export function createBrowser(endpoint: string) {
  const ecdh = createECDH('prime256v1');
  const publicKey = ecdh.generateKeys();
  const authSecret = randomBytes(16);
  return {
    subscription: {
      endpoint,
      keys: { p256dh: publicKey.toString('base64url'), auth: authSecret.toString('base64url') },
    },
    read: (body: Buffer): Record<string, unknown> =>
      JSON.parse(ece.decrypt(body, { version: 'aes128gcm', privateKey: ecdh, authSecret }).toString()),
  };
}

/** A service account file as Firebase hands it out, whose tokens come from `tokenUri`. */
export function fcmCredentials(tokenUri: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return JSON.stringify({
    type: 'service_account',
    project_id: 'rejuve-test',
    client_email: 'test@rejuve-test.iam.example',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: tokenUri,
  });
}
