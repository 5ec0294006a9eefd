import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import type { Express, Request, Response } from 'express';
import { JSDOM } from 'jsdom';
import { mountPortal } from './portal.ts';

/** The pages as the portal serves them, without a server. */
function pages(): Map<string, string> {
  const found = new Map<string, string>();
  const app = {
    get(path: string, handler: (req: Request, res: Response) => void) {
      const res = {
        locals: {},
        setHeader: (name: string, value: string) => {
          if (name === 'content-type' && value.startsWith('text/html')) found.set(path, '');
        },
        send: (body: string) => {
          if (found.has(path)) found.set(path, body);
        },
      };
      handler({ get: () => undefined } as unknown as Request, res as unknown as Response);
    },
  };
  mountPortal(app as unknown as Express);
  return found;
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe('the documentation portal', () => {
  const all = pages();
  it('has its pages', () => {
    expect(all.size).toBeGreaterThan(12);
  });

  /** Operations of a reference all come from one template: the first few stand for the others. */
  const shortened = (html: string): string => {
    const [head = '', ...sections] = html.split('<section class="operation"');
    if (sections.length < 4) return html;
    return `${[head, ...sections.slice(0, 3)].join('<section class="operation"')}</main></div></body></html>`;
  };

  it.each([...all.keys()])(
    '%s passes axe without a serious finding',
    async (path) => {
      const { window } = new JSDOM(shortened(all.get(path) ?? ''), {
        runScripts: 'outside-only',
        pretendToBeVisual: true,
      });
      window.eval(axe);
      const { violations } = (await window.eval(
        // Colours and layout need a browser's rendering.
        "axe.run(document, { rules: { 'color-contrast': { enabled: false }, 'scrollable-region-focusable': { enabled: false } } })",
      )) as { violations: { id: string; impact: string; nodes: { html: string }[] }[] };
      const serious = violations.filter((one) => ['serious', 'critical'].includes(one.impact));
      expect(serious.map((one) => `${one.id}: ${one.nodes[0]?.html}`)).toEqual([]);
      window.close();
    },
    120_000,
  );
});
