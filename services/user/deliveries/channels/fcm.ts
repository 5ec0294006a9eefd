import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import { type HttpAnswer, retryAfterMs, type SafeHttp } from '../../../../lib/http/safe-http.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { ChannelSender, FcmTarget } from '../channel.ts';
import { outcomeOfFailure } from './http-outcome.ts';

/** The service account file that Firebase hands out. */
export const fcmCredentialsSchema = z.looseObject({
  project_id: z.string().min(1),
  client_email: z.string().min(1),
  private_key: z.string().includes('PRIVATE KEY'),
  token_uri: z.url(),
});
export type FcmCredentials = z.output<typeof fcmCredentialsSchema>;

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
/** A token with less than this left is renewed. */
const RENEW_BELOW_MS = 5 * 60_000;

const tokenAnswer = z.object({ access_token: z.string(), expires_in: z.number() });

/** Firebase Cloud Messaging, HTTP v1, with the OAuth 2 JWT bearer grant (RFC 7523). The payload is an opaque id. */
export function createFcm(deps: {
  http: Pick<SafeHttp, 'post'>;
  credentials: FcmCredentials;
  /** `https://fcm.googleapis.com` */
  baseUrl: string;
  clock: Pick<Clock, 'now'>;
}): ChannelSender<FcmTarget> {
  const { http, credentials, baseUrl, clock } = deps;
  let current: { token: string; until: number } | undefined;

  const accessToken = async (signal: AbortSignal): Promise<string> => {
    if (current && current.until - clock.now() > RENEW_BELOW_MS) return current.token;
    const now = Math.floor(clock.now() / 1000);
    const assertion = await new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .setIssuer(credentials.client_email)
      .setAudience(credentials.token_uri)
      .setIssuedAt(now)
      .setExpirationTime(now + 3600)
      .sign(await importPKCS8(credentials.private_key, 'RS256'));
    const answer = await http.post(credentials.token_uri, {
      signal,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion,
      }).toString(),
    });
    if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}`);
    const parsed = tokenAnswer.parse(JSON.parse(answer.body));
    current = { token: parsed.access_token, until: clock.now() + parsed.expires_in * 1000 };
    return current.token;
  };

  return {
    providerOf: () => 'fcm',
    async send(message, target, signal) {
      const [notification] = message.notifications;
      const body = JSON.stringify({
        message: {
          token: target.token,
          data: { id: notification?.inboxId ?? message.id, kind: message.kind },
          android: {
            priority: notification?.type.startsWith('security.') ? 'HIGH' : 'NORMAL',
            collapse_key: message.id,
          },
          apns: { headers: { 'apns-collapse-id': message.id }, payload: { aps: { 'content-available': 1 } } },
        },
      });
      try {
        const answer = await http.post(`${baseUrl}/v1/projects/${credentials.project_id}/messages:send`, {
          signal,
          body,
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${await accessToken(signal)}`,
          },
        });
        if (answer.status === 401) current = undefined;
        return outcomeOfFcm(answer, clock.now());
      } catch (error) {
        return outcomeOfFailure(error);
      }
    },
  };
}

/** FCM's error codes: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode */
export function outcomeOfFcm(answer: HttpAnswer, now: number): ReturnType<typeof outcomeOfFailure> {
  const { status, body } = answer;
  if (status === 200) return { result: 'delivered', detail: 'accepted by FCM' };
  const code = /"errorCode"\s*:\s*"([A-Z_]+)"/.exec(body)?.[1] ?? '';
  if (status === 404 || code === 'UNREGISTERED' || code === 'SENDER_ID_MISMATCH')
    return { result: 'dead', detail: `the device is not registered (${code || status})`, target: 'disable' };
  if (status === 401 || status === 429 || status >= 500) {
    const wait = retryAfterMs(answer.headers['retry-after'], now);
    return {
      result: 'retry',
      detail: `FCM answered ${status} ${code}`.trim(),
      providerFault: status !== 429,
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    };
  }
  return { result: 'dead', detail: `FCM refused it: ${status} ${code}`.trim() };
}
