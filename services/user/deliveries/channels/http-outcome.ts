import { ForbiddenTarget } from '../../../../lib/http/public-address.ts';
import { type HttpAnswer, retryAfterMs } from '../../../../lib/http/safe-http.ts';
import type { Outcome } from '../channel.ts';

/** What an HTTP answer means for a delivery; `gone` are the statuses with which a provider says "never again". */
export function outcomeOfAnswer(answer: HttpAnswer, gone: readonly number[], now: number): Outcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return { result: 'delivered', detail: `answered ${status}` };
  if (gone.includes(status))
    return { result: 'dead', detail: `answered ${status}: the target is gone`, target: 'disable' };
  const wait = retryAfterMs(answer.headers['retry-after'], now);
  if (status === 408 || status === 429 || status >= 500)
    return {
      result: 'retry',
      detail: `answered ${status}`,
      providerFault: status !== 429,
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    };
  if (status >= 300 && status < 400)
    return { result: 'dead', detail: `answered ${status}: redirects are not followed` };
  return { result: 'dead', detail: `answered ${status}: ${answer.body.replace(/\s+/g, ' ').slice(0, 200)}` };
}

/** What a failed connection means. */
export function outcomeOfFailure(error: unknown): Outcome {
  const forbidden = error instanceof ForbiddenTarget ? error : (error as { cause?: unknown }).cause;
  if (forbidden instanceof ForbiddenTarget)
    return { result: 'dead', detail: `refused by us: ${forbidden.message}`, target: 'disable' };
  const e = error as { code?: string; message?: string };
  return {
    result: 'retry',
    detail: `${e.code ?? ''} ${e.message ?? String(error)}`.trim().slice(0, 300),
    providerFault: true,
  };
}
