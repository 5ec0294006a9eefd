import { describeNotice, type Language, languageOf } from '../../notifications/texts.ts';
import type { Message } from '../channel.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand in HTML, also within a quoted attribute. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] as string);

/** Text as it may stand in a header: one line, no control characters. */
export const headerText = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 200);

const WORDS = {
  en: {
    open: 'Open in Rejuve',
    unsubscribe: 'Stop these e-mails',
    digest: (n: number) => `${n} news from Rejuve`,
    login: 'Your sign-in code',
    confirm: 'Confirm your e-mail address',
    'step-up': 'Your confirmation code',
    code: (code: string) => `Your code is ${code}. It works for ten minutes, once.`,
    ignore: 'If you did not ask for it, ignore this message; nobody can sign in without the code.',
  },
  de: {
    open: 'In Rejuve öffnen',
    unsubscribe: 'Diese E-Mails abbestellen',
    digest: (n: number) => `${n} Neuigkeiten von Rejuve`,
    login: 'Ihr Anmeldecode',
    confirm: 'Bestätigen Sie Ihre E-Mail-Adresse',
    'step-up': 'Ihr Bestätigungscode',
    code: (code: string) => `Ihr Code ist ${code}. Er gilt zehn Minuten lang, einmal.`,
    ignore:
      'Falls Sie ihn nicht angefordert haben, ignorieren Sie diese Nachricht; ohne den Code kann sich niemand anmelden.',
  },
} as const satisfies Record<Language, unknown>;

export interface RenderedEmail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly unsubscribe: string;
}

const page = (language: Language, inner: string): string =>
  `<!doctype html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>` +
  `<body style="font-family:system-ui,sans-serif;line-height:1.5;color:#1a1a1a;max-width:36em;margin:0 auto;padding:1.5em">${inner}` +
  '<p style="color:#666;font-size:.85em"><!--unsubscribe--></p></body></html>';

/** Subject, plain text and HTML of a message. All that came from outside is escaped; nothing of it is markup. */
export function renderEmail(message: Message, appUrl: string): RenderedEmail {
  const language = languageOf(message.locale);
  const words = WORDS[language];
  if (message.kind === 'code') {
    const purpose = String(message.payload?.purpose) as 'login' | 'confirm' | 'step-up';
    const sentence = words.code(String(message.payload?.code ?? ''));
    return {
      subject: headerText(words[purpose] ?? words.login),
      text: `${sentence}\n\n${words.ignore}\n`,
      html: page(
        language,
        `<p style="font-size:1.2em">${escapeHtml(sentence)}</p><p>${escapeHtml(words.ignore)}</p>`,
      ),
      unsubscribe: words.unsubscribe,
    };
  }
  const items = message.notifications.map((n) => ({
    ...describeNotice(message.kind === 'reverted' ? { ...n, stage: 'reverted' } : n, message.locale),
    link: `${appUrl}/notifications/${encodeURIComponent(n.inboxId)}`,
    at: new Intl.DateTimeFormat(message.locale, {
      dateStyle: 'medium',
      timeStyle: 'short',
      timeZone: message.timeZone,
    }).format(n.occurredAt),
  }));
  const [first] = items;
  return {
    subject: headerText(items.length === 1 && first ? first.title : words.digest(items.length)),
    text: items.map((i) => `${i.title}\n${i.body}\n${i.at}\n${i.link}`).join('\n\n'),
    html: page(
      language,
      items
        .map(
          (i) =>
            `<h2 style="font-size:1.1em;margin-bottom:0">${escapeHtml(i.title)}</h2><p>${escapeHtml(i.body)}<br>` +
            `<small>${escapeHtml(i.at)}</small><br><a href="${escapeHtml(i.link)}">${escapeHtml(words.open)}</a></p>`,
        )
        .join(''),
    ),
    unsubscribe: words.unsubscribe,
  };
}
