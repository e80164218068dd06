#!/bin/sh
# check_model.sh MODEL.pml [SPIN [CC]]: checks a Promela model exhaustively with spin, and the check itself.
#
# The comment at the top of the model lists what to run, one line each:
#    *   holds  FLAG FLAG=VALUE ...   text    no assertion fails and no process is stuck, in any interleaving
#    *   finds  FLAG FLAG=VALUE ...   text    the model is broken on purpose, and spin must find that
# Flags are upper case and become -D options of spin. Exit status 0, 1, or 77 when spin is not installed.
set -u
model=$1
spin=${2:-spin}
cc=${3:-cc}
if ! command -v "$spin" >/dev/null 2>&1; then
  echo "SKIPPED: spin (Debian package spin) is not installed" >&2
  exit 77
fi
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
cp "$model" "$directory/model.pml" && cd "$directory" || exit 1

# Runs one line. Leaves the verifier's report in pan.out.
search() {
  rm -f pan.out model.pml.trail
  # shellcheck disable=SC2086
  "$spin" -a $1 model.pml >spin.out 2>&1 || { cat spin.out; return 1; }
  # Assertions and stuck processes; in a model with a claim (ltl) the claim, for weakly fair interleavings.
  # The verifier is not optimised: that would take longer than the search.
  if grep -q '^ltl ' model.pml; then
    "$cc" -O0 -w -DNFAIR=3 -DVECTORSZ=2048 -DMEMLIM=2048 -o pan pan.c || return 1
    ./pan -a -f -m1000000 >pan.out 2>&1
  else
    "$cc" -O0 -w -DSAFETY -DVECTORSZ=2048 -DMEMLIM=2048 -o pan pan.c || return 1
    ./pan -m1000000 >pan.out 2>&1
  fi
  grep -q '^State-vector' pan.out
}

failed=0
found=0
sed -n 's/^ \*   \(holds\|finds\)  */\1 /p' model.pml >lines
while read -r expectation words; do
  flags=
  for word in $words; do
    case $word in
      *[!A-Z0-9_=]*) break ;;
      *) flags="$flags -D$word" ;;
    esac
  done
  found=$((found + 1))
  if ! search "$flags"; then
    echo "FAILED $expectation$flags: the search did not run"
    cat pan.out 2>/dev/null
    failed=1
    continue
  fi
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
  fault=$(sed -n 's/^pan:[0-9]*: //p' pan.out | head -n 1)
  if grep -q -e 'max search depth too small' -e 'out of memory' -e 'memory limit' pan.out; then
    echo "FAILED $expectation$flags: the search was cut short"
    failed=1
  elif [ "$expectation" = holds ] && grep -q 'errors: 0' pan.out; then
    echo "holds$flags: $states states"
  elif [ "$expectation" = finds ] && [ -n "$fault" ] && ! grep -q 'errors: 0' pan.out; then
    echo "finds$flags: $fault"
  else
    echo "FAILED $expectation$flags: ${fault:-no fault found}"
    if [ -f model.pml.trail ]; then
      # shellcheck disable=SC2086
      "$spin" -t -p -g $flags model.pml | tail -n 200
    fi
    failed=1
  fi
done <lines
if [ "$found" -eq 0 ]; then
  echo "FAILED: $model lists nothing to check"
  failed=1
fi
exit $failed
