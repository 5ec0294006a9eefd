import type { Transporter } from 'nodemailer';
import type { ChannelSender, EmailTarget, Message, Outcome } from '../channel.ts';
import { renderEmail } from './email-template.ts';

/** SMTP replies that condemn the address and not the moment (RFC 5321 section 4.2.3, RFC 3463 class 5.1). */
const ADDRESS_UNKNOWN = new Set([550, 551, 553, 556]);

export interface EmailOptions {
  readonly transport: Pick<Transporter, 'sendMail'>;
  /** `Rejuve <no-reply@example.org>` */
  readonly from: string;
  /** The part of Message-IDs after the @. */
  readonly messageIdDomain: string;
  /** Where the app is; links start with it. */
  readonly appUrl: string;
  /** A link that switches e-mail off with one click (RFC 8058). */
  readonly unsubscribeUrl: (personId: string) => string;
}

/**
 * E-mail by SMTP. Message-IDs follow from the delivery, so that a message which was accepted by a server that then did not
 * say so comes a second time with the same id, and mailboxes show it once.
 */
export function createEmail(options: EmailOptions): ChannelSender<EmailTarget> {
  const { transport, from, messageIdDomain, appUrl, unsubscribeUrl } = options;
  return {
    providerOf: () => 'smtp',
    async send(message, target, signal) {
      const mail = renderEmail(message, appUrl);
      const oneClick =
        message.kind === 'code' || message.personId === null ? undefined : unsubscribeUrl(message.personId);
      const sending = transport.sendMail({
        from,
        to: { name: '', address: target.address },
        subject: mail.subject,
        text: oneClick ? `${mail.text}\n\n--\n${mail.unsubscribe}: ${oneClick}\n` : mail.text,
        html: oneClick
          ? mail.html.replace('<!--unsubscribe-->', `<a href="${oneClick}">${mail.unsubscribe}</a>`)
          : mail.html,
        messageId: `<${message.id}@${messageIdDomain}>`,
        headers: {
          'Auto-Submitted': 'auto-generated',
          ...(oneClick
            ? { 'List-Unsubscribe': `<${oneClick}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }
            : {}),
        },
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      try {
        const info = await Promise.race([sending, rejectOn(signal)]);
        return { result: 'delivered', detail: String(info.response ?? 'accepted').slice(0, 200) };
      } catch (error) {
        // The race may be lost while the message still goes out; its later failure must not go unheard.
        sending.catch(() => undefined);
        return outcomeOfSmtp(error);
      }
    },
  };
}

const rejectOn = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const fail = () =>
      reject(Object.assign(new Error('the server did not answer in time'), { code: 'ETIMEDOUT' }));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });

export function outcomeOfSmtp(error: unknown): Outcome {
  const e = error as {
    responseCode?: number;
    response?: string;
    code?: string;
    message?: string;
    command?: string;
  };
  const detail = (e.response ?? `${e.code ?? ''} ${e.message ?? ''}`).trim().slice(0, 300);
  if (e.responseCode !== undefined && e.responseCode >= 500) {
    const address =
      ADDRESS_UNKNOWN.has(e.responseCode) &&
      /RCPT/i.test(e.command ?? '') &&
      !/\b5\.7\./.test(e.response ?? '');
    return { result: 'dead', detail, ...(address ? { target: 'block-address' as const } : {}) };
  }
  if (e.code === 'EENVELOPE' && e.responseCode === undefined) return { result: 'dead', detail };
  return { result: 'retry', detail, providerFault: true };
}

export type { Message };
