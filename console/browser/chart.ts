import { type Child, h } from './dom.ts';
import { clock, number } from './format.ts';

export interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

export interface ChartOptions {
  /** What is drawn, for the caption and for people who do not see it. */
  readonly title: string;
  readonly unit?: string;
  readonly at: readonly number[];
  readonly lines: readonly Line[];
  /** One sentence on what good looks like. */
  readonly hint?: string;
  /** Top of the scale at least. */
  readonly atLeast?: number;
}

const HEIGHT = 170;
const LEFT = 44;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
/** Beyond this a chart is as wide as its column. */
const WIDE = 560;

const widthNow = (): number => Math.round(Math.min(WIDE, Math.max(280, window.innerWidth - 64)));

/** 1, 2 or 5 times a power of ten, at or above the value. */
function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return (([1, 2, 5, 10] as const).find((step) => step * power >= value) ?? 10) * power;
}

const lastOf = (values: readonly (number | null)[]): number | null =>
  values.findLast((value) => value !== null) ?? null;

/** A path that breaks where nothing was measured. */
function pathOf(
  values: readonly (number | null)[],
  x: (i: number) => number,
  y: (v: number) => number,
): string {
  let path = '';
  let open = false;
  values.forEach((value, index) => {
    if (value === null) {
      open = false;
      return;
    }
    path += `${open ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    open = true;
  });
  return path;
}

/** Data of the charts on the page, for the pointer. */
const drawn = new Map<string, ChartOptions>();

/** Lines over time, with a legend that says the present values. */
export function lineChart(options: ChartOptions): Element {
  const { title, unit = '', at, lines, hint, atLeast = 0 } = options;
  const width = widthNow();
  const all = lines.flatMap(({ values }) => values.filter((value) => value !== null));
  const top = niceTop(Math.max(atLeast, ...all, 0));
  const x = (i: number): number =>
    LEFT + (at.length < 2 ? 0 : (i / (at.length - 1)) * (width - LEFT - RIGHT));
  const y = (v: number): number => TOP + (1 - Math.min(v, top) / top) * (HEIGHT - TOP - BOTTOM);
  const ticks = [0, 0.5, 1].map((share) => share * top);
  const unitText = unit === '' ? '' : ` ${unit}`;
  const summary = lines.map(({ name, values }) => `${name} ${number(lastOf(values))}${unitText}`).join(', ');
  drawn.set(title, options);
  const empty = all.length === 0;
  return h(
    'figure',
    { class: 'chart', 'data-key': `chart ${title}` },
    h('figcaption', {}, h('strong', {}, title), unit === '' ? null : h('span', { class: 'unit' }, unit)),
    empty
      ? h('p', { class: 'empty' }, 'Nothing was measured yet.')
      : h(
          'div',
          { class: 'plot' },
          h(
            'svg',
            {
              viewBox: `0 0 ${width} ${HEIGHT}`,
              role: 'img',
              'aria-label': `${title}. Now: ${summary || 'nothing'}`,
              'data-chart': title,
            },
            ticks.map((tick) => [
              h('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
              h('text', { class: 'tick end', x: LEFT - 6, y: y(tick) + 4 }, number(tick)),
            ]),
            at.length < 2
              ? null
              : [
                  h('text', { class: 'tick', x: LEFT, y: HEIGHT - 4 }, clock(at[0] ?? 0).slice(0, 5)),
                  h('text', { class: 'tick end', x: width - RIGHT, y: HEIGHT - 4 }, 'now'),
                ],
            lines.length === 1 ? area(lines[0] as Line, x, y) : null,
            lines.map(({ values }, index) => h('path', { class: `line c${index}`, d: pathOf(values, x, y) })),
            h('line', { class: 'cross', x1: -10, x2: -10, y1: TOP, y2: HEIGHT - BOTTOM }),
          ),
          h('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' }),
        ),
    empty
      ? null
      : h(
          'ul',
          { class: 'legend' },
          lines.map(({ name, values }, index) =>
            h(
              'li',
              { 'data-key': name },
              h('span', { class: `dot c${index}` }),
              h('span', { class: 'name' }, name),
              h('b', {}, number(lastOf(values))),
            ),
          ),
        ),
    hint === undefined ? null : h('p', { class: 'hint' }, hint),
  );
}

function area({ values }: Line, x: (i: number) => number, y: (v: number) => number): Child {
  const points = values.flatMap((value, index) => (value === null ? [] : [[x(index), y(value)] as const]));
  const [first] = points;
  const last = points.at(-1);
  if (first === undefined || last === undefined || points.length < 2) return null;
  const line = points.map(([px, py]) => `L${px.toFixed(1)} ${py.toFixed(1)}`).join('');
  return h('path', { class: 'area', d: `M${first[0]} ${y(0)}${line}L${last[0]} ${y(0)}Z` });
}

/** A line without axes, for a card. */
export function sparkline(values: readonly (number | null)[], label: string): Element {
  const width = 120;
  const height = 32;
  const known = values.filter((value) => value !== null);
  const top = Math.max(...known, 0) || 1;
  const x = (i: number): number => (values.length < 2 ? 0 : (i / (values.length - 1)) * width);
  const y = (v: number): number => height - 3 - (v / top) * (height - 6);
  return h(
    'svg',
    {
      class: 'spark',
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': label,
      preserveAspectRatio: 'none',
    },
    area({ name: label, values }, x, y),
    h('path', { class: 'line c0', d: pathOf(values, x, y) }),
  );
}

/** A share from 0 to 1 as a bar. */
export function meter(
  share: number | null,
  label: string,
  tone: 'good' | 'warn' | 'bad' | 'plain' = 'plain',
): Element {
  const filled = Math.max(0, Math.min(1, share ?? 0)) * 100;
  return h(
    'svg',
    {
      class: `meter ${tone}`,
      viewBox: '0 0 100 8',
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
    },
    h('rect', { class: 'track', x: 0, y: 0, width: 100, height: 8, rx: 2 }),
    share === null
      ? null
      : h('rect', { class: 'fill', x: 0, y: 0, width: filled.toFixed(1), height: 8, rx: 2 }),
  );
}

/** Named amounts as bars, the largest first. */
export function bars(
  items: readonly { name: string; value: number; text: string }[],
  label: string,
): Element {
  const top = Math.max(...items.map(({ value }) => value), 0) || 1;
  return h(
    'ul',
    { class: 'bars', 'aria-label': label },
    [...items]
      .sort((a, b) => b.value - a.value)
      .map(({ name, value, text }) =>
        h(
          'li',
          { 'data-key': name },
          h('span', { class: 'name' }, name),
          meter(value / top, `${name}: ${text}`),
          h('b', {}, text),
        ),
      ),
  );
}

/** Shows the values under the pointer. One listener for all charts, those that are yet to come included. */
export function followPointer(root: Element): void {
  root.addEventListener('pointermove', (event) => {
    const target = event.target as Element;
    const svg = target.closest('svg[data-chart]');
    for (const other of root.querySelectorAll('.plot .tip:not([hidden])'))
      if (other.parentElement !== svg?.parentElement) other.setAttribute('hidden', '');
    const options = drawn.get(svg?.getAttribute('data-chart') ?? '');
    if (svg === null || options === undefined || options.at.length < 2) return;
    const box = svg.getBoundingClientRect();
    const width = widthNow();
    const scale = width / box.width;
    const inside = ((event as PointerEvent).clientX - box.left) * scale - LEFT;
    const share = Math.max(0, Math.min(1, inside / (width - LEFT - RIGHT)));
    const index = Math.round(share * (options.at.length - 1));
    const x = LEFT + (index / (options.at.length - 1)) * (width - LEFT - RIGHT);
    const cross = svg.querySelector('.cross');
    cross?.setAttribute('x1', String(x));
    cross?.setAttribute('x2', String(x));
    const tip = svg.parentElement?.querySelector('.tip') as HTMLElement | null;
    if (tip === null || tip === undefined) return;
    tip.hidden = false;
    tip.replaceChildren(
      h('b', {}, clock(options.at[index] ?? 0)),
      ...options.lines.map(({ name, values }, i) =>
        h('div', {}, h('span', { class: `dot c${i}` }), `${name} `, h('b', {}, number(values[index]))),
      ),
    );
    const left = x / scale;
    tip.style.left = `${left > box.width / 2 ? left - tip.offsetWidth - 10 : left + 10}px`;
  });
}
