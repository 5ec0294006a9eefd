import { act, currentSession, Problem, restoreSession, signOut } from './api.ts';
import { followPointer } from './chart.ts';
import { confirmed, toast } from './dialogs.ts';
import { type Child, h, render } from './dom.ts';
import { connect, disconnect, isConnected, onChange } from './live.ts';
import { askToSignIn } from './sign-in.ts';
import { startTelemetry, tellError, tellView } from './telemetry.ts';
import { data } from './topics.ts';
import { audit, loadAudit } from './view-audit.ts';
import { cost } from './view-cost.ts';
import { explain, explainId } from './view-explain.ts';
import { flags } from './view-flags.ts';
import { notifications } from './view-notifications.ts';
import { overview, troubles } from './view-overview.ts';
import { providers } from './view-providers.ts';
import { transactions } from './view-transactions.ts';
import { workers } from './view-workers.ts';

interface View {
  readonly name: string;
  readonly title: string;
  readonly draw: () => Child;
  /** Drawn once and left alone: what is typed there stays. */
  readonly still?: boolean;
}

const VIEWS: readonly View[] = [
  { name: 'overview', title: 'Overview', draw: overview },
  { name: 'providers', title: 'Providers', draw: providers },
  { name: 'transactions', title: 'Transactions', draw: transactions },
  { name: 'notifications', title: 'Notifications', draw: notifications },
  { name: 'workers', title: 'Workers', draw: workers },
  { name: 'cost', title: 'Cost', draw: cost },
  { name: 'flags', title: 'Flags', draw: flags },
  { name: 'explain', title: 'Explain', draw: explain, still: true },
  { name: 'audit', title: 'Audit', draw: audit, still: true },
];

const app = document.querySelector('#app') as Element;
let shown: View | undefined;

function route(): { view: View; rest: string } {
  const [, name = 'overview', rest = ''] = /^#\/([a-z]+)(?:\/(.*))?$/.exec(location.hash) ?? [];
  return {
    view: VIEWS.find((one) => one.name === name) ?? (VIEWS[0] as View),
    rest: decodeURIComponent(rest),
  };
}

function frame(view: View, links: Child): Child {
  const session = currentSession();
  const count = troubles().length;
  return [
    h(
      'header',
      { class: 'top' },
      h(
        'a',
        { class: 'brand', href: '#/overview' },
        h('img', { src: '/assets/icon.svg', alt: '', width: 28, height: 28 }),
        'Rejuve Console',
      ),
      h(
        'span',
        { class: `connection ${isConnected() ? 'on' : 'off'}`, role: 'status' },
        isConnected() ? 'live' : 'reconnecting …',
      ),
      h(
        'div',
        { class: 'who' },
        h(
          'span',
          {},
          h('b', {}, session?.operator ?? ''),
          ' ',
          h('span', { class: 'muted' }, session?.role ?? ''),
        ),
        h(
          'button',
          { type: 'button', 'data-do': 'theme', 'aria-label': 'Switch between light and dark' },
          '◐',
        ),
        h('button', { type: 'button', 'data-do': 'sign-out' }, 'Sign out'),
      ),
    ),
    h(
      'nav',
      { class: 'side', 'aria-label': 'Console' },
      h(
        'div',
        {},
        h(
          'ul',
          {},
          VIEWS.map(({ name, title }) =>
            h(
              'li',
              {},
              h(
                'a',
                { href: `#/${name}`, 'aria-current': name === view.name ? 'page' : null },
                title,
                name === 'overview' && count > 0
                  ? h('span', { class: 'count', 'aria-label': `${count} to look at` }, count)
                  : null,
              ),
            ),
          ),
        ),
        links,
      ),
    ),
  ];
}

function draw(): void {
  if (currentSession() === undefined) return;
  const { view } = route();
  const links = data('links');
  const outside =
    links === undefined
      ? null
      : h(
          'p',
          { class: 'outside' },
          h('a', { href: links.docs }, 'API documentation'),
          links.grafana === null ? null : h('a', { href: links.grafana }, 'Grafana'),
          h('span', { class: 'muted' }, `version ${links.version}`),
        );
  let main = app.querySelector('main');
  if (main === null || !app.querySelector('.layout')) {
    main = h('main', { id: 'main', tabindex: -1 }) as HTMLElement;
    app.replaceChildren(h('div', { class: 'layout' }, h('div', { class: 'frame' }), main));
  }
  render(app.querySelector('.frame') as Element, frame(view, outside));
  if (view !== shown) {
    main.replaceChildren();
    document.title = `${view.title} · Rejuve Console`;
    tellView(view.name);
  }
  if (view !== shown || view.still !== true) render(main, view.draw());
  shown = view;
}

function arrive(): void {
  draw();
  const { view, rest } = route();
  if (view.name === 'explain' && rest !== '') void explainId(rest);
  if (view.name === 'audit') void loadAudit();
}

async function start(reason = ''): Promise<void> {
  disconnect();
  shown = undefined;
  if ((await restoreSession()) === undefined) {
    tellView('sign-in');
    await askToSignIn(app, reason);
  }
  connect(() => void start('Your session has ended.'));
  arrive();
}

async function perform(button: HTMLElement): Promise<void> {
  const { action = '', path = '', body, confirm = '' } = button.dataset;
  if (!(await confirmed(confirm, button.textContent ?? 'Yes', button.classList.contains('danger')))) return;
  button.setAttribute('aria-busy', 'true');
  try {
    await act(action, 'POST', path, body === undefined ? undefined : JSON.parse(body));
    toast(`Done: ${action}.`, 'good');
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return start('Your session has ended.');
    toast(error instanceof Error ? error.message : String(error), 'bad');
  } finally {
    button.removeAttribute('aria-busy');
  }
}

function switchTheme(): void {
  const dark =
    document.documentElement.dataset.theme === undefined
      ? matchMedia('(prefers-color-scheme: dark)').matches
      : document.documentElement.dataset.theme === 'dark';
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('theme', dark ? 'light' : 'dark');
}

document.addEventListener('click', (event) => {
  const button = (event.target as Element).closest('button');
  if (button === null) return;
  if (button.dataset.action !== undefined) void perform(button);
  else if (button.dataset.do === 'theme') switchTheme();
  else if (button.dataset.do === 'sign-out') void signOut().finally(() => start());
});

document.addEventListener('submit', (event) => {
  const form = event.target as HTMLFormElement;
  if (form.dataset.form !== 'explain') return;
  event.preventDefault();
  const id = form.querySelector('input')?.value.trim() ?? '';
  const hash = `#/explain/${encodeURIComponent(id)}`;
  if (location.hash === hash) void explainId(id);
  else location.hash = hash;
});

const theme = localStorage.getItem('theme');
if (theme !== null) document.documentElement.dataset.theme = theme;
followPointer(document.body);
startTelemetry();
onChange(draw);
window.addEventListener('hashchange', () => {
  if (currentSession() === undefined) return;
  arrive();
  (document.querySelector('#main') as HTMLElement | null)?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
});
start().catch((error: unknown) => {
  tellError(error);
  app.replaceChildren(h('p', { class: 'boot' }, 'The console does not answer. Reload the page in a moment.'));
});
