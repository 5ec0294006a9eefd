import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Express, Request, Response } from 'express';
import { ERROR_TABLE } from '../../../lib/errors.ts';
import type { OpenApiDocument } from '../../../lib/http/openapi.ts';
import { SCOPES } from '../governance/scopes.ts';
import { escapeHtml, renderMarkdown } from './markdown.ts';
import { renderReference } from './reference-page.ts';

const FOLDER = import.meta.dirname;

/** Only our own files: no font, script or style from anywhere else. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

interface Page {
  readonly path: string;
  readonly title: string;
  readonly html: string;
}

const guideTitle = (source: string): string => /^# (.+)$/m.exec(source)?.[1] ?? 'Guide';

function guides(): Page[] {
  return readdirSync(join(FOLDER, 'guides'))
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => {
      const source = readFileSync(join(FOLDER, 'guides', file), 'utf8');
      const name = file.replace(/^\d+-|\.md$/g, '');
      return { path: `/docs/guides/${name}`, title: guideTitle(source), html: renderMarkdown(source) };
    });
}

/** Generated from the one error table, so that every `type` of a problem leads somewhere. */
function errorsPage(): Page {
  const advice = {
    same: 'Send the same request again.',
    later: 'Wait (see Retry-After), then send it again.',
    elsewhere: 'Send it to another server.',
    never: 'Change the request.',
  };
  const rows = Object.entries(ERROR_TABLE)
    .map(
      ([code, { status, title, retry }]) =>
        `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${escapeHtml(title)}.</td><td>${advice[retry]}</td></tr>`,
    )
    .join('');
  return {
    path: '/docs/errors',
    title: 'Error codes',
    html: `<h1>Error codes</h1><p>Every error is a problem document (RFC 9457). Switch on <code>code</code>, show <code>detail</code>, quote <code>requestId</code>.</p><div class="scroll" tabindex="0" role="region" aria-label="Errors"><table><thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Meaning</th><th scope="col">What helps</th></tr></thead><tbody>${rows}</tbody></table></div>`,
  };
}

function scopesPage(): Page {
  const rows = Object.entries(SCOPES).map(
    ([name, text]) => `<tr><td><code>${name}</code></td><td>${escapeHtml(text)}</td></tr>`,
  );
  return {
    path: '/docs/scopes',
    title: 'Scopes',
    html: `<h1>Scopes</h1><div class="scroll" tabindex="0" role="region" aria-label="Scopes"><table><thead><tr><th scope="col">Scope</th><th scope="col">Allows</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
  };
}

const readDocument = (service: string): OpenApiDocument =>
  JSON.parse(readFileSync(join(FOLDER, '..', '..', service, 'openapi.json'), 'utf8')) as OpenApiDocument;

function layout(page: Page, pages: readonly Page[]): string {
  const link = ({ path, title }: Page): string =>
    `<li><a href="${path}"${path === page.path ? ' aria-current="page"' : ''}>${escapeHtml(title.replace(/^Reference: /, ''))}</a></li>`;
  const group = (title: string, belongs: (path: string) => boolean): string =>
    `<h2>${title}</h2><ul>${pages
      .filter(({ path }) => belongs(path))
      .map(link)
      .join('')}</ul>`;
  const isGuide = (path: string): boolean => path === '/docs' || path.startsWith('/docs/guides/');
  const isReference = (path: string): boolean => path.startsWith('/docs/reference/');
  const links = `${group('Guides', isGuide)}${group('Reference', isReference)}${group('Tables', (path) => !isGuide(path) && !isReference(path))}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)} · Rejuve API</title>
<link rel="stylesheet" href="/docs/assets/portal.css">
<script type="module" src="/docs/assets/portal.js"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header><a class="home" href="/docs"><svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#0f766e"/><path d="M6 18h5l3-9 4 14 3-8h5" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>Rejuve API</a>
<form role="search" class="search"><label for="search">Search</label><input id="search" type="search" autocomplete="off" placeholder="operation, guide, error"><ul id="results" aria-label="Search results" hidden></ul><p id="found" class="hidden" role="status"></p></form></header>
<div class="columns"><details class="menu" open><summary>Menu</summary><nav aria-label="Pages">${links}</nav>
<div class="token"><label for="token">Token for “Try it”</label><input id="token" type="password" autocomplete="off" placeholder="rjv_… or a JWT"><p>Kept in this tab only.</p></div></details>
<main id="content">${page.html}</main></div>
</body>
</html>`;
}

function searchIndex(
  pages: readonly Page[],
  documents: ReadonlyMap<string, OpenApiDocument>,
): { title: string; url: string; text: string }[] {
  const plain = (html: string): string =>
    html
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')
      .slice(0, 600);
  const operations = [...documents].flatMap(([service, document]) =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, op]) => ({
        title: `${method.toUpperCase()} ${path}`,
        url: `/docs/reference/${service}#${op.operationId}`,
        text: `${op.summary ?? ''} ${op.operationId}`,
      })),
    ),
  );
  const errors = Object.entries(ERROR_TABLE).map(([code, { title }]) => ({
    title: code,
    url: `/docs/errors#${code}`,
    text: title,
  }));
  const written = pages.filter(({ path }) => !path.startsWith('/docs/reference/'));
  return [
    ...written.map(({ title, path, html }) => ({ title, url: path, text: plain(html) })),
    ...operations,
    ...errors,
  ];
}

/** Mounts the documentation under `/docs`: made once at start, served from memory, nothing from elsewhere. */
export function mountPortal(app: Express): void {
  const documents = new Map([
    ['api', readDocument('api')],
    ['chain-gateway', readDocument('chain-gateway')],
    ['user', readDocument('user')],
  ]);
  const written = guides();
  const references = [...documents].map(
    ([service, document]): Page => ({
      path: `/docs/reference/${service}`,
      title: `Reference: ${String((document.info as { title: string }).title)}`,
      html: renderReference(document, service === 'api'),
    }),
  );
  const home: Page = {
    path: '/docs',
    title: 'Start',
    html: renderMarkdown(readFileSync(join(FOLDER, 'home.md'), 'utf8')),
  };
  const pages = [home, ...written, errorsPage(), scopesPage(), ...references];
  const files = new Map<string, { type: string; body: string }>(
    pages.map((page) => [page.path, { type: 'text/html; charset=utf-8', body: layout(page, pages) }]),
  );
  for (const [name, type] of [
    ['portal.css', 'text/css'],
    ['portal.js', 'text/javascript'],
  ] as const) {
    files.set(`/docs/assets/${name}`, {
      type: `${type}; charset=utf-8`,
      body: readFileSync(join(FOLDER, 'assets', name), 'utf8'),
    });
  }
  files.set('/docs/search.json', {
    type: 'application/json',
    body: JSON.stringify(searchIndex(pages, documents)),
  });
  for (const [service, document] of documents) {
    files.set(`/docs/openapi/${service}.json`, { type: 'application/json', body: JSON.stringify(document) });
  }
  for (const [path, { type, body }] of files) {
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    app.get(path, (req: Request, res: Response) => {
      res.locals.route = '/docs';
      res.setHeader('content-security-policy', POLICY);
      res.setHeader('cache-control', 'public, max-age=60');
      res.setHeader('etag', etag);
      if (req.get('if-none-match') === etag) {
        res.status(304).end();
        return;
      }
      res.setHeader('content-type', type);
      res.send(body);
    });
  }
}
