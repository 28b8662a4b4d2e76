#!/usr/bin/env bash
# Starts the simulated venue on loopback and the service on it; `make run` is this.
#
#   deploy/run.sh FOLDER_OF_THE_BINARIES
#
# Environment: DURATION (seconds; empty = until Ctrl-C), CAPTURE (recorded market; empty = a
# generated one), SPEED (of the recorded market), STATE (folder; default var/<market>).
#
# Both run in sessions of their own, so that Ctrl-C comes to this script only and is passed to the
# service first; the venue is stopped when the service has ended, because canceling needs it. The
# exit status is the service's. When the service was killed (SIGKILL), the venue stays, as a real
# one would, with the orders that rest there: the next start finds it and goes on.
set -euo pipefail

# make dies of a Ctrl-C that reaches it, and `make run` would end with status 130 after a stop that
# went well. In the foreground of a terminal the script therefore starts once more with job control
# (bash -m), which gives it the terminal and a process group of its own. A Ctrl-Z would then stop it
# alone, and the terminal with it: ignored, a service that quotes is not put to sleep.
is_in_foreground() {
  local status group terminal_group
  status=$(<"/proc/$$/stat")
  read -r _ _ group _ _ terminal_group _ <<<"${status##*) }"
  [ "$group" = "$terminal_group" ]
}
if [ -z "${RUN_OWNS_TERMINAL:-}" ] && [ -t 2 ] && is_in_foreground; then
  RUN_OWNS_TERMINAL=yes exec bash -m "$0" "$@"
fi
set +m
trap '' TSTP
unset RUN_OWNS_TERMINAL
cd "$(dirname "$0")/.."

binaries=$1
duration=${DURATION:-}
capture=${CAPTURE:-}
speed=${SPEED:-1}
market=generated
if [ -n "$capture" ]; then
  market=$(basename "$capture" .gz)
  if [ ! -r "$capture" ]; then
    echo "run: CAPTURE=$capture: not a readable file" >&2
    exit 2
  fi
fi
state=${STATE:-var/$market}
keys=$state/keys
mkdir -p "$keys"
chmod 700 "$state" "$keys"

# The demo's key pair is made at the first run and stays here: nothing secret is committed.
if [ ! -s "$keys/private.pem" ] || [ ! -s "$keys/api_key" ]; then
  (umask 077 && openssl genpkey -algorithm ed25519 -out "$keys/private.pem" &&
    openssl rand -hex 32 >"$keys/api_key")
fi
openssl pkey -in "$keys/private.pem" -pubout -out "$keys/public.pem"
(umask 077 && sed -e "s|@API_KEY@|$(cat "$keys/api_key")|" \
  -e "s|@PUBLIC_KEY_FILE@|$keys/public.pem|" deploy/demo/accounts.toml.in >"$state/accounts.toml")

venue_pid= service_pid=
stop_venue() {
  if [ -n "$venue_pid" ] && kill -TERM "$venue_pid" 2>/dev/null; then
    # Not always a child of this script: wait for its end by looking.
    for _ in $(seq 100); do
      if ! kill -0 "$venue_pid" 2>/dev/null; then break; fi
      sleep 0.05
    done
  fi
  rm -f "$state/venue.pid"
  venue_pid=
}
forward() {
  if [ -n "$service_pid" ]; then kill -s "$1" "$service_pid" 2>/dev/null || true; else exit 130; fi
}
trap stop_venue EXIT
trap 'forward INT' INT
trap 'forward TERM' TERM HUP

venue_flags=(--port 0 --accounts "$state/accounts.toml" --state "$state/venue_state.json")
if [ -n "$capture" ]; then
  venue_flags+=(--market replay --capture "$capture" --speed "$speed" --loop)
else
  venue_flags+=(--market generated)
fi

# A venue that an earlier start left is one whose command line names our accounts file.
if [ -s "$state/venue.pid" ]; then
  left=$(cat "$state/venue.pid")
  if tr '\0' ' ' 2>/dev/null <"/proc/$left/cmdline" | grep -qF -- "--accounts $state/accounts.toml"
  then
    venue_pid=$left
    echo "run: the venue of the last start is still there (pid $left): going on with it"
  fi
fi
if [ -z "$venue_pid" ]; then
  : >"$state/venue.out"
  setsid "$binaries/holdfast-venue" "${venue_flags[@]}" >"$state/venue.out" 2>"$state/venue.log" \
    </dev/null &
  venue_pid=$!
  echo "$venue_pid" >"$state/venue.pid"
fi

# It says where it listens as soon as it does; reading its market may take a moment.
listening=
for _ in $(seq 300); do
  listening=$(grep -m1 '^holdfast-venue listening ' "$state/venue.out" || true)
  if [ -n "$listening" ]; then break; fi
  if ! kill -0 "$venue_pid" 2>/dev/null; then break; fi
  sleep 0.1
done
if [ -z "$listening" ]; then
  echo "run: the simulated venue did not start; its last words ($state/venue.log):" >&2
  tail -n 5 "$state/venue.log" >&2
  exit 1
fi
port=$(sed -n 's/.* port=\([0-9]*\).*/\1/p' <<<"$listening")
control_port=$(sed -n 's/.* control_port=\([0-9]*\).*/\1/p' <<<"$listening")

HOLDFAST_VENUE_REST_URL=http://127.0.0.1:$port \
  HOLDFAST_VENUE_WS_API_URL=ws://127.0.0.1:$port/ws-api/v3 \
  HOLDFAST_VENUE_STREAM_URL=ws://127.0.0.1:$port \
  setsid setpriv --pdeathsig TERM "$binaries/holdfast" serve --config deploy/demo/holdfast.toml \
  --service-state-dir "$state" --venue-api-key-file "$keys/api_key" \
  --venue-ed25519-key-file "$keys/private.pem" \
  --verify-ledger "http://127.0.0.1:$control_port" \
  ${duration:+--duration "$duration"} </dev/null &
service_pid=$!

# A signal interrupts wait; the service is still there then and decides itself when it ends.
status=0
while :; do
  status=0
  wait "$service_pid" || status=$?
  kill -0 "$service_pid" 2>/dev/null || break
done
# The status of the last wait may be the signal's: the one kept for the child is the right one.
status=0
wait "$service_pid" 2>/dev/null || status=$?
service_pid=
# What was wrong with the recorded market, where, and what the venue did.
if [ -n "$capture" ] && grep -q '^warning ' "$state/venue.log"; then
  sed -n 's/^warning \(.*\)/  capture         \1/p' "$state/venue.log" | head -n 10
  if grep -q '^info capture_finished' "$state/venue.log"; then
    echo "  capture         the market ended there and was not started again"
  else
    echo "  capture         the market went on behind it"
  fi
fi
if [ "$status" -eq 137 ]; then
  echo "run: the service was killed; its venue goes on (pid $venue_pid) until the next start ends"
  venue_pid=
  trap - EXIT
fi
exit "$status"
