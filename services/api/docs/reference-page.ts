import type { OpenApiDocument } from '../../../lib/http/openapi.ts';
import { escapeHtml, renderMarkdown, slug } from './markdown.ts';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function resolve(document: Json, schema: unknown): { schema: Json; name: string | undefined } {
  if (isObject(schema) && typeof schema.$ref === 'string') {
    const name = schema.$ref.split('/').at(-1);
    const components = isObject(document.components) ? document.components : {};
    const all = isObject(components.schemas) ? components.schemas : {};
    const found = name === undefined ? undefined : all[name];
    return { schema: isObject(found) ? found : {}, name };
  }
  return { schema: isObject(schema) ? schema : {}, name: undefined };
}

/** Deeper structures are shown by name only. */
const MAX_DEPTH = 4;

/** A schema as rows of name, type, meaning. */
function schemaRows(document: Json, raw: unknown, prefix = '', depth = 0): string {
  // Some schemas hold themselves.
  if (depth > MAX_DEPTH) return '';
  const { schema } = resolve(document, raw);
  const variants = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(variants) && !isObject(schema.properties)) {
    const real = variants.filter((variant) => !(isObject(variant) && variant.type === 'null'));
    return real
      .map((variant, index) => {
        const rows = schemaRows(document, variant, prefix, depth + 1);
        return real.length > 1 && rows !== ''
          ? `<tr><th colspan="3" scope="rowgroup">${index === 0 ? 'Either' : 'Or'}</th></tr>${rows}`
          : rows;
      })
      .join('');
  }
  if (schema.type === 'array') return schemaRows(document, schema.items, `${prefix}[]`, depth + 1);
  if (!isObject(schema.properties)) return '';
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties)
    .map(([name, property]) => {
      const inner = resolve(document, property);
      const full = prefix === '' ? name : `${prefix}.${name}`;
      const type = typeOf(document, property);
      const limits = ['pattern', 'minLength', 'maxLength', 'minimum', 'maximum', 'default']
        .filter((key) => inner.schema[key] !== undefined && String(inner.schema[key]).length < 60)
        .map((key) => `${key} ${JSON.stringify(inner.schema[key])}`)
        .join(', ');
      const meaning = [
        String((isObject(property) && property.description) || inner.schema.description || ''),
        limits,
      ]
        .filter((text) => text !== '')
        .join(' · ');
      return `<tr><td><code>${escapeHtml(full)}</code>${required.includes(name) ? ' <span class="required">required</span>' : ''}</td><td>${escapeHtml(type)}</td><td>${escapeHtml(meaning)}</td></tr>${schemaRows(document, property, full, depth + 1)}`;
    })
    .join('');
}

/** A named schema is told by its name, so that one which holds itself ends. */
function typeOf(document: Json, raw: unknown): string {
  const { schema, name } = resolve(document, raw);
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (name !== undefined) return name;
  const variants = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(variants))
    return [...new Set(variants.map((variant) => typeOf(document, variant)))].join(' | ');
  if (schema.type === 'array') return `${typeOf(document, schema.items)}[]`;
  return Array.isArray(schema.type) ? schema.type.join(' | ') : String(schema.type ?? 'any');
}

const table = (caption: string, rows: string): string =>
  rows === ''
    ? ''
    : `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(caption)}"><table><caption>${escapeHtml(caption)}</caption><thead><tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead><tbody>${rows}</tbody></table></div>`;

const firstSchema = (holder: unknown): unknown => {
  const content = isObject(holder) && isObject(holder.content) ? Object.values(holder.content)[0] : undefined;
  return isObject(content) ? content.schema : undefined;
};

/** What the body field of a form begins with. */
function exampleBody(operation: Json): string {
  const body = isObject(operation.requestBody) ? operation.requestBody.content : undefined;
  const content = isObject(body) ? Object.values(body)[0] : undefined;
  return JSON.stringify((isObject(content) ? content.example : undefined) ?? {}, null, 2);
}

function operationHtml(
  document: Json,
  path: string,
  method: string,
  operation: Json,
  tryIt: boolean,
): string {
  const id = String(operation.operationId);
  const parameters = (Array.isArray(operation.parameters) ? operation.parameters : []).filter(isObject);
  const parameterRows = parameters
    .map(
      (p) =>
        `<tr><td><code>${escapeHtml(String(p.name))}</code>${p.required ? ' <span class="required">required</span>' : ''}</td><td>${escapeHtml(`${p.in}, ${typeOf(document, p.schema)}`)}</td><td>${escapeHtml(String(p.description ?? ''))}</td></tr>`,
    )
    .join('');
  const responses = isObject(operation.responses) ? operation.responses : {};
  const ok = Object.entries(responses).find(([status]) => status.startsWith('2'));
  const statuses = Object.entries(responses)
    .map(
      ([status, one]) =>
        `<li><code>${status}</code> ${renderMarkdown(isObject(one) ? String(one.description) : '').replace(/^<p>|<\/p>$/g, '')}</li>`,
    )
    .join('');
  const scopes = Array.isArray(operation['x-required-scopes'])
    ? operation['x-required-scopes'].join(', ')
    : '';
  const body = firstSchema(operation.requestBody);
  const form = tryIt
    ? `<details class="try"><summary>Try it</summary><form data-method="${method}" data-path="${escapeHtml(path)}">${parameters
        .map(
          (p, n) =>
            `<label for="${id}-${n}">${escapeHtml(String(p.name))} <small>${escapeHtml(String(p.in))}</small></label><input id="${id}-${n}" name="${escapeHtml(String(p.name))}" data-in="${escapeHtml(String(p.in))}"${p.example === undefined ? '' : ` placeholder="${escapeHtml(String(p.example))}"`} autocomplete="off">`,
        )
        .join(
          '',
        )}${body === undefined ? '' : `<label for="${id}-body">Body</label><textarea id="${id}-body" name="body" rows="6" spellcheck="false">${escapeHtml(exampleBody(operation))}</textarea>`}<button type="submit">Send</button><pre tabindex="0" aria-live="polite" aria-label="Answer" hidden></pre></form></details>`
    : '';
  return `<section class="operation" id="${id}"><h3><span class="method ${method}">${method.toUpperCase()}</span> <code>${escapeHtml(path)}</code></h3>
<p><strong>${escapeHtml(String(operation.summary ?? ''))}</strong>${operation.deprecated ? ' <span class="deprecated">deprecated</span>' : ''}</p>
${renderMarkdown(String(operation.description ?? ''))}
${scopes === '' ? '' : `<p>Scope: <code>${escapeHtml(scopes)}</code></p>`}
${table('Parameters', parameterRows)}${table('Body', schemaRows(document, body))}${ok ? table(`Answer ${ok[0]}`, schemaRows(document, firstSchema(ok[1]))) : ''}
<details><summary>All answers</summary><ul>${statuses}</ul></details>${form}</section>`;
}

/** The reference of one service as one page. */
export function renderReference(document: OpenApiDocument, tryIt: boolean): string {
  const info = isObject(document.info) ? document.info : {};
  const groups = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = String((operation.tags as string[] | undefined)?.[0] ?? 'Other');
      groups.set(tag, [...(groups.get(tag) ?? []), operationHtml(document, path, method, operation, tryIt)]);
    }
  }
  const contents = [...groups]
    .map(([tag]) => `<li><a href="#tag-${slug(tag)}">${escapeHtml(tag)}</a></li>`)
    .join('');
  return `<h1>${escapeHtml(String(info.title))}</h1>${renderMarkdown(String(info.description ?? ''))}<ul>${contents}</ul>${[...groups].map(([tag, sections]) => `<h2 id="tag-${slug(tag)}">${escapeHtml(tag)}</h2>${sections.join('')}`).join('')}`;
}
