#!/usr/bin/env bash
# Flight SQL by its JDBC driver, from Maven Central: figures equal those of gRPC to the last digit.
#
#     tests/golden/jdbc_figures.sh GRPC BINARY
set -euo pipefail
grpc=$1 binary=$2
here=$(cd "$(dirname "$0")" && pwd)
version=18.3.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/greenpark/jdbc"
driver="$cache/flight-sql-jdbc-driver-$version.jar"
if ! [ -f "$driver" ]; then
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -DoutputDirectory="$cache" \
    -Dartifact="org.apache.arrow:flight-sql-jdbc-driver:$version"
fi
sql="SELECT name, value, numerator FROM figures
     WHERE period = '2024' AND park = 'demo' AND indicator = 'energy-intensity' AND value IS NOT NULL ORDER BY name"
java --add-opens=java.base/java.nio=org.apache.arrow.memory.core,ALL-UNNAMED \
  -cp "$driver" "$here/Jdbc.java" "$grpc" "$sql" 2>/dev/null >"$cache/rows"
compared=0
while IFS=$'\t' read -r name value numerator; do
  "$binary" intensity "$name" --of energy --period 2024 --grpc "$grpc" --format json |
    python3 -c '
import decimal, json, sys
figure = json.load(sys.stdin)["figures"][0]
told = [decimal.Decimal(figure["value"]), decimal.Decimal(figure["numerator"]["value"])]
assert told == [decimal.Decimal(cell) for cell in sys.argv[1:]], (told, sys.argv)' "$value" "$numerator"
  compared=$((compared + 1))
done <"$cache/rows"
[ "$compared" -gt 3 ]
echo "JDBC: the figures of $compared names equal those of gRPC"
