import { request } from 'undici';
import type { KubeObject } from '../api.ts';
import { KubeError, type StatusBody } from './kube-error.ts';
import type { Transport } from './transport.ts';

/** The kind of object a call is about. */
export interface Resource<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set; carries the type. */
  readonly type?: T;
}

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

export interface KubeClient {
  get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    subresource?: string,
  ): Promise<T>;
  /** All objects, read page by page, and the resource version from which to watch. */
  list<T extends KubeObject>(
    resource: Resource<T>,
    options: ListOptions,
    signal?: AbortSignal,
  ): Promise<{ items: T[]; resourceVersion: string }>;
  create<T extends KubeObject>(resource: Resource<T>, namespace: string, body: T): Promise<T>;
  /** Replaces the object (or a subresource); refused with 409 when `metadata.resourceVersion` is not the present one. */
  update<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    body: T,
    subresource?: string,
    fieldManager?: string,
  ): Promise<T>;
  mergePatch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    patch: unknown,
    subresource?: string,
  ): Promise<T>;
  /** Server-side apply: we own exactly the fields in `body`. `force` takes them from whoever owns them. */
  apply<T extends KubeObject>(
    resource: Resource<T>,
    body: T,
    options: { fieldManager: string; force?: boolean; subresource?: string },
  ): Promise<T>;
  remove(
    resource: Resource,
    namespace: string,
    name: string,
    options?: { uid?: string; resourceVersion?: string },
  ): Promise<void>;
  /** Streams changes from `resourceVersion` on. `onBytes` is called whenever anything arrives, for a watchdog. */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    options: ListOptions & { resourceVersion: string; timeoutSeconds: number },
    stream: { signal: AbortSignal; onBytes?: () => void },
  ): AsyncGenerator<WatchEvent<T>>;
  close(): Promise<void>;
}

/** Why a watchdog aborts a watch: its connection, and probably others of the pool, lead nowhere. */
export class SilentWatchError extends Error {
  override readonly name = 'SilentWatchError';
}

export interface KubeClientDeps {
  readonly transport: Transport;
  /** Called for every answer, for metrics. */
  readonly onAnswer?: (answer: { method: string; status: number; resource: string; verb: string }) => void;
  /** Milliseconds until the headers of an answer; also the longest silence inside a plain answer. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 15_000;
/** Objects per page of a list: small enough not to stall the API server, large enough to be few. */
const PAGE_SIZE = 500;

export function createKubeClient(deps: KubeClientDeps): KubeClient {
  const { transport, onAnswer, timeoutMs = DEFAULT_TIMEOUT_MS } = deps;

  async function open(call: Call) {
    const url = `${transport.server}${call.path}${call.query ? `?${new URLSearchParams(call.query)}` : ''}`;
    const label = `${call.method} ${call.path}`;
    for (let attempt = 0; ; attempt++) {
      const { dispatcher, headers } = await transport.current();
      let response: Awaited<ReturnType<typeof request>>;
      try {
        response = await request(url, {
          dispatcher,
          method: call.method,
          headers: {
            ...headers,
            accept: 'application/json',
            ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
          },
          headersTimeout: timeoutMs,
          bodyTimeout: call.stream ? 0 : timeoutMs,
          ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
          ...(call.signal ? { signal: call.signal } : {}),
        });
      } catch (error) {
        onAnswer?.({ method: call.method, status: 0, resource: call.resource.plural, verb: call.verb });
        if (call.signal?.aborted) throw error;
        transport.renew();
        throw new KubeError(
          label,
          0,
          { message: `no answer: ${error instanceof Error ? error.message : String(error)}` },
          error,
        );
      }
      onAnswer?.({
        method: call.method,
        status: response.statusCode,
        resource: call.resource.plural,
        verb: call.verb,
      });
      if (response.statusCode < 300) return { response, label };
      const body = parseStatus(await response.body.text());
      if (response.statusCode === 401 && attempt === 0) {
        transport.invalidate();
        continue;
      }
      throw new KubeError(label, response.statusCode, body);
    }
  }

  async function json<T>(call: Call): Promise<T> {
    const { response, label } = await open(call);
    try {
      return (await response.body.json()) as T;
    } catch (error) {
      throw new KubeError(label, 0, { message: 'the answer broke off' }, error);
    }
  }

  return {
    get: (resource, namespace, name, subresource) =>
      json({ method: 'GET', verb: 'get', resource, path: path(resource, namespace, name, subresource) }),
    async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions, signal?: AbortSignal) {
      const items: T[] = [];
      let next: string | undefined;
      let resourceVersion = '';
      do {
        const page: { items: T[]; metadata: { resourceVersion: string; continue?: string } } = await json({
          method: 'GET',
          verb: 'list',
          resource,
          path: path(resource, options.namespace),
          query: { ...selectors(options), limit: String(PAGE_SIZE), ...(next ? { continue: next } : {}) },
          ...(signal ? { signal } : {}),
        });
        items.push(...page.items);
        next = page.metadata.continue;
        resourceVersion = page.metadata.resourceVersion;
      } while (next);
      return { items, resourceVersion };
    },
    create: (resource, namespace, body) =>
      json({
        method: 'POST',
        verb: 'create',
        resource,
        path: path(resource, namespace),
        body: typed(resource, body),
      }),
    update: (resource, namespace, name, body, subresource, fieldManager) =>
      json({
        method: 'PUT',
        verb: 'update',
        resource,
        path: path(resource, namespace, name, subresource),
        ...(fieldManager === undefined ? {} : { query: { fieldManager } }),
        body,
      }),
    mergePatch: (resource, namespace, name, body, subresource) =>
      json({
        method: 'PATCH',
        verb: 'patch',
        resource,
        path: path(resource, namespace, name, subresource),
        body,
        contentType: 'application/merge-patch+json',
      }),
    apply: (resource, body, { fieldManager, force = true, subresource }) =>
      json({
        method: 'PATCH',
        verb: 'apply',
        resource,
        path: path(resource, body.metadata?.namespace, body.metadata?.name, subresource),
        query: { fieldManager, force: String(force) },
        body: typed(resource, body),
        contentType: 'application/apply-patch+yaml',
      }),
    async remove(resource, namespace, name, preconditions) {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(preconditions ? { preconditions } : {}) };
      await json({ method: 'DELETE', verb: 'delete', resource, path: path(resource, namespace, name), body });
    },
    async *watch<T extends KubeObject>(
      resource: Resource<T>,
      options: ListOptions & { resourceVersion: string; timeoutSeconds: number },
      stream: { signal: AbortSignal; onBytes?: () => void },
    ) {
      const { response, label } = await open({
        method: 'GET',
        verb: 'watch',
        resource,
        path: path(resource, options.namespace),
        query: {
          ...selectors(options),
          watch: 'true',
          allowWatchBookmarks: 'true',
          resourceVersion: options.resourceVersion,
          timeoutSeconds: String(options.timeoutSeconds),
        },
        signal: stream.signal,
        stream: true,
      });
      stream.onBytes?.();
      stream.signal.addEventListener(
        'abort',
        () => stream.signal.reason instanceof SilentWatchError && transport.renew(),
        { once: true },
      );
      for await (const line of lines(response.body, stream.onBytes)) {
        const event = JSON.parse(line) as WatchEvent<T>;
        if (event.type === 'ERROR') {
          const status = event.object as StatusBody;
          throw new KubeError(label, status.code ?? 500, status);
        }
        yield event;
      }
    },
    close: () => transport.close(),
  };
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly verb: string;
  readonly resource: Resource;
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** The body has no end: it may be silent for as long as it likes. */
  readonly stream?: boolean;
}

function path(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const base =
    resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${base}${scope}/${resource.plural}${object}${subresource ? `/${subresource}` : ''}`;
}

const selectors = (options: ListOptions): Record<string, string> => ({
  ...(options.labelSelector ? { labelSelector: options.labelSelector } : {}),
  ...(options.fieldSelector ? { fieldSelector: options.fieldSelector } : {}),
});

const typed = <T extends KubeObject>(resource: Resource, body: T): T => ({
  ...body,
  apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
  kind: resource.kind,
});

function parseStatus(text: string): StatusBody {
  try {
    return JSON.parse(text) as StatusBody;
  } catch {
    // A proxy or a starting API server answers in plain text; that text is the message.
    return { message: text.trim().slice(0, 500) };
  }
}

async function* lines(body: AsyncIterable<Uint8Array>, onBytes?: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    onBytes?.();
    rest += decoder.decode(chunk, { stream: true });
    let end = rest.indexOf('\n');
    while (end >= 0) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line !== '') yield line;
      end = rest.indexOf('\n');
    }
  }
}
