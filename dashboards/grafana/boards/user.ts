import type { BoardSpec } from '../board.ts';
import { objectivesRow, redRow, saturationRow } from '../shared-panels.ts';

export const user: BoardSpec = {
  uid: 'user',
  title: 'Rejuve / user service',
  description: 'Accounts, ledger, sign-in. Notifications have a dashboard of their own.',
  rows: [
    objectivesRow('user'),
    redRow('user'),
    {
      title: 'Sign-in and ledger',
      panels: [
        {
          key: 'sign-ins',
          title: 'Sign-ins',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (method, outcome) (rate(sign_ins_total[$__rate_interval]))',
              legend: '{{method}} {{outcome}}',
            },
          ],
          shows: 'Attempts to sign in, by what became of them.',
          good: 'nearly all succeed.',
          act: 'many failures of one kind: a client release, or somebody trying.',
        },
        {
          key: 'refreshes',
          title: 'Refreshes of sessions',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (outcome) (rate(token_refreshes_total[$__rate_interval]))',
              legend: '{{outcome}}',
            },
          ],
          shows:
            'Refresh tokens presented. “reused” is a token that was presented twice: stolen, or a client that races itself.',
          good: 'no reuse.',
          act: 'reuse by many: look at the newest client release; by one: their sessions were ended for their safety.',
          mayBeEmpty: 'nobody has been signed in for longer than four minutes.',
        },
        {
          key: 'ledger-entries',
          title: 'Ledger entries',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            { expr: 'sum by (kind) (rate(ledger_entries_total[$__rate_interval]))', legend: '{{kind}}' },
          ],
          shows: 'Entries posted, by kind. “reversal” follows a reorganisation of the chain.',
          good: 'as many as there are transfers of linked wallets.',
          act: 'none while the chain has transfers: see the dashboard of notifications, “events”.',
          runbook: 'late-notifications',
        },
        {
          key: 'signing-keys',
          title: 'Days until the signing key is retired',
          kind: 'stat',
          unit: 'd',
          queries: [
            {
              expr: '(signing_key_expiry_timestamp_seconds - time()) / 86400',
              legend: '{{use}}',
            },
          ],
          steps: [{ colour: 'red' }, { from: 0.04, colour: 'green' }],
          shows:
            'How long the key that signs access tokens lives; ∞ for keys from a file, which rotate by hand.',
          good: 'above an hour: the successor exists before.',
          act: 'below 45 minutes the page fires: rotation does not work.',
          runbook: 'certificates-and-keys',
        },
        {
          key: 'user-loops',
          title: 'Failed passes of background loops',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            { expr: 'sum by (loop) (rate(loop_failures_total[$__rate_interval]))', legend: '{{loop}}' },
          ],
          shows: 'Loops that work without being asked: history, deliveries, rewards, reconciliation.',
          good: 'empty or 0.',
          act: 'the log of the loop says why; each goes on by itself.',
          mayBeEmpty: 'no loop has ever failed.',
        },
        {
          key: 'user-limit-fallbacks',
          title: 'Limits counted locally',
          kind: 'timeseries',
          unit: 'ops',
          queries: [{ expr: 'sum(rate(rate_limit_fallbacks_total[$__rate_interval]))', legend: 'local' }],
          shows: 'Rate limits of sign-in and codes that were counted without Redis.',
          good: '0.',
          act: 'Redis is away; see the runbook.',
          runbook: 'redis-away',
        },
        {
          key: 'partners',
          title: 'Exchanges with partners',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (connector, outcome) (rate(partner_calls_total[$__rate_interval]))',
              legend: '{{connector}} {{outcome}}',
            },
          ],
          shows: 'Calls to partners by connector and outcome.',
          good: 'nearly all succeed.',
          act: 'a connector that fails: its orders wait and are sent again; nothing is lost.',
          mayBeEmpty: 'no partner is connected.',
        },
      ],
    },
    saturationRow('user', 'user', { postgres: true }),
  ],
};
