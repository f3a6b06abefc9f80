#!/usr/bin/env bash
# Starts a one-node Apache Kafka (KRaft) and returns once it accepts connections.
#   start.sh --port PORT --dir DIR [--controller-port PORT] [--through PORT:ADVERTISED]...
# The node listens on 127.0.0.1:PORT and stores its data in DIR. A second start leaves a running node as it is.
# Each --through adds a listener on PORT that advertises the port ADVERTISED, where a proxy listens.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "kafka/start.sh: $*" >&2; exit 1; }

port='' dir='' controller='' through=()
while [ $# -gt 0 ]; do
  case $1 in
    --port|--dir|--controller-port|--through) [ $# -ge 2 ] || fail "$1 needs a value" ;;&
    --port) port=$2; shift 2 ;;
    --dir) dir=$2; shift 2 ;;
    --controller-port) controller=$2; shift 2 ;;
    --through) through+=("$2"); shift 2 ;;
    *) fail "unknown argument '$1'; usage: start.sh --port PORT --dir DIR [--controller-port PORT]" ;;
  esac
done
[[ $port =~ ^[0-9]+$ ]] || fail "give --port PORT"
[ -n "$dir" ] || fail "give --dir DIR"
controller=${controller:-$((port + 1))}
for tool in java mvn; do
  command -v "$tool" > /dev/null || fail "'$tool' is not installed; a Java 17 runtime and Maven are needed"
done

answers() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
pid_file=$dir/kafka.pid
if [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2> /dev/null; then
  grep -qx "advertised.listeners=PLAINTEXT://127.0.0.1:$port" "$dir/server.properties" \
    || fail "a node runs in $dir on another port; stop it first: stop.sh --dir $dir"
  echo "kafka runs already at 127.0.0.1:$port (pid $(cat "$pid_file"))"
  exit 0
fi
for taken in "$port" "$controller"; do
  ! answers "$taken" || fail "port $taken is in use; give another --port or --controller-port"
done

# Maven fetches the jars once. An existing folder is complete, because it was moved into place.
version=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$here/pom.xml")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/greenpark/kafka
jars=$cache/$version-$(cksum < "$here/pom.xml" | cut -d ' ' -f 1)
if [ ! -d "$jars" ]; then
  echo "fetching Kafka $version into $jars"
  mkdir -p "$cache"
  fetched=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$fetched/jars" > "$fetched/log" 2>&1 \
    || { tail -20 "$fetched/log" >&2; fail "Maven could not fetch Kafka $version"; }
  # Two starts may fetch at once and get the same jars; the first folder stays.
  mv -T "$fetched/jars" "$jars" 2> /dev/null || [ -d "$jars" ] || fail "cannot write $jars"
  rm -rf "$fetched"
fi

sed -e "s|@PORT@|$port|g" -e "s|@CONTROLLER_PORT@|$controller|g" -e "s|@DIR@|$dir|g" \
  "$here/server.properties.in" > "$dir/server.properties"
if [ ${#through[@]} -gt 0 ]; then
  listeners="PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller"
  advertised="PLAINTEXT://127.0.0.1:$port" protocols="PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
  for n in "${!through[@]}"; do
    listeners+=",THROUGH$n://127.0.0.1:${through[$n]%%:*}"
    advertised+=",THROUGH$n://127.0.0.1:${through[$n]##*:}"
    protocols+=",THROUGH$n:PLAINTEXT"
  done
  # Kafka uses the last value of a repeated property.
  printf '%s\n' "listeners=$listeners" "advertised.listeners=$advertised" \
    "listener.security.protocol.map=$protocols" >> "$dir/server.properties"
fi
run=(java -Xms128m -Xmx512m -XX:+UseG1GC -Dlog4j2.configurationFile="file:$here/log4j2.xml" -cp "$jars/*")
if [ ! -f "$dir/data/meta.properties" ]; then
  # A cluster id is 16 bytes in base64. Only letters and digits, because a leading '-' would be parsed as an option.
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'Aa' | tr -d '=')
  "${run[@]}" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" > "$dir/format.log" 2>&1 \
    || { tail -20 "$dir/format.log" >&2; fail "the folder $dir/data cannot be formatted"; }
fi

nohup "${run[@]}" kafka.Kafka "$dir/server.properties" > "$dir/kafka.log" 2>&1 < /dev/null &
pid=$!
echo "$pid" > "$pid_file"
# The node usually answers within a few seconds; a slow machine gets a minute.
for _ in $(seq 300); do
  kill -0 "$pid" 2> /dev/null || { rm -f "$pid_file"; tail -20 "$dir/kafka.log" >&2; fail "kafka did not start; see $dir/kafka.log"; }
  if answers "$port" && grep -q 'Kafka Server started' "$dir/kafka.log"; then
    echo "kafka answers at 127.0.0.1:$port (pid $pid)"
    exit 0
  fi
  sleep 0.2
done
kill -9 "$pid" 2> /dev/null || true
wait "$pid" 2> /dev/null || true
rm -f "$pid_file"
tail -20 "$dir/kafka.log" >&2
fail "kafka did not answer within a minute; see $dir/kafka.log"
