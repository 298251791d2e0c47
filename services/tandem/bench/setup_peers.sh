#!/bin/sh
# Installs the peers that peers.py measures into a virtual environment under target/, so that
# nothing outside the checkout changes, and names its Python.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
environment=${1:-${CARGO_TARGET_DIR:-$root/target}/bench-peers}
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check \
    duckdb==2.0.0 chdb==4.4.0 zstandard==0.25.0
echo "$environment/bin/python"
