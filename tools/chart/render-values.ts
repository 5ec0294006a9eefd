import { stringify } from 'yaml';
import { defaultValues, type Node, typeOf, valuesJsonSchema } from './json-schema.ts';

const WIDTH = 110;

/** values.yaml: every value with its default, its description and its type. */
export function renderValues(): string {
  const lines = [
    '# Generated from tools/chart/values.ts. To change a default or a description, change it there.',
    '# For a first try: -f values-dev.yaml. For production: start from values-production.yaml.',
  ];
  writeObject(valuesJsonSchema(), defaultValues(), 0, lines);
  return `${lines.join('\n')}\n`;
}

function writeObject(node: Node, value: Record<string, unknown>, depth: number, lines: string[]): void {
  const pad = '  '.repeat(depth);
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    const own = value[name];
    if (depth === 0) lines.push('');
    const type = child.properties ? '' : ` (${typeOf(child)})`;
    for (const line of wrap(`${child.description ?? ''}${type}`, WIDTH - pad.length - 2))
      lines.push(`${pad}# ${line}`);
    if (child.properties && own !== undefined) {
      lines.push(`${pad}${name}:`);
      writeObject(child, own as Record<string, unknown>, depth + 1, lines);
    } else if (own === undefined) {
      lines.push(`${pad}# ${name}:`);
    } else {
      const text = stringify({ [name]: own }, { lineWidth: 0 }).trimEnd();
      lines.push(...text.split('\n').map((line) => pad + line));
    }
  }
}

export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}
