#!/usr/bin/env bash
# Third-party readers and clients against a running park:
# - a Python client that knows only server reflection queries the verdict of the demo;
# - an oracle computes every figure of the demo from the raw readings and compares it;
# - oracle/unclean.py runs parks with faulty data and checks when a verdict is given;
# - a year taken away is verified without the service, by our own program, Python, Go and OpenSSL;
# - DuckDB, deltalake and Polars read the year of the steel plant, if the data is there.
#
#     tests/golden/run.sh PATH-OF-THE-BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")/../.."

venv="${XDG_CACHE_HOME:-$HOME/.cache}/greenpark/golden"
if ! [ -x "$venv/bin/pip" ]; then
  python3 -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  adbc-driver-flightsql cryptography duckdb openpyxl polars deltalake pandas pyarrow grpcio grpcio-reflection protobuf paho-mqtt

export PYTHONDONTWRITEBYTECODE=1

work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    kill -INT "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

read -r mqtt_port grpc_port < <("$venv/bin/python" - <<'PY'
import socket
held = [socket.socket() for _ in range(2)]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
)
place=(--data "$work/data" --mqtt "127.0.0.1:$mqtt_port" --grpc "127.0.0.1:$grpc_port")

echo '-- the demo reaches its verdict'
"$binary" demo --until-verdict "${place[@]}"
"$binary" up "${place[@]}" &
server=$!
until "$binary" progress parks/demo --grpc "127.0.0.1:$grpc_port" --format csv >"$work/verdict.csv" 2>/dev/null; do
  kill -0 "$server"
done

echo '-- a client that knows only reflection'
"$venv/bin/python" tests/golden/ask.py "127.0.0.1:$grpc_port" parks/demo 2025

echo '-- certificates and raw material of the demo, for the assessment basis'
cat >"$work/certificates.csv" <<'CSV'
id,mwh,generated,region,kind,enterprise,year,retired_on
PV-2020,1200,2020-06,chongqing,self_use,jiangbei-steel,2020,
PV-2025,5400.25,2025-06,chongqing,self_use,jiangbei-steel,2025,
GPT-2025,2100,2025-05,sichuan,trade,,2025,
GEC-2025-1,90000,2025-03,sichuan,certificate,jiangbei-steel,2025,2025-12-20
GEC-2025-2,5000000,2025-03,guizhou,certificate,,2025,2025-12-20
CSV
printf '%s\n' enterprise,series,period,amount,price_base,final \
  jiangbei-steel,raw_material:natural_gas,2025,81000.5,,true >"$work/raw.csv"
"$binary" import --park demo --certificates "$work/certificates.csv" --statistics "$work/raw.csv" \
  --recorded-by golden --evidence 'run.sh' --grpc "127.0.0.1:$grpc_port"
if "$binary" import --park other --certificates "$work/certificates.csv" --recorded-by golden \
  --evidence 'run.sh' --grpc "127.0.0.1:$grpc_port" 2>"$work/refused"; then
  echo 'certificates were used twice' >&2
  exit 1
fi
grep -q 'parks/demo/enterprises/jiangbei-steel' "$work/refused"

echo '-- every figure of the demo, recomputed from its raw readings by the method alone'
"$venv/bin/python" tests/golden/oracle/check.py "$work/data/lake" "127.0.0.1:$grpc_port" demo

echo '-- parks with faulty data, on a service of their own: a verdict exactly where the method gives one'
"$venv/bin/python" tests/golden/oracle/unclean.py "$binary"

echo '-- a year of the park recomputed from its raw readings, and its lineage'
"$binary" recompute parks/demo --of energy --period 2024 "${place[@]:0:2}" --grpc "127.0.0.1:$grpc_port"
"$binary" explain parks/demo --of energy --period 2024 --grpc "127.0.0.1:$grpc_port" --format json >"$work/lineage.json"
"$venv/bin/python" - "$work/lineage.json" "$work/data/lake" <<'PY'
import hashlib, json, pathlib, sys
lineage, lake = json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2])
files = lineage["files"]
for file in files:
    assert file["intact"] and hashlib.sha256((lake / file["path"]).read_bytes()).hexdigest() == file["sha256"], file
assert len(files) > 4_000 and lineage["meters"] and lineage["records"] and not lineage["files_changed"]
print(f"{len(files)} files, {len(lineage['meters'])} meters, {len(lineage['records'])} records: all as reported")
PY
for asked in scorecard quality water-balance waste-ledger; do
  "$binary" "$asked" parks/demo --grpc "127.0.0.1:$grpc_port" \
    $([ "$asked" = scorecard ] || echo --period 2024)
done

echo '-- figures by SQL, as Python and Java ask'
"$venv/bin/python" tests/golden/adbc_figures.py "127.0.0.1:$grpc_port" "$binary"
if command -v java >/dev/null && command -v mvn >/dev/null; then
  tests/golden/jdbc_figures.sh "127.0.0.1:$grpc_port" "$binary"
else
  echo 'java or mvn is not there: the JDBC driver was not asked'
fi

echo '-- a year taken away, verified without the service'
"$binary" checkpoint -o "$work/kept" --grpc "127.0.0.1:$grpc_port"
"$binary" extract --park demo --enterprise jiangbei-steel --from 2024-01-01 --to 2024-12-31 --since "$work/kept" \
  -o "$work/year" --grpc "127.0.0.1:$grpc_port" --format json >/dev/null
"$binary" verify "$work/year" --since "$work/kept"
"$venv/bin/python" tests/golden/verify_extract.py "$work/year" --since "$work/kept"
"$venv/bin/python" tests/golden/sm2_openssl.py "$work/year" "$work"
"$venv/bin/python" tests/golden/workbook.py "$work/year"
"$venv/bin/python" tests/golden/libreoffice.py "$work/year" "$work"
PATH="$PATH:/usr/local/go/bin"
if command -v go >/dev/null; then
  (cd tests/golden/sumdb && go run . "$work/year")
else
  echo 'go is not there: the notes and trees of its module mirror were not asked'
fi

echo '-- statutory forms, verified by what lies beside them'
for form in 205-1 waste-ledger; do
  "$binary" form "$form" --park demo --enterprise jiangbei-steel --period 2024 --since "$work/kept" \
    -o "$work/$form.xlsx" --grpc "127.0.0.1:$grpc_port" --format json >/dev/null
  "$binary" verify "$work/$form.xlsx" --since "$work/kept"
done

echo '-- every change of that folder is found by both verifiers'
"$binary" extract --park demo --enterprise jiangbei-steel --from 2024-03-01 --to 2024-03-10 --since "$work/kept" \
  -o "$work/days" --grpc "127.0.0.1:$grpc_port" --format json >/dev/null
"$venv/bin/python" tests/golden/forge_extract.py "$binary" "$work/days" "$work/kept"

data=../shared/data/steel_industry.csv.gz
if ! [ -f "$data" ]; then
  echo "-- $data is not there: the steel plant's year was not read"
  exit 0
fi
echo '-- the year of the steel plant, by third-party readers'
"$binary" replay "$data" --map deploy/gateway/maps/steel_industry.toml \
  --connections 10 --shuffle 7 --mqtt "127.0.0.1:$mqtt_port"
for _attempt in $(seq 3000); do
  "$binary" intensity parks/steel/enterprises/gwangyang --period 2018 --format csv \
    --grpc "127.0.0.1:$grpc_port" >"$work/steel.csv" 2>/dev/null || true
  # Received readings and open days are the last two columns before the reasons against a verdict.
  if tail -1 "$work/steel.csv" | grep -q ',35040,0,'; then
    break
  fi
done
tail -1 "$work/steel.csv"
grep -q '117.939794 tce' "$work/steel.csv"
"$venv/bin/python" tests/golden/read_lake.py "$work/data/lake" steel 2018 gwangyang 959640.31 365
