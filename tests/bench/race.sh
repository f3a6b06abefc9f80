#!/usr/bin/env bash
# Makes a lake with the benches, installs the other tools from PyPI, and runs race.py.
#
#     tests/bench/race.sh [ENTERPRISESxYEARS]      150x2 by default; a year of 150 enterprises has 54,750 files
#
# It needs the binaries: cargo build --release --workspace --bins
set -euo pipefail
cd "$(dirname "$0")/../.."
size=${1:-150x2}
target="${CARGO_TARGET_DIR:-target}/release"

tools="${XDG_CACHE_HOME:-$HOME/.cache}/greenpark/race"
if ! [ -x "$tools/bin/pip" ]; then
  python3 -m venv --clear "$tools"
fi
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check \
  duckdb==1.4.2 polars==1.35.2 pandas==2.3.3 pyarrow==22.0.0 chdb==3.7.1 grpcio grpcio-reflection protobuf

lakes=$(mktemp -d)
trap 'rm -rf "$lakes"' EXIT
"$target/greenpark-tests-bench" park "--park=$size" "--lakes=$lakes"
years=${size#*x}
"$tools/bin/python" tests/bench/race.py --bin "$target/greenpark" --data "$lakes/$size" --year $((2019 + years))
