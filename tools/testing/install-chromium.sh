#!/bin/sh
# A Chromium for the browser tests, where that is one command and nobody has to be asked: Debian and its relatives, as
# root. Elsewhere, or when it fails, the tests that need one say that they were skipped, and why.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
[ -n "${CHROMIUM:-}" ] && exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || exit 0
echo 'Installing Chromium for the browser tests …'
export DEBIAN_FRONTEND=noninteractive
timeout 300 apt-get install -y --no-install-recommends chromium >/dev/null 2>&1 ||
  { timeout 120 apt-get update >/dev/null 2>&1 && timeout 300 apt-get install -y --no-install-recommends chromium >/dev/null 2>&1; } ||
  echo 'Chromium could not be installed; the browser tests will be skipped.'
exit 0
