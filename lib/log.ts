import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { currentContext } from './context.ts';

export type { Logger } from 'pino';

/** Names under which secrets and personal data travel in our objects; their values never reach a log. */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
  'accessToken',
  'refreshToken',
  'apiKey',
  'privateKey',
  'signature',
  'mnemonic',
  'email',
];

const redactPaths = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`, `*.*.*.${key}`]);

/** `scheme://user:password@host` inside any string: connection URLs end up in driver errors. */
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]*:[^\s/@]+@/gi;

/** Removes credentials from URLs inside free text. */
export function redactUrls(text: string): string {
  return text.replace(URL_CREDENTIALS, '$1[redacted]@');
}

/**
 * @param level pino level: fatal, error, warn, info, debug, trace or silent. ERROR means that somebody must act now.
 */
export function createLogger(options: {
  service: string;
  level?: string;
  pretty?: boolean;
  destination?: DestinationStream;
}): Logger {
  const { service, level = 'info', pretty = false, destination } = options;
  const settings = {
    level,
    base: { service },
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: redactPaths, censor: '[redacted]' },
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: () => {
      const context = currentContext();
      return context ? { requestId: context.requestId, traceId: context.traceId } : {};
    },
    serializers: { err: serializeError },
  };
  if (destination) return pino(settings, destination);
  if (pretty) {
    return pino({
      ...settings,
      transport: {
        target: 'pino-pretty',
        options: { ignore: 'pid,hostname,service', translateTime: 'HH:MM:ss.l' },
      },
    });
  }
  return pino(settings);
}

/** An error as log fields: message, code, stack and its chain of causes, without credentials. */
function serializeError(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause } = value;
  const code = 'code' in value ? value.code : undefined;
  return {
    name,
    message: redactUrls(message),
    ...(code === undefined ? {} : { code }),
    ...(stack ? { stack: redactUrls(stack) } : {}),
    ...(cause === undefined ? {} : { cause: serializeError(cause) }),
  };
}
