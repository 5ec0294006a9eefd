const escapeRegex = (text: string): string => text.replace(/[.*+?^${}()|[\]\\-]/g, '\\$&');

/**
 * A regular expression (in the common subset of Go and JavaScript, so without lookahead) for the names that are one slip
 * away from `name`: a letter left out, too many, wrong, or swapped with its neighbour. It matches none of `known`.
 */
export function nearMisses(name: string, known: readonly string[]): string {
  const variants = new Set<string>();
  for (let i = 0; i <= name.length; i++) {
    const before = escapeRegex(name.slice(0, i));
    const here = name[i];
    variants.add(`${before}[A-Za-z0-9_-]${escapeRegex(name.slice(i))}`);
    if (here === undefined) continue;
    const after = escapeRegex(name.slice(i + 1));
    // Names of two letters are one slip away from half the alphabet.
    if (name.length > 2) {
      variants.add(before + after);
      variants.add(`${before}[^${escapeRegex(here)}]${after}`);
    }
    const next = name[i + 1];
    if (next !== undefined && next !== here)
      variants.add(before + escapeRegex(next) + escapeRegex(here) + escapeRegex(name.slice(i + 2)));
  }
  const harmless = [...variants].filter((variant) => {
    const regex = new RegExp(`^${variant}$`);
    return !known.some((other) => regex.test(other));
  });
  return `^(?:${harmless.join('|')})$`;
}
