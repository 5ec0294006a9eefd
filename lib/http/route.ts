import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import type { Logger } from '../log.ts';

/** Who may call a route; each kind is verified by the function of the same name given to `createHttpApp`. */
export type AuthKind = 'public' | 'user' | 'api-key' | 'service' | 'partner' | 'admin' | 'call-token';

/** Who is calling, as the authentication found it. */
export interface Principal {
  readonly kind: AuthKind;
  /** Stable and opaque: a person id, a key id, a service name; `anonymous` for public routes. */
  readonly id: string;
  readonly scopes: ReadonlySet<string>;
  /** Whatever the authenticator wants to hand to handlers (session id, allowed signers …). */
  readonly claims?: Readonly<Record<string, unknown>>;
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface ResponseSpec {
  readonly description: string;
  /** Left out for responses without a body. */
  readonly schema?: z.ZodType;
  /** Defaults to application/json. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, { description: string; schema?: z.ZodType }>>;
  readonly example?: unknown;
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

/** What a handler gets: everything already parsed, nothing raw to trust. */
export interface RouteContext<P, Q, H, B> {
  readonly params: P;
  readonly query: Q;
  readonly headers: H;
  readonly body: B;
  readonly principal: Principal;
  readonly requestId: string;
  /** Aborts when the client goes away or the request's deadline passes. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly req: Request;
  readonly res: Response;
}

/** A JSON (or, with a content type in `headers`, any other) answer. */
export interface Reply {
  readonly kind: 'reply';
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The handler took over the response (SSE, proxying); it must end it. */
export interface Streamed {
  readonly kind: 'streamed';
}

/** Answers with `status` and a body that must fit the route's response schema. */
export const reply = (status: number, body?: unknown, headers?: Readonly<Record<string, string>>): Reply => ({
  kind: 'reply',
  status,
  ...(body === undefined ? {} : { body }),
  ...(headers === undefined ? {} : { headers }),
});

/** Says that the handler writes the response itself, after this has run. */
export async function stream(write: () => Promise<void> | void): Promise<Streamed> {
  await write();
  return { kind: 'streamed' };
}

export interface RouteSpec<
  P extends z.ZodType | undefined = z.ZodType | undefined,
  Q extends z.ZodType | undefined = z.ZodType | undefined,
  H extends z.ZodType | undefined = z.ZodType | undefined,
  B extends z.ZodType | undefined = z.ZodType | undefined,
> {
  readonly method: Method;
  /** OpenAPI style: `/v1/wallets/{address}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly auth: readonly AuthKind[];
  /** Scopes that every non-person caller needs; documented, checked before the handler. */
  readonly scopes?: readonly string[];
  readonly params?: P;
  /** Use `z.strictObject`: an unknown query parameter is an error, never ignored. */
  readonly query?: Q;
  /** Only the headers that the route reads, in lower case. */
  readonly requestHeaders?: H;
  readonly body?: B;
  /** Content type of the body; default application/json. */
  readonly bodyType?: string;
  /** Largest body of this route in bytes; default: that of the application. */
  readonly bodyLimitBytes?: number;
  readonly responses: Readonly<Record<number, ResponseSpec>>;
  /** Errors this route can answer with, besides those that every route can. */
  readonly errors: readonly ErrorCode[];
  /** Milliseconds after which the request is answered with `deadline_exceeded`; 0 for streams. Default 30 s. */
  readonly timeoutMs?: number;
  /** Kept out of the published document (health and metrics). */
  readonly hidden?: boolean;
  /** Marks an operation as deprecated: sends `Deprecation` and, with a date, `Sunset`. */
  readonly deprecated?: { readonly since: string; readonly sunset?: string; readonly successor?: string };
  /** Further members of the OpenAPI operation object (`x-…`). */
  readonly extensions?: Readonly<Record<string, unknown>>;
  handler(
    context: RouteContext<Parsed<P>, Parsed<Q>, Parsed<H>, Parsed<B>>,
  ): Promise<Reply | Streamed> | Reply | Streamed;
}

/** A route whose schemas have done their work on the types; what `createHttpApp` takes. */
export type Route = Omit<RouteSpec, 'handler'> & {
  handler(context: never): Promise<Reply | Streamed> | Reply | Streamed;
};

/** Ties the handler's types to the schemas. */
export function defineRoute<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  H extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<P, Q, H, B>): Route {
  return spec as unknown as Route;
}
