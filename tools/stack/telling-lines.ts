import { readFileSync } from 'node:fs';

/** Levels of our services' JSON logs (pino). */
const LEVELS: Record<number, string> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};

/** A line of a JSON log as a person wants it; other lines as they are. */
function readable(line: string): string {
  if (!line.startsWith('{"')) return line;
  try {
    const { level, msg, err } = JSON.parse(line) as {
      level?: number | string;
      msg?: string;
      err?: { message?: string };
    };
    if (msg === undefined) return line;
    const name = typeof level === 'number' ? (LEVELS[level] ?? `${level}`) : (level ?? '').toUpperCase();
    const why = err?.message === undefined || msg.includes(err.message) ? '' : `: ${err.message}`;
    return `${name} ${msg}${why}`.trim();
  } catch {
    return line;
  }
}

/**
 * The end of a log, as short as it is telling: JSON as prose, and without stack frames, which would push out the
 * message that they belong to. The file has everything.
 */
export function tellingLines(file: string, count: number): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at .*(:\d+:\d+\)?|<anonymous>\)?)( \{)?$/.test(line))
    .slice(-count)
    .map(readable);
}
