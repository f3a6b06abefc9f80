#!/usr/bin/env bash
# Stops the broker that start.sh started in DIR and returns once it has exited. Its data stays.
#   stop.sh --dir DIR
set -euo pipefail
fail() { echo "mosquitto/stop.sh: $*" >&2; exit 1; }
[ "${1:-}" = --dir ] && [ $# -eq 2 ] || fail "usage: stop.sh --dir DIR"
pid_file=$2/mosquitto.pid
[ -f "$pid_file" ] || { echo "mosquitto does not run in $2"; exit 0; }
pid=$(cat "$pid_file")
# The pid may belong to another process by now, which must not be killed.
if ! tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -q 'mosquitto'; then
  rm -f "$pid_file"
  echo "mosquitto does not run in $2"
  exit 0
fi
kill "$pid" 2> /dev/null || true
for _ in $(seq 150); do
  kill -0 "$pid" 2> /dev/null || { rm -f "$pid_file"; echo "mosquitto stopped"; exit 0; }
  sleep 0.2
done
# It did not stop within thirty seconds. What it acknowledged since its last autosave (10 s) may be lost.
kill -9 "$pid" 2> /dev/null || true
rm -f "$pid_file"
echo "mosquitto was killed: it did not stop within 30 s; what it took since its last autosave (10 s) may be lost" >&2
