#!/bin/sh
# Installs what package-lock.json says, when it is not there yet. Plain sh, because it runs before there is a Node
# that could run TypeScript: the machine's own Node only has to start npm, which brings Node 24 as a package.
set -eu
cd "$(dirname "$0")/../.."

# npm of Node 18 reads this lockfile; older ones fail with messages that do not say why.
minimum=18
stamp=node_modules/.rejuve-installed
log=node_modules.install.log

say() { printf '%s\n' "$*" >&2; }

checksum=$(cksum package.json package-lock.json)
node24() { node_modules/.bin/node --version >/dev/null 2>&1; }

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$checksum" ] && node24; then exit 0; fi

if ! command -v node >/dev/null 2>&1; then
  say "There is no Node.js on this machine (no \`node\` on the PATH)."
  say "Install Node $minimum or newer, for example from https://nodejs.org or with your package manager, and run make again."
  say "Any version from $minimum does: the project brings its own Node 24."
  exit 1
fi
found=$(node --version 2>/dev/null || echo unknown)
major=$(printf '%s' "$found" | sed -n 's/^v\([0-9][0-9]*\)\..*/\1/p')
if [ -z "$major" ] || [ "$major" -lt "$minimum" ]; then
  say "The Node.js on this machine is too old to install the project: $found, from $(command -v node)."
  say "Install Node $minimum or newer (https://nodejs.org) and run make again; the project then brings its own Node 24."
  exit 1
fi
if ! command -v npm >/dev/null 2>&1; then
  say "There is no npm beside Node $found. It comes with Node from https://nodejs.org; Debian and Ubuntu have it as a package: apt install npm."
  exit 1
fi

# npm wrote this after the lockfile last changed: somebody ran npm themselves, and all is there.
if [ node_modules/.package-lock.json -nt package-lock.json ] && node24; then
  printf '%s' "$checksum" >"$stamp"
  exit 0
fi

# A first installation is exact and clean. Later ones change what differs, so that a running stack survives them.
if [ -d node_modules ]; then command=install; else command=ci; fi
started=$(date +%s)
npm "$command" --no-audit --no-fund --loglevel=error >"$log" 2>&1 &
npm_pid=$!
trap 'kill "$npm_pid" 2>/dev/null || true; printf "\n" >&2; rm -f "$log"; exit 130' INT TERM
if [ -t 2 ]; then
  while kill -0 "$npm_pid" 2>/dev/null; do
    printf '\r… installing packages, %s s (once; about a minute on a new machine) ' "$(($(date +%s) - started))" >&2
    sleep 1
  done
  printf '\r\033[K' >&2
else
  say "Installing packages (once; about a minute on a new machine)."
fi
if ! wait "$npm_pid"; then
  say "npm $command failed. What it said:"
  sed 's/^/  /' "$log" >&2
  rm -f "$log"
  say "When the registry cannot be reached, check the network or npm's proxy settings (npm config get registry) and run make again."
  exit 1
fi
rm -f "$log"
if ! node24; then
  say "The packages are installed, but node_modules/.bin/node does not run on this machine ($(uname -sm))."
  say "Install scripts may be switched off (npm config get ignore-scripts); Node 24 comes by the one of the package \`node\`."
  exit 1
fi
printf '%s' "$checksum" >"$stamp"
say "Packages installed in $(($(date +%s) - started)) s; Node $(node_modules/.bin/node --version)."
