import type { Outcome, Point } from './replay.ts';

const WIDTH = 960;
const PANEL = 130;
const LEFT = 64;
const RIGHT = 16;
const GAP = 34;
/** Colours that differ for colour-blind readers, too (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
/** More points than pixels only make the file large. */
const MAX_POINTS = 900;

interface Panel {
  readonly title: string;
  readonly pick: (point: Point) => number;
  /** A dashed line, such as the objective. */
  readonly line?: { at: number; label: string };
  readonly step?: boolean;
}

const xml = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Draws replicas, backlog, age and pod hours of several settings over one recording, as an SVG document. */
export function plot(runs: readonly { name: string; outcome: Outcome }[], objectiveSeconds: number): string {
  const cumulative = new Map<Point, number>();
  for (const { outcome } of runs) {
    let sum = 0;
    for (const point of outcome.points) {
      sum += point.replicas;
      cumulative.set(point, sum / 3600);
    }
  }
  const panels: Panel[] = [
    { title: 'arrivals, jobs/s', pick: (p) => p.arrivals },
    { title: 'replicas', pick: (p) => p.replicas, step: true },
    { title: 'backlog, jobs', pick: (p) => p.backlog },
    {
      title: 'age of the oldest job, s',
      pick: (p) => p.ageSeconds,
      line: { at: objectiveSeconds, label: 'objective' },
    },
    { title: 'cost, pod hours', pick: (p) => cumulative.get(p) ?? 0 },
  ];
  const first = runs[0]?.outcome.points ?? [];
  const [from, to] = [first[0]?.at ?? 0, first.at(-1)?.at ?? 1];
  const height = 40 + panels.length * (PANEL + GAP);
  const x = (at: number): number => LEFT + ((at - from) / Math.max(1, to - from)) * (WIDTH - LEFT - RIGHT);
  const body = panels.map((panel, index) => {
    const top = 40 + index * (PANEL + GAP);
    const shown = index === 0 ? runs.slice(0, 1) : runs;
    const highest = Math.max(
      1e-9,
      panel.line?.at ?? 0,
      ...shown.flatMap(({ outcome }) => thin(outcome.points).map(panel.pick)),
    );
    const y = (value: number): number => top + PANEL - (value / highest) * PANEL;
    const curves = shown.map(({ outcome }, i) => {
      const points = thin(outcome.points);
      const path = points
        .map((point, j) => {
          const [px, py] = [x(point.at).toFixed(1), y(panel.pick(point)).toFixed(1)];
          return j === 0 ? `M${px} ${py}` : panel.step ? `H${px}V${py}` : `L${px} ${py}`;
        })
        .join('');
      return `<path d="${path}" fill="none" stroke="${index === 0 ? '#555' : COLOURS[i % COLOURS.length]}" stroke-width="1.5"/>`;
    });
    const line = panel.line
      ? `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(panel.line.at).toFixed(1)}" y2="${y(panel.line.at).toFixed(1)}" stroke="#999" stroke-dasharray="4 3"/><text x="${WIDTH - RIGHT}" y="${(y(panel.line.at) - 3).toFixed(1)}" text-anchor="end" fill="#777">${panel.line.label}</text>`
      : '';
    return [
      `<text x="${LEFT}" y="${top - 8}" font-weight="bold">${xml(panel.title)}</text>`,
      `<rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="${PANEL}" fill="none" stroke="#ddd"/>`,
      `<text x="${LEFT - 6}" y="${top + 10}" text-anchor="end">${short(highest)}</text>`,
      `<text x="${LEFT - 6}" y="${top + PANEL}" text-anchor="end">0</text>`,
      line,
      ...curves,
    ].join('\n');
  });
  const legend = runs
    .map(
      ({ name }, i) =>
        `<tspan fill="${COLOURS[i % COLOURS.length]}" dx="${i === 0 ? 0 : 18}">━ ${xml(name)}</tspan>`,
    )
    .join('');
  const hours = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const seconds = ((to - from) / 1000) * share;
    const label = seconds >= 7200 ? `${short(seconds / 3600)} h` : `${short(seconds / 60)} min`;
    const anchor = share === 0 ? 'start' : share === 1 ? 'end' : 'middle';
    return `<text x="${x(from + (to - from) * share).toFixed(1)}" y="${height - GAP + 18}" text-anchor="${anchor}" fill="#777">${label}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="18" font-size="13">${legend}</text>
${body.join('\n')}
${hours.join('\n')}
</svg>
`;
}

function thin(points: readonly Point[]): Point[] {
  const every = Math.ceil(points.length / MAX_POINTS);
  return points.filter((_, index) => index % every === 0 || index === points.length - 1);
}

const short = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
