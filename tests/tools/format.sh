#!/bin/sh
# Shows where the sources differ from .clang-format (clang-format 14, Debian 12); with -i rewrites them.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v clang-format-14 >/dev/null; then
  echo "SKIPPED: clang-format-14 is not installed"
  exit 77
fi
files() { find cli exporters libruntime probes tests \( -name '*.cc' -o -name '*.h' -o -name '*.c' \) -print0; }
if [ "${1:-}" = -i ]; then
  files | xargs -0 clang-format-14 -i
else
  files | xargs -0 clang-format-14 --dry-run --Werror
fi
