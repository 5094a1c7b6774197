#!/bin/sh
# Installs orch from this folder, without the internet.
#   sh install.sh [FOLDER]    FOLDER: where to (default: ~/.local/lib/orch)
# Called again, it replaces what it has installed there, with this or another Python; orch's state lies elsewhere and stays.
# PYTHON names the Python to use; else the first of python3, python3.14 ... python3.11 that is new enough.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "$*" >&2; exit 1; }
[ -n "${HOME:-}" ] || fail "HOME is not set: the command orch is put below it, in .local/bin"
folder=${1:-$HOME/.local/lib/orch}
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
is_right() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }

python=${PYTHON:-}
if [ -n "$python" ]; then
    is_right "$python" || fail "orch needs Python 3.11 to 3.14; $python is $("$python" --version 2>/dev/null || echo "not there, or cannot be run")"
else
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if is_right "$name"; then python=$name && break; fi
    done
    [ -n "$python" ] || fail "orch needs Python 3.11 to 3.14, and none was found; name one: PYTHON=/path/to/python3.12 sh install.sh"
fi
packed=$(cat "$here/machine")
[ "$(uname -m)" = "$packed" ] || fail "these packages are for $packed, and this is $(uname -m)"
if [ -e "$folder" ] && [ ! -e "$folder/pyvenv.cfg" ] && [ -n "$(ls -A "$folder")" ]; then
    fail "$folder has something else in it: name another folder, sh install.sh FOLDER"
fi
"$python" -m venv --clear --without-pip "$folder"
for pip in "$here"/wheels/pip-*.whl; do :; done
PYTHONPATH=$pip "$folder/bin/python" -m pip install -q --no-index --find-links "$here/wheels" \
    --disable-pip-version-check --no-warn-script-location tosca-orch
mkdir -p "$HOME/.local/bin"
ln -sf "$folder/bin/orch" "$HOME/.local/bin/orch"
"$folder/bin/orch" --version
echo "orch is at $HOME/.local/bin/orch; \`orch doctor\` tells whether all that it needs is there"
