import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createContext, runWithContext } from './context.ts';
import { createLogger, redactUrls } from './log.ts';

const capture = () => {
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  return { lines, log: createLogger({ service: 'test', destination }) };
};

describe('createLogger', () => {
  it('never writes a secret, however deep it sits', () => {
    const { log, lines } = capture();
    log.info(
      {
        authorization: 'Bearer s3cret',
        a: { token: 's3cret', b: { privateKey: 's3cret', c: { email: 's3cret' } } },
      },
      'x',
    );
    log.warn(
      {
        err: new Error('connect postgres://app:s3cret@db:5432/x failed', {
          cause: new Error('redis://:s3cret@r:1'),
        }),
      },
      'y',
    );
    expect(lines.join('')).not.toContain('s3cret');
    expect(lines.join('')).toContain('[redacted]');
  });

  it('adds the request id and trace of the request being handled', () => {
    const { log, lines } = capture();
    runWithContext(createContext({ requestId: 'case-123456', newId: () => 'x' }), () => log.info('inside'));
    log.info('outside');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      service: 'test',
      requestId: 'case-123456',
    });
    expect(JSON.parse(lines[1] ?? '')).not.toHaveProperty('requestId');
  });

  it('keeps a URL readable without its credentials', () => {
    expect(redactUrls('postgres://app:pw@db:5432/x and https://host/path')).toBe(
      'postgres://[redacted]@db:5432/x and https://host/path',
    );
  });
});
