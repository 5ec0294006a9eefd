import { X509Certificate } from 'node:crypto';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { createAuthority } from './certificates.ts';

describe('certificates', () => {
  const authority = createAuthority('test authority');

  it('are issued with subject, names and a chain that verifies', () => {
    const issued = authority.issue({
      commonName: 'admin',
      organizations: ['system:masters'],
      names: ['127.0.0.1', 'localhost'],
    });
    const cert = new X509Certificate(issued.cert);
    expect(cert.subject).toBe('O=system:masters\nCN=admin');
    expect(cert.issuer).toBe('CN=test authority');
    expect(cert.subjectAltName).toBe('IP Address:127.0.0.1, DNS:localhost');
    expect(cert.verify(new X509Certificate(authority.cert).publicKey)).toBe(true);
    expect(cert.checkHost('localhost')).toBe('localhost');
    expect(new X509Certificate(authority.cert).ca).toBe(true);
    expect(cert.ca).toBe(false);
  });

  it('make a mutual TLS connection', async () => {
    const server = createServer(
      {
        ...authority.issue({ commonName: 'server', names: ['127.0.0.1'] }),
        ca: authority.cert,
        requestCert: true,
      },
      (socket) => socket.end((socket as TLSSocket).getPeerCertificate().subject.CN as string),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const said = await new Promise<string>((resolve, reject) => {
      const socket = connect({
        port,
        host: '127.0.0.1',
        ca: authority.cert,
        ...authority.issue({ commonName: 'client' }),
      });
      socket.once('data', (data) => resolve(data.toString())).once('error', reject);
    });
    server.close();
    expect(said).toBe('client');
  });
});
