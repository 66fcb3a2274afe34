# Sourced by the stages that run a mirror beside a quickstart: $work, $home and $custodian are the stage's, and `start_mirror`, which notes the
# mirror's process (or strace's above it) in $work/pid, for each case is a shell of its own.
stop_mirror() { # SIGNAL
  local pid
  pid=$(cat "$work/pid" 2>/dev/null) || return 0
  rm -f "$work/pid"
  kill "-$1" "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null && ! grep -q ') Z ' "/proc/$pid/stat" 2>/dev/null; do sleep 0.02; done
}
end() {
  stop_mirror KILL
  deploy/quickstart reset --home "$home" >/dev/null 2>&1
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
  done
}
value() { jq -r "$1" "$home/summary.json"; }
log_name() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
kill_serve() {
  kill -9 "$(cut -d' ' -f1 "$home/run/serve")"
  sleep 0.3
}
# A patient of the first tenant, as nobody wrote one before.
write_once() {
  local writes
  writes=$(date +%s%N)
  jq -n --arg n "$writes" '{resourceType: "Bundle", type: "transaction", entry: [{request: {method: "POST", url: "Patient"}, resource: {resourceType: "Patient",
    identifier: [{system: "urn:test:mirrored", value: $n}], name: [{family: "Mirrored", given: [$n]}], birthDate: "1980-01-01", gender: "female"}}]}' >"$work/patient-$writes.json"
  chmod 644 "$work/patient-$writes.json"
  as_custodian "$custodian" import --home "$home" --tenant "$(value '.tenants[0].name')" "$work/patient-$writes.json" >/dev/null
}
# The sample, and then one write after another until the mirror was killed often enough: how fast the sample goes in says nothing here.
replay_and_write_on() {
  as_custodian "$custodian" replay "$home/sample" --home "$home" >"$work/replay.log" 2>&1 || { tail -5 "$work/replay.log"; return 1; }
  until [ -e "$work/killed-enough" ]; do write_once || return 1; done
}
# Kills the mirror with -9 at four moments of that, and starts it again.
kill_while_it_follows() {
  local writer kills
  replay_and_write_on &
  writer=$!
  for ((kills = 0; kills < 4; kills++)); do
    sleep "0.$((RANDOM % 5 + 3))"
    stop_mirror KILL
    start_mirror
  done
  : >"$work/killed-enough"
  wait $writer
}
