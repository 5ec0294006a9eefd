/**
 * Reads CSV (RFC 4180): quoted cells with doubled quotes and line ends inside, CRLF or LF.
 * @throws Error when a quoted cell never ends.
 */
export function* parseCsv(text: string): Generator<string[]> {
  let cells: string[] = [];
  let cell = '';
  let at = 0;
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  while (at < body.length) {
    if (body[at] === '"' && cell === '') {
      let end = at + 1;
      for (;;) {
        const quote = body.indexOf('"', end);
        if (quote === -1) throw new Error('a quoted cell never ends');
        if (body[quote + 1] === '"') {
          cell += body.slice(end, quote + 1);
          end = quote + 2;
          continue;
        }
        cell += body.slice(end, quote);
        at = quote + 1;
        break;
      }
      continue;
    }
    const char = body[at] as string;
    at++;
    if (char === ',') {
      cells.push(cell);
      cell = '';
    } else if (char === '\n' || char === '\r') {
      if (char === '\r' && body[at] === '\n') at++;
      cells.push(cell);
      if (cells.length > 1 || cells[0] !== '') yield cells;
      cells = [];
      cell = '';
    } else cell += char;
  }
  cells.push(cell);
  if (cells.length > 1 || cells[0] !== '') yield cells;
}
