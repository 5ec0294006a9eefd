import type { BoardSpec } from '../board.ts';

export const business: BoardSpec = {
  uid: 'business',
  title: 'Rejuve / business',
  description:
    'Are we used? Wallets, people, tokens moved, rewards. No figure here can be traced to a person.',
  rows: [
    {
      title: 'People and wallets',
      panels: [
        {
          key: 'active-wallets',
          title: 'Active wallets, 24 h',
          kind: 'stat',
          queries: [{ expr: 'max(business_active_wallets)', legend: 'wallets' }],
          shows: 'Linked wallets that received or sent a token within a day.',
          good: 'grows with the campaigns.',
          act: 'a fall without a reason: is the index behind? (dashboard transactions)',
        },
        {
          key: 'linked-wallets',
          title: 'Linked wallets and people',
          kind: 'timeseries',
          queries: [
            { expr: 'max(business_linked_wallets)', legend: 'wallets' },
            { expr: 'max(business_people)', legend: 'people' },
          ],
          shows: 'Wallets that people have linked, and how many people that is.',
          good: 'grows.',
          act: 'flat while people sign in: can they link? (POST /v1/wallets, errors by status)',
        },
        {
          key: 'business-sign-ins',
          title: 'Sign-ins a day',
          kind: 'stat',
          queries: [{ expr: 'sum(increase(sign_ins_total[1d]))', legend: 'sign-ins' }],
          shows: 'Attempts to sign in within a day.',
          good: 'the shape of the week.',
          act: 'a sudden fall is an outage that no error shows: try it yourself.',
        },
      ],
    },
    {
      title: 'Tokens',
      panels: [
        {
          key: 'rjv-volume',
          title: 'Tokens moved, 24 h',
          kind: 'timeseries',
          queries: [{ expr: 'max by (asset) (business_token_volume)', legend: '{{asset}}' }],
          shows: 'Whole tokens into and out of linked wallets within a day.',
          good: 'follows the campaigns.',
          act: 'an unexpected peak: look at the largest entries before somebody asks.',
        },
        {
          key: 'transfers',
          title: 'Transfers, 24 h',
          kind: 'timeseries',
          queries: [{ expr: 'max by (asset) (business_token_transfers)', legend: '{{asset}}' }],
          shows: 'Ledger entries of linked wallets within a day.',
          good: 'follows the volume.',
          act: 'many tiny ones: dust; people can set a minimum amount for notifications.',
        },
        {
          key: 'rewards',
          title: 'Rewards by state',
          kind: 'timeseries',
          queries: [{ expr: 'sum by (state) (increase(reward_awards_total[1h]))', legend: '{{state}}' }],
          shows: 'Awards that reached each state within an hour.',
          good: 'pending becomes posted.',
          act: 'pending that stays: transactions wait (dashboard transactions).',
          mayBeEmpty: 'no campaign has given anything yet.',
        },
        {
          key: 'business-notifications',
          title: 'Notifications by type, a day',
          kind: 'bargauge',
          queries: [
            { expr: 'sum by (type) (increase(notifications_created_total[1d]))', legend: '{{type}}' },
          ],
          shows: 'What people were told.',
          good: 'one for each transfer.',
          act: 'see the dashboard of notifications.',
        },
      ],
    },
  ],
};
