#!/bin/sh
# wine.sh PROGRAM.exe ARGUMENT...: runs a program for Windows in Wine, quietly and in a prefix of its own, so that no test
# touches the user's. Exit status: the program's, modulo 256.
set -eu

wine=/usr/lib/wine/wine64  # Debian's package wine64; elsewhere what is in PATH
[ -x "$wine" ] || wine=$(command -v wine64 || command -v wine)
export WINEPREFIX="${NETPOLL_WINEPREFIX:-${TMPDIR:-/tmp}/netpoll-wine-$(id -u)}"
export WINEDEBUG="${WINEDEBUG:--all}"
# Neither the dialogues that offer to install Mono and Gecko, nor entries in somebody's menu.
export WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe="
unset DISPLAY
# Only one may make the prefix; the others wait for it.
if [ ! -e "$WINEPREFIX/ready" ]; then
  mkdir -p "$WINEPREFIX"
  flock "$WINEPREFIX.lock" sh -c '[ -e "$1/ready" ] || { "$2" wineboot --init >/dev/null 2>&1; : >"$1/ready"; }' sh \
    "$WINEPREFIX" "$wine"
fi
exec "$wine" "$@"
