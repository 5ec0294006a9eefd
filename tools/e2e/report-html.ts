import type { Plot } from './check.ts';
import type { Outcome } from './results.ts';

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string);

const COLOURS = ['#2563eb', '#d97706', '#059669', '#9333ea'];
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [860, 260, 56, 34, 12];

/** A round number at or above `value`, for the end of an axis. */
function roundUp(value: number): number {
  const size = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return ([1, 2, 5, 10].find((step) => step * size >= value) ?? 10) * size;
}

/** One plot as SVG; no script, no font, nothing to load. */
export function plotSvg(plot: Plot): string {
  const all = plot.curves.flatMap(({ samples }) => samples);
  const end = roundUp(Math.max(1, ...all.map(({ at }) => at)));
  const top = roundUp(Math.max(1, plot.limit?.value ?? 0, ...all.map(({ value }) => value)));
  const x = (at: number) => LEFT + (at / end) * (WIDTH - LEFT - 12);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const line = plot.curves.map(({ samples, step, name }, index) => {
    const points = samples.flatMap(({ at, value }, i) => {
      const before = samples[i - 1];
      return step && before
        ? [`${x(at).toFixed(1)},${y(before.value).toFixed(1)}`, `${x(at).toFixed(1)},${y(value).toFixed(1)}`]
        : [`${x(at).toFixed(1)},${y(value).toFixed(1)}`];
    });
    const colour = COLOURS[index % COLOURS.length];
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.join(' ')}"/>` +
      `<text x="${LEFT + 10 + index * 190}" y="${TOP + 12}" fill="${colour}">${escapeHtml(name)}</text>`
    );
  });
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = share * top;
    return (
      `<line x1="${LEFT}" x2="${WIDTH - 12}" y1="${y(value)}" y2="${y(value)}" stroke="#8883"/>` +
      `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${Number(value.toFixed(2))}</text>` +
      `<text x="${x(share * end)}" y="${HEIGHT - 12}" text-anchor="middle">${Number((share * end).toFixed(1))} s</text>`
    );
  });
  const limit = plot.limit
    ? `<line x1="${LEFT}" x2="${WIDTH - 12}" y1="${y(plot.limit.value)}" y2="${y(plot.limit.value)}" stroke="#dc2626" stroke-dasharray="6 4"/>` +
      `<text x="${WIDTH - 14}" y="${y(plot.limit.value) - 5}" text-anchor="end" fill="#dc2626">${escapeHtml(plot.limit.name)}</text>`
    : '';
  return (
    `<figure><figcaption>${escapeHtml(plot.title)} (${escapeHtml(plot.unit)})</figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(plot.title)}">${grid.join('')}${limit}${line.join('')}</svg></figure>`
  );
}

const MARK = { passed: '✓', failed: '✗', skipped: '–' } as const;

/** The whole run on one page that can be opened from a file. */
export function reportHtml({ results, figures, plots, startedAt }: Outcome): string {
  const rows = results.map(
    ({ status, title, seconds, text }) =>
      `<tr class="${status}"><td>${MARK[status]}</td><td>${escapeHtml(title)}</td><td class="n">${seconds.toFixed(1)} s</td><td>${escapeHtml(text).replaceAll('\n', '<br>')}</td></tr>`,
  );
  const values = figures.map(
    ({ name, value, unit }) =>
      `<tr><td>${escapeHtml(name)}</td><td class="n">${value} ${escapeHtml(unit)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>End-to-end report</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif } body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse; width: 100%; margin: 1rem 0 } td { padding: .35rem .6rem; border-top: 1px solid #8884; vertical-align: top }
  .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums } .failed { color: #dc2626 } .skipped { opacity: .6 } .passed td:first-child { color: #059669 }
  figure { margin: 1.5rem 0 } svg { width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: currentColor } figcaption { font-weight: 600 }
</style>
<h1>The platform on a real cluster</h1><p>Run of ${escapeHtml(startedAt)}.</p>
<table>${rows.join('\n')}</table>${plots.map(plotSvg).join('\n')}
<h2>Figures</h2><table>${values.join('\n')}</table></html>
`;
}
