import { mayOperate } from './api.ts';
import { type Child, h } from './dom.ts';
import { clock } from './format.ts';
import { topic } from './live.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'plain';

/** A word in a coloured frame; the mark tells the same without colour. */
export const pill = (tone: Tone, text: string): Element =>
  h(
    'span',
    { class: `pill ${tone}` },
    h('span', { 'aria-hidden': 'true' }, { good: '●', warn: '▲', bad: '■', plain: '○' }[tone]),
    ' ',
    text,
  );

export function panel(
  title: string,
  options: { id: string; note?: Child },
  ...children: readonly Child[]
): Element {
  return h(
    'section',
    { class: 'panel', 'data-key': options.id, 'aria-labelledby': options.id },
    h('div', { class: 'panel-head' }, h('h2', { id: options.id }, title), options.note),
    children,
  );
}

/** Children made from a topic's data, or what stands in their place while there is none. */
export function needs<T>(name: string, data: T | undefined, make: (data: T) => Child): Child {
  const state = topic(name);
  const trouble = state?.error;
  return [
    trouble === undefined
      ? null
      : h(
          'p',
          { class: 'trouble', role: 'status' },
          h('strong', {}, 'This part has no news. '),
          trouble,
          data === undefined ? '' : ' What follows is what was known before.',
        ),
    data === undefined
      ? trouble === undefined
        ? h('p', { class: 'empty' }, 'Loading …')
        : null
      : make(data),
  ];
}

export const asOf = (name: string): Element => {
  const state = topic(name);
  return h('span', { class: 'as-of' }, state === undefined ? '' : clock(state.at));
};

export interface Column<T> {
  readonly name: string;
  readonly cell: (row: T) => Child;
  readonly align?: 'end';
}

/** A table that becomes a list of cards on a phone: each cell knows the name of its column. */
export function table<T>(
  label: string,
  rows: readonly T[],
  key: (row: T) => string,
  columns: readonly Column<T>[],
  empty: string,
): Element {
  if (rows.length === 0) return h('p', { class: 'empty' }, empty);
  return h(
    'div',
    { class: 'table', role: 'region', 'aria-label': label, tabindex: 0 },
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, label),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map(({ name, align }) => h('th', { scope: 'col', class: align }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            { 'data-key': key(row) },
            columns.map(({ name, cell, align }) =>
              h('td', { 'data-name': name, class: align }, h('span', { class: 'cell' }, cell(row))),
            ),
          ),
        ),
      ),
    ),
  );
}

export interface ActionButton {
  readonly text: string;
  /** Name of the span: the kind of action. */
  readonly action: string;
  readonly path: string;
  readonly body?: unknown;
  /** What is about to happen, asked before it does. */
  readonly confirm: string;
  /** What the button means, when the text alone does not say which row. */
  readonly label?: string;
  readonly tone?: 'danger';
}

/** A button that does something; for viewers it is shown as what they may not do. */
export const actionButton = ({ text, action, path, body, confirm, label, tone }: ActionButton): Element =>
  h(
    'button',
    {
      type: 'button',
      class: tone === 'danger' ? 'danger' : null,
      'data-action': action,
      'data-path': path,
      'data-body': body === undefined ? null : JSON.stringify(body),
      'data-confirm': confirm,
      'aria-label': label,
      disabled: !mayOperate(),
      title: mayOperate() ? null : 'Only operators may do this',
    },
    text,
  );

/** A link to why: the page that explains an id. */
export const whyLink = (id: string, text: string): Element =>
  h('a', { href: `#/explain/${encodeURIComponent(id)}`, class: 'mono' }, text);
