import type { ChildEvent } from './child.ts';
import type { ChildRecord, StackState } from './state.ts';

/** Where lines for people go; a terminal gets colours and a progress line. */
export interface Screen {
  readonly isTerminal: boolean;
  readonly colours: boolean;
  write(text: string): void;
}

export function terminalScreen(stream: NodeJS.WriteStream = process.stdout): Screen {
  const isTerminal = stream.isTTY === true;
  const { NO_COLOR, FORCE_COLOR } = process.env;
  const colours = FORCE_COLOR ? FORCE_COLOR !== '0' : isTerminal && !NO_COLOR;
  return { isTerminal, colours, write: (text) => void stream.write(text) };
}

type Colour = 'red' | 'green' | 'yellow' | 'blue' | 'grey' | 'bold';
const CODES: Record<Colour, number> = { red: 31, green: 32, yellow: 33, blue: 36, grey: 90, bold: 1 };

export type Paint = (colour: Colour, text: string) => string;
export const painter =
  (colours: boolean): Paint =>
  (colour, text) =>
    colours ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;

const MARKS: Record<ChildEvent['what'], { mark: string; colour: Colour }> = {
  starting: { mark: '·', colour: 'grey' },
  ready: { mark: '✓', colour: 'green' },
  unready: { mark: '!', colour: 'yellow' },
  crashed: { mark: '✗', colour: 'red' },
  restarting: { mark: '↻', colour: 'yellow' },
  stopped: { mark: '■', colour: 'grey' },
  paused: { mark: '‖', colour: 'yellow' },
  resumed: { mark: '▶', colour: 'green' },
  failed: { mark: '✗', colour: 'red' },
};

/** Prints one line per event, and below them, on a terminal, one line of progress. */
export function createReport(screen: Screen, now: () => Date = () => new Date()) {
  const paint = painter(screen.colours);
  let progress = '';
  const clear = (): void => {
    if (progress !== '') screen.write('\r\u001b[K');
  };
  const print = (text: string): void => {
    clear();
    screen.write(`${text}\n`);
    if (progress !== '') screen.write(progress);
  };
  const time = (): string => paint('grey', now().toTimeString().slice(0, 8));
  return {
    paint,
    print,
    event({ name, what, detail, lines = [] }: ChildEvent): void {
      const { mark, colour } = MARKS[what];
      print(
        `${time()} ${paint(colour, mark)} ${paint('bold', name.padEnd(15))} ${paint(colour, what)} ${detail}`.trimEnd(),
      );
      for (const line of lines) print(paint('grey', `           │ ${line.slice(0, 400)}`));
    },
    note(text: string, colour: Colour = 'blue'): void {
      print(`${time()} ${paint(colour, '›')} ${text}`);
    },
    /** Replaces the progress line; empty removes it. Nothing is shown where output is not a terminal. */
    progress(text: string): void {
      if (!screen.isTerminal) return;
      clear();
      progress = text === '' ? '' : paint('grey', text.slice(0, 120));
      if (progress !== '') screen.write(progress);
    },
  };
}

export type Report = ReturnType<typeof createReport>;

/** What stands beside a child's address in the table. */
const HINTS: Record<string, (state: StackState) => string> = {
  gateway: ({ chainId }) => `JSON-RPC: POST /rpc/${chainId} · REST: /openapi.json · /metrics`,
  'gateway-worker': () => 'sends transactions · /metrics',
  'gateway-indexer': () => 'follows the chain · /metrics',
  api: () => 'for the app and partners · /openapi.json · /metrics',
  user: () => 'sign-in, ledger, notifications · /openapi.json · /metrics',
  console: ({ credentials }) => `operators' console: sign in as dev, password ${credentials.consolePassword}`,
  anvil: ({ chainId }) => `the chain itself, id ${chainId}, a block every 2 s`,
  alpha: ({ urls }) => `provider; faults: ${urls.alphaControl}/control`,
  beta: ({ urls }) => `provider; faults: ${urls.betaControl}/control`,
  'snet-daemon': ({ urls }) => `SingularityNET stand-in; faults: ${urls.snetControl}/control`,
};

const HEALTH: Record<string, Colour> = { ready: 'green', stopped: 'grey', failed: 'red' };

/** The table of everything that runs: name, health, address, what it is for. */
export function childTable(
  state: StackState,
  paint: Paint,
  children: Readonly<Record<string, ChildRecord>>,
): string {
  const order = { service: 0, provider: 1, part: 2 } as const;
  const rows = Object.entries(children).sort(([, a], [, b]) => order[a.kind] - order[b.kind]);
  return rows
    .map(([name, child]) => {
      const restarts = child.restarts === 0 ? '' : paint('yellow', ` (${child.restarts} restarts)`);
      const health = paint(HEALTH[child.state] ?? 'yellow', child.state.padEnd(9));
      const url = (child.url ?? '').padEnd(28);
      return `  ${paint('bold', name.padEnd(16))}${health} ${url} ${paint('grey', HINTS[name]?.(state) ?? '')}${restarts}`.trimEnd();
    })
    .join('\n');
}

/** A server of the user's own: its password is none of our business to print. */
function withoutPassword(text: string | undefined): string | undefined {
  if (text === undefined || !URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.password !== '') url.password = '***';
  return url.href;
}

/** Development credentials and where to look next. */
export function credentialsTable(state: StackState, paint: Paint): string {
  const { credentials, urls, files, children } = state;
  const rows: [string, string | undefined][] = [
    ['API key', credentials.apiKey],
    ['console', credentials.consolePassword && `dev (or viewer) / ${credentials.consolePassword}`],
    ['treasury', credentials.treasuryAddress && `${credentials.treasuryAddress}  holds RJV and may mint`],
    [
      'sponsor',
      credentials.sponsorAddress && `${credentials.sponsorAddress}  creates identities, submits data`,
    ],
    ['lab', credentials.labAddress && `${credentials.labAddress}  asks for permissions`],
    ['database', children.postgres ? urls.database : withoutPassword(urls.database)],
    ['redis', children.redis ? urls.redis : withoutPassword(urls.redis)],
    ['contracts', files.contracts],
    ['logs', files.logs],
  ];
  return [
    paint('grey', `  Development credentials, worth nothing outside this machine (keys: ${files.state}):`),
    ...rows
      .filter(([, value]) => value)
      .map(([name, value]) => `  ${paint('bold', name.padEnd(16))}${value}`),
  ].join('\n');
}
