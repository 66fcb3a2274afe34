# Sourced by test scripts: `check NAME COMMAND...` runs the command, notes `NAME passed|failed seconds` in $CUSTODIAN_RESULTS and
# shows the output of a failure; `finish` prints the count and exits 1 when any failed.
CUSTODIAN_RESULTS=${CUSTODIAN_RESULTS:-$(mktemp)}
export TMPDIR=${TMPDIR:-/tmp}
cases_passed=0 cases_failed=0
check() {
  local name=$1 started output
  shift
  started=$(date +%s.%N)
  if output=$("$@" 2>&1); then
    cases_passed=$((cases_passed + 1)); verdict=passed
  else
    cases_failed=$((cases_failed + 1)); verdict=failed
    printf 'FAILED %s\n%s\n' "$name" "$(printf '%s\n' "$output" | tail -n 40)"
  fi
  printf '%s\t%s\t%.1f\n' "$name" "$verdict" "$(awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN{print b-a}')" >>"$CUSTODIAN_RESULTS"
}
finish() {
  echo "$cases_passed passed, $cases_failed failed, 0 skipped"
  [ "$cases_failed" = 0 ]
}
