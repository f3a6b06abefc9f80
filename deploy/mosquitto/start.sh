#!/usr/bin/env bash
# Starts a Mosquitto and returns once it accepts connections.
#   start.sh --port PORT --dir DIR [--queue MIB]
# The broker listens on 127.0.0.1:PORT and stores its data in DIR. For a disconnected session it keeps at most MIB
# (default 1024) of messages in memory. A second start leaves a running broker as it is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "mosquitto/start.sh: $*" >&2; exit 1; }

port='' dir='' queue=1024
while [ $# -gt 0 ]; do
  case $1 in
    --port|--dir|--queue) [ $# -ge 2 ] || fail "$1 needs a value" ;;&
    --port) port=$2; shift 2 ;;
    --dir) dir=$2; shift 2 ;;
    --queue) queue=$2; shift 2 ;;
    *) fail "unknown argument '$1'; usage: start.sh --port PORT --dir DIR [--queue MIB]" ;;
  esac
done
[[ $port =~ ^[0-9]+$ ]] || fail "give --port PORT"
[[ $queue =~ ^[1-9][0-9]*$ ]] || fail "give --queue as a number of MiB"
[ -n "$dir" ] || fail "give --dir DIR"
# Debian installs it in /usr/sbin, which is not on every PATH.
mosquitto=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mosquitto) \
  || fail "'mosquitto' is not installed; install the package of that name"

answers() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
pid_file=$dir/mosquitto.pid
if [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2> /dev/null; then
  grep -qx "listener $port 127.0.0.1" "$dir/mosquitto.conf" \
    || fail "a broker runs in $dir on another port; stop it first: stop.sh --dir $dir"
  echo "mosquitto runs already at 127.0.0.1:$port (pid $(cat "$pid_file"))"
  exit 0
fi
! answers "$port" || fail "port $port is in use; give another --port"

sed -e "s|@PORT@|$port|g" -e "s|@DIR@|$dir|g" -e "s|@QUEUE@|$((queue << 20))|g" "$here/mosquitto.conf.in" > "$dir/mosquitto.conf"
# Mosquitto started as root would switch to the user mosquitto, who does not own the folder.
[ "$(id -u)" -ne 0 ] || echo "user root" >> "$dir/mosquitto.conf"

nohup "$mosquitto" -c "$dir/mosquitto.conf" > "$dir/start.log" 2>&1 < /dev/null &
pid=$!
echo "$pid" > "$pid_file"
for _ in $(seq 100); do
  kill -0 "$pid" 2> /dev/null || {
    rm -f "$pid_file"
    cat "$dir/start.log" >&2
    tail -5 "$dir/mosquitto.log" >&2 2> /dev/null || true
    fail "mosquitto did not start"
  }
  if answers "$port"; then
    echo "mosquitto answers at 127.0.0.1:$port (pid $pid)"
    exit 0
  fi
  sleep 0.1
done
kill -9 "$pid" 2> /dev/null || true
wait "$pid" 2> /dev/null || true
rm -f "$pid_file"
fail "mosquitto did not answer within ten seconds; see $dir/mosquitto.log"
