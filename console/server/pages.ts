import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { join, sep } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Express, Request, Response } from 'express';

const BROWSER = join(import.meta.dirname, '..', 'browser');

/** Only our own files; no inline script, no inline style, no other host. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

interface Asset {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

/** The one way that Node offers to take types out is called experimental, and says so in the log of every start. */
function withoutTypes(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/**
 * The page's files, made once at start. The browser's modules are TypeScript whose types are taken out here: there is
 * no bundler, and what is debugged is what is written.
 */
function assets(): Asset[] {
  const entry = createRequire(import.meta.url).resolve('@grafana/faro-web-sdk');
  // The package exports no path to its browser bundle, which lies beside the entry that it does export.
  const faro = join(entry.slice(0, entry.lastIndexOf(`${sep}dist${sep}`)), 'dist', 'bundle');
  const files = readdirSync(BROWSER).filter((name) => !name.endsWith('.test.ts'));
  const modules = files.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
  const read = (name: string): string => readFileSync(join(BROWSER, name), 'utf8');
  const preload = modules.map((name) => `<link rel="modulepreload" href="/assets/${name}">`).join('\n');
  return [
    {
      path: '/',
      type: 'text/html; charset=utf-8',
      body: Buffer.from(read('index.html').replace('<!-- modules -->', preload)),
    },
    ...modules.map((name) => ({
      path: `/assets/${name}`,
      type: 'text/javascript; charset=utf-8',
      body: Buffer.from(withoutTypes(read(name))),
    })),
    {
      path: '/assets/faro.js',
      type: 'text/javascript; charset=utf-8',
      body: readFileSync(join(faro, 'faro-web-sdk.iife.js')),
    },
    { path: '/assets/console.css', type: 'text/css; charset=utf-8', body: Buffer.from(read('console.css')) },
    { path: '/assets/icon.svg', type: 'image/svg+xml', body: Buffer.from(read('icon.svg')) },
  ];
}

/** Mounts the page: from memory, compressed, with an ETag. */
export function mountPages(app: Express): void {
  for (const { path, type, body } of assets()) {
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    const compressed = gzipSync(body);
    app.get(path, (req: Request, res: Response) => {
      res.locals.route = path === '/' ? '/' : '/assets';
      res.setHeader('content-security-policy', POLICY);
      res.setHeader('cache-control', 'no-cache');
      res.setHeader('vary', 'accept-encoding');
      res.setHeader('etag', etag);
      res.setHeader('content-type', type);
      if (req.get('if-none-match') === etag) {
        res.status(304).end();
        return;
      }
      const gzip = /\bgzip\b/.test(req.get('accept-encoding') ?? '');
      if (gzip) res.setHeader('content-encoding', 'gzip');
      res.end(gzip ? compressed : body);
    });
  }
}
