#!/bin/sh
# Installs orch from this folder, without the internet.
#   sh install.sh [FOLDER]    FOLDER: where to (default: ~/.local/lib/orch); called again, it upgrades what is there
# PYTHON names the Python to use; else the first of python3, python3.14 ... python3.11 that is new enough.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$HOME/.local/lib/orch}
enough='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
python=
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$name" -c "$enough" 2>/dev/null; then python=$name && break; fi
done
[ -n "$python" ] || { echo "orch needs Python 3.11 to 3.14, and none was found; name one: PYTHON=/path/to/python3.12 sh install.sh" >&2; exit 1; }
machine=$(uname -m)
[ "$machine" = "$(cat "$here/machine")" ] || { echo "these packages are for $(cat "$here/machine"), and this is $machine" >&2; exit 1; }
"$python" -m venv --without-pip "$folder"
for pip in "$here"/wheels/pip-*.whl; do :; done
PYTHONPATH=$pip "$folder/bin/python" -m pip install -q --no-index --find-links "$here/wheels" --upgrade \
    --disable-pip-version-check --no-warn-script-location tosca-orch
mkdir -p "$HOME/.local/bin"
ln -sf "$folder/bin/orch" "$HOME/.local/bin/orch"
"$folder/bin/orch" --version
echo "orch is at $HOME/.local/bin/orch; \`orch doctor\` tells whether all that it needs is there"
