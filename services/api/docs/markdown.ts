const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => escapes[c] ?? c);

export const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

/** Inline code, bold, links; everything else is text. */
function inline(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.startsWith('`') && part.endsWith('`') && part.length > 2
        ? `<code>${escapeHtml(part.slice(1, -1))}</code>`
        : escapeHtml(part)
            .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
            .replace(/\[([^\]]+)\]\((\/[^)\s]*|#[^)\s]*|https:\/\/[^)\s]+)\)/g, '<a href="$2">$1</a>'),
    )
    .join('');
}

/**
 * The part of Markdown that our guides use: headings, paragraphs, fenced code, lists, tables. All text is escaped, so
 * that descriptions from anywhere can pass through it.
 */
export function renderMarkdown(source: string): string {
  const out: string[] = [];
  const lines = source.split('\n');
  for (let i = 0; i < lines.length; ) {
    const line = lines[i] ?? '';
    const heading = /^(#{1,4}) (.+)$/.exec(line);
    if (line.startsWith('```')) {
      const code: string[] = [];
      for (i++; i < lines.length && !lines[i]?.startsWith('```'); i++) code.push(lines[i] ?? '');
      out.push(`<pre tabindex="0"><code>${escapeHtml(code.join('\n'))}</code></pre>`);
      i++;
    } else if (heading) {
      const [, marks = '', text = ''] = heading;
      out.push(`<h${marks.length} id="${slug(text)}">${inline(text)}</h${marks.length}>`);
      i++;
    } else if (/^(- |\d+\. )/.test(line)) {
      const tag = line.startsWith('- ') ? 'ul' : 'ol';
      const items: string[] = [];
      for (; i < lines.length && /^(- |\d+\. )/.test(lines[i] ?? ''); i++) {
        items.push(`<li>${inline((lines[i] ?? '').replace(/^(- |\d+\. )/, ''))}</li>`);
      }
      out.push(`<${tag}>${items.join('')}</${tag}>`);
    } else if (line.startsWith('|')) {
      const rows: string[][] = [];
      for (; i < lines.length && lines[i]?.startsWith('|'); i++) {
        const cells = (lines[i] ?? '')
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim());
        if (!cells.every((cell) => /^:?-+:?$/.test(cell))) rows.push(cells);
      }
      const [head = [], ...body] = rows;
      const row = (cells: readonly string[], tag: string): string =>
        `<tr>${cells.map((cell) => `<${tag}${tag === 'th' ? ' scope="col"' : ''}>${inline(cell)}</${tag}>`).join('')}</tr>`;
      out.push(
        `<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead>${row(head, 'th')}</thead><tbody>${body.map((cells) => row(cells, 'td')).join('')}</tbody></table></div>`,
      );
    } else if (line.trim() === '') {
      i++;
    } else {
      const text: string[] = [];
      for (
        ;
        i < lines.length &&
        (lines[i] ?? '').trim() !== '' &&
        !/^(#{1,4} |```|- |\d+\. |\|)/.test(lines[i] ?? '');
        i++
      ) {
        text.push(lines[i] ?? '');
      }
      if (text.length === 0) {
        text.push(line);
        i++;
      }
      out.push(`<p>${inline(text.join(' '))}</p>`);
    }
  }
  return out.join('\n');
}
