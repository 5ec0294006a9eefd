import { formatAmount } from '../../../lib/amount.ts';
import type { Stage } from '../gateway/schemas.ts';

/** What a text is made from; values are plain text, and whoever renders HTML escapes them. */
export interface TextInput {
  readonly type: string;
  readonly stage: Stage;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Text {
  readonly title: string;
  readonly body: string;
}

export const LANGUAGES = ['en', 'de'] as const;
export type Language = (typeof LANGUAGES)[number];

/** The language of ours that a locale asks for; English for all others. */
export const languageOf = (locale: string): Language =>
  LANGUAGES.find((language) => locale.toLowerCase().split('-')[0] === language) ?? 'en';

type Facts = { what: string; other: string; wallet: string; data: TextInput['data'] };
type Template = (facts: Facts) => Text;

const TEMPLATES: Record<Language, Readonly<Record<string, Template>>> = {
  en: {
    'transfer.in': (f) => ({
      title: `You received ${f.what}`,
      body: `From ${f.other} to your wallet ${f.wallet}.`,
    }),
    'transfer.out': (f) => ({
      title: `You sent ${f.what}`,
      body: `From your wallet ${f.wallet} to ${f.other}.`,
    }),
    'transfer.self': (f) => ({ title: `You moved ${f.what}`, body: 'Between two of your wallets.' }),
    'nft.in': (f) => ({ title: 'You received an NFT', body: `From ${f.other} to your wallet ${f.wallet}.` }),
    'nft.out': (f) => ({
      title: 'An NFT left your wallet',
      body: `From your wallet ${f.wallet} to ${f.other}.`,
    }),
    'nft.self': () => ({ title: 'You moved an NFT', body: 'Between two of your wallets.' }),
    'identity.created': (f) => ({ title: 'Your identity was created', body: `For your wallet ${f.wallet}.` }),
    'identity.destroyed': (f) => ({
      title: 'Your identity was removed',
      body: `Of your wallet ${f.wallet}.`,
    }),
    'data.submitted': () => ({ title: 'Your data was registered', body: 'Sign in to see which.' }),
    'permission.granted': () => ({
      title: 'You granted a permission',
      body: 'Sign in to see it or to take it back.',
    }),
    'security.refresh-reused': () => ({
      title: 'A session was closed',
      body: 'A sign-in token was used twice, which can mean that it was copied. Sign in again, and look at your sessions.',
    }),
    'security.wallet-linked': (f) => ({
      title: 'A wallet was linked',
      body: `${f.wallet} can sign in to your account now.`,
    }),
    'security.wallet-unlinked': (f) => ({
      title: 'A wallet was unlinked',
      body: `${f.wallet} is not part of your account any more.`,
    }),
    'security.email-confirmed': () => ({
      title: 'An e-mail address was confirmed',
      body: 'It can be used to sign in now.',
    }),
    'reward.posted': (f) => ({ title: `You earned ${f.what}`, body: String(f.data.campaign ?? '') }),
    'reward.voided': (f) => ({
      title: `A reward was taken back: ${f.what}`,
      body: String(f.data.reason ?? ''),
    }),
    '': () => ({ title: 'News from Rejuve', body: 'Sign in to see it.' }),
  },
  de: {
    'transfer.in': (f) => ({
      title: `Sie haben ${f.what} erhalten`,
      body: `Von ${f.other} an Ihre Wallet ${f.wallet}.`,
    }),
    'transfer.out': (f) => ({
      title: `Sie haben ${f.what} gesendet`,
      body: `Von Ihrer Wallet ${f.wallet} an ${f.other}.`,
    }),
    'transfer.self': (f) => ({
      title: `Sie haben ${f.what} verschoben`,
      body: 'Zwischen zwei Ihrer Wallets.',
    }),
    'nft.in': (f) => ({
      title: 'Sie haben ein NFT erhalten',
      body: `Von ${f.other} an Ihre Wallet ${f.wallet}.`,
    }),
    'nft.out': (f) => ({
      title: 'Ein NFT hat Ihre Wallet verlassen',
      body: `Von Ihrer Wallet ${f.wallet} an ${f.other}.`,
    }),
    'nft.self': () => ({ title: 'Sie haben ein NFT verschoben', body: 'Zwischen zwei Ihrer Wallets.' }),
    'identity.created': (f) => ({
      title: 'Ihre Identität wurde erstellt',
      body: `Für Ihre Wallet ${f.wallet}.`,
    }),
    'identity.destroyed': (f) => ({
      title: 'Ihre Identität wurde entfernt',
      body: `Von Ihrer Wallet ${f.wallet}.`,
    }),
    'data.submitted': () => ({
      title: 'Ihre Daten wurden registriert',
      body: 'Melden Sie sich an, um sie zu sehen.',
    }),
    'permission.granted': () => ({
      title: 'Sie haben eine Freigabe erteilt',
      body: 'Melden Sie sich an, um sie zu sehen oder zurückzunehmen.',
    }),
    'security.refresh-reused': () => ({
      title: 'Eine Sitzung wurde geschlossen',
      body: 'Ein Anmelde-Token wurde zweimal benutzt; vielleicht wurde es kopiert. Melden Sie sich neu an und prüfen Sie Ihre Sitzungen.',
    }),
    'security.wallet-linked': (f) => ({
      title: 'Eine Wallet wurde verknüpft',
      body: `${f.wallet} kann sich nun bei Ihrem Konto anmelden.`,
    }),
    'security.wallet-unlinked': (f) => ({
      title: 'Eine Wallet wurde getrennt',
      body: `${f.wallet} gehört nicht mehr zu Ihrem Konto.`,
    }),
    'security.email-confirmed': () => ({
      title: 'Eine E-Mail-Adresse wurde bestätigt',
      body: 'Sie kann nun zur Anmeldung dienen.',
    }),
    'reward.posted': (f) => ({ title: `Sie haben ${f.what} verdient`, body: String(f.data.campaign ?? '') }),
    'reward.voided': (f) => ({
      title: `Eine Belohnung wurde zurückgenommen: ${f.what}`,
      body: String(f.data.reason ?? ''),
    }),
    '': () => ({ title: 'Neues von Rejuve', body: 'Melden Sie sich an, um es zu sehen.' }),
  },
};

const REVERTED: Record<Language, (text: Text) => Text> = {
  en: (t) => ({
    title: `Taken back: ${t.title}`,
    body: 'The chain was reorganised and this is not part of it any more. Nothing needs to be done.',
  }),
  de: (t) => ({
    title: `Zurückgenommen: ${t.title}`,
    body: 'Die Chain wurde reorganisiert, dies gehört nicht mehr dazu. Sie müssen nichts tun.',
  }),
};

const short = (value: unknown): string =>
  typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value)
    ? `${value.slice(0, 6)}…${value.slice(-4)}`
    : '–';

/** The words for a notification, in the person's language. */
export function describeNotice(input: TextInput, locale: string): Text {
  const language = languageOf(locale);
  const { type, data, stage } = input;
  // Own properties only: a type may be called anything, "constructor" included.
  const known = Object.hasOwn(TEMPLATES[language], type) ? type : '';
  const template = TEMPLATES[language][known] as Template;
  const decimals = typeof data.decimals === 'number' ? data.decimals : 0;
  const amount =
    typeof data.amount === 'string' && /^\d+$/.test(data.amount)
      ? formatAmount(BigInt(data.amount), decimals).formatted
      : '';
  const text = template({
    what: `${amount} ${typeof data.symbol === 'string' ? data.symbol : ''}`.trim(),
    other: short(data.wallet === data.to ? data.from : data.to),
    wallet: short(data.wallet),
    data,
  });
  return stage === 'reverted' ? REVERTED[language](text) : text;
}
