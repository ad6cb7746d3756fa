#!/usr/bin/env bash
# Run the tests with the oldest release of every dependency that pyproject.toml allows, so that its
# lower bounds are true: lowest.sh FOLDER [pytest's arguments]. FOLDER holds the virtual environment.
set -euo pipefail
folder=${1:?usage: lowest.sh FOLDER [PYTEST...]}
shift
here=$(cd "$(dirname "$0")/.." && pwd)
if [ ! -x "$folder/bin/python" ]; then
    "${PYTHON:-python3.11}" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet uv
fi
cd "$here"
"$folder/bin/uv" pip install --quiet --python "$folder/bin/python" --resolution lowest-direct \
    --editable '.[dev,replicate,offline,dicom]'
"$folder/bin/uv" pip freeze --python "$folder/bin/python"
"$folder/bin/python" -m pytest -q "$@"
