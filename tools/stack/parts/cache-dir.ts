import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where programs that the machine does not have are kept between runs and clones:
 * `$XDG_CACHE_HOME/rejuve-platform`, by default `~/.cache/rejuve-platform`.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.cache');
  return join(base, 'rejuve-platform');
}
