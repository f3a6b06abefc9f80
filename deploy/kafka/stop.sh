#!/usr/bin/env bash
# Stops the node that start.sh started in DIR and returns once it has exited. Its data stays.
#   stop.sh --dir DIR
set -euo pipefail
fail() { echo "kafka/stop.sh: $*" >&2; exit 1; }
[ "${1:-}" = --dir ] && [ $# -eq 2 ] || fail "usage: stop.sh --dir DIR"
pid_file=$2/kafka.pid
[ -f "$pid_file" ] || { echo "kafka does not run in $2"; exit 0; }
pid=$(cat "$pid_file")
# The pid may belong to another process by now, which must not be killed.
if ! tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -q 'kafka\.Kafka'; then
  rm -f "$pid_file"
  echo "kafka does not run in $2"
  exit 0
fi
kill "$pid" 2> /dev/null || true
for _ in $(seq 150); do
  kill -0 "$pid" 2> /dev/null || { rm -f "$pid_file"; echo "kafka stopped"; exit 0; }
  sleep 0.2
done
# It did not stop within thirty seconds; acknowledged records are on disk.
kill -9 "$pid" 2> /dev/null || true
rm -f "$pid_file"
echo "kafka was killed: it did not stop within 30 s" >&2
