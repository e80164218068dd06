#!/bin/sh
# Shows where the sources differ from .clang-format (clang-format 14, Debian 12); with -i rewrites them.
set -eu
cd "$(dirname "$0")/../.."
format=$(command -v clang-format-14 || command -v clang-format) || { echo "clang-format 14 is not installed" >&2; exit 3; }
files() { git ls-files -z '*.cc' '*.h' '*.c'; }
if [ "${1:-}" = -i ]; then files | xargs -0 "$format" -i; else files | xargs -0 "$format" --dry-run --Werror; fi
