#!/usr/bin/env bash
# Real clients against a running park: each sends the messages of real users, and its figure is queried over gRPC and
# must be exact; wrong credentials and topics are refused; and the park is killed (-9) in the middle. See README.md.
#
#     tests/clients/run.sh PATH-OF-THE-BINARY
set -euo pipefail
binary=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/greenpark/clients"
environment() {
  # environment NAME PACKAGE...: creates a virtual environment if it does not exist, and installs the packages.
  if ! [ -x "$cache/$1/bin/pip" ]; then
    python3 -m venv --clear "$cache/$1"
  fi
  "$cache/$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"
}
# tb-mqtt-client brings its own paho, in the same folder as PyPI's.
environment paho paho-mqtt==2.2.0 grpcio grpcio-reflection protobuf
# It installs mmh3 by itself when it starts, unless it is installed.
environment thingsboard tb-mqtt-client==1.13.14 mmh3
python="$cache/paho/bin/python"
sparkplug=sparkplug-client@3.2.4
if ! [ -d "$cache/$sparkplug/node_modules/sparkplug-client" ]; then
  npm install --prefix "$cache/$sparkplug" --no-package-lock --no-audit --no-fund --ignore-scripts --silent "$sparkplug"
fi
export PYTHONDONTWRITEBYTECODE=1
export NODE_PATH="$cache/$sparkplug/node_modules"
CLIENTS_BEGAN=$(date +%s)
export CLIENTS_BEGAN

work=$(mktemp -d)
park='' secured='' node=''
finish() {
  for process in $node $secured $park; do
    kill -INT "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  deploy/mosquitto/stop.sh --dir "$work/mosquitto" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

read -r mqtt grpc health broker tls tls_grpc tls_health < <("$python" - <<'PY'
import socket
held = [socket.socket() for _ in range(7)]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(f"127.0.0.1:{s.getsockname()[1]}" for s in held))
PY
)

# The rules are the shipped ones, but each has its own enterprise.
dialects=ingest/dialects
{
  cat <<TOML
[process]
health = "$health"

[subscribe]
broker = "$broker"
filters = ["spBv1.0/#"]
sparkplug_host = "greenpark"
backoff_max = "1s"

[[decode.rules]]
filter = "park/+/+/+/up/readings"
format = "json"
TOML
  cat "$dialects/sparkplug.toml"
  sed '0,/steel-01/s//tb-device/; s/steel-01/tb-gateway/' "$dialects/thingsboard.toml"
  sed '0,/steel-01/s//influx/; s/steel-01/telegraf/' "$dialects/influx.toml"
  sed 's/steel-01/neuron/' "$dialects/neuron.toml"
} >"$work/park.toml"
"$binary" pki --out "$work/tls" --server 127.0.0.1 --gateway gw-certificate >/dev/null
"$binary" pki --out "$work/foreign" --gateway gw-certificate >/dev/null
"$binary" passwd "$work/users" gw-password <<<'a secret of its own'
cat >"$work/secured.toml" <<TOML
[process]
health = "$tls_health"

[listen.tls]
certificate = "$work/tls/server.pem"
key = "$work/tls/server.key"
client_ca = "$work/tls/ca.pem"
client_certificate = "optional"

[listen.users]
file = "$work/users"
TOML

start() {
  # start NAME MQTT GRPC: starts a process with the settings and the folder of that name; its id is then in $started.
  "$binary" up --config "$work/$1.toml" --data "$work/$1" --mqtt "$2" --grpc "$3" 2>>"$work/$1.log" &
  started=$!
}
answers() {
  # answers PROCESS ADDRESS...: waits until each address accepts connections, as long as the process runs.
  for address in "${@:2}"; do
    until (exec 3<>"/dev/tcp/${address/://}") 2>/dev/null; do
      kill -0 "$1" || { tail -5 "$work"/*.log >&2; exit 1; }
      sleep 0.02
    done
  done
}
check() {
  # check ADDRESS: compares the lines of a client with the answers of the park at ADDRESS.
  "$python" "$here/check.py" "$1"
}
wait_for_lines() {
  # wait_for_lines LINES: waits until the Sparkplug nodes have printed this many lines.
  until [ "$(wc -l <"$work/sparkplug")" -ge "$1" ]; do
    kill -0 "$node" || { cat "$work/sparkplug"; exit 1; }
    sleep 0.05
  done
}

deploy/mosquitto/start.sh --port "${broker##*:}" --dir "$work/mosquitto" >/dev/null
start park "$mqtt" "$grpc"
park=$started
start secured "$tls" "$tls_grpc"
secured=$started
answers "$park" "$mqtt" "$grpc"
answers "$secured" "$tls" "$tls_grpc"

echo '-- an edge node of Sparkplug, behind a broker and at the listener'
: >"$work/sparkplug"
node "$here/sparkplug.js" "mqtt://$broker" "mqtt://$mqtt" >"$work/sparkplug" &
node=$!
wait_for_lines 4
check "$grpc" <"$work/sparkplug"

echo '-- a gateway of native JSON'
"$python" "$here/native.py" "$mqtt" "$tls" "$work/tls" >"$work/native"
grep plain "$work/native" | check "$grpc"
grep -v plain "$work/native" | check "$tls_grpc"

echo '-- payloads of ThingsBoard, Telegraf and Neuron'
"$cache/thingsboard/bin/python" "$here/thingsboard.py" "$mqtt" | check "$grpc"
"$python" "$here/telegraf.py" "$mqtt" | check "$grpc"

echo '-- refused connections and topics'
"$python" "$here/refused.py" "$tls" "$tls_health" "$mqtt" "$health" "$work/tls" "$work/foreign"

echo '-- kill -9 in the middle of two streams'
"$python" "$here/killed.py" "$mqtt" "$park" >"$work/killed" &
killer=$!
wait -n "$park" "$killer" 2>/dev/null || true
if kill -0 "$park" 2>/dev/null; then
  echo 'the park was not killed' >&2
  exit 1
fi
start park "$mqtt" "$grpc"
park=$started
wait "$killer"
answers "$park" "$mqtt" "$grpc"
check "$grpc" <"$work/killed"
wait_for_lines 5
tail -1 "$work/sparkplug" | check "$grpc"
wait "$node"
node=
echo '-- readings sent before the kill are still there'
cat "$work/native" | grep plain | check "$grpc" >/dev/null
