#!/usr/bin/env bash
# Runs the minimal workflow on a real Slurm cluster, as two users at the same time, with their SSH keys in a vault.
# Needs root on Debian 12: it sets up a small Slurm with sshd, and an OpenBao server (Vault-compatible), on loopback, and
# takes both down at the end. What orch makes is in .demo-cluster (or $DEMO).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
testbed=$here/../../tests/testbed/cluster.sh
demo=${DEMO:-$PWD/.demo-cluster}
export CLUSTER_STATE=${CLUSTER_STATE:-/tmp/orch-demo-cluster}
vault_port=${VAULT_PORT:-18210}
bao=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
finish() {
  [ -z "$bao" ] || { kill "$bao" && wait "$bao" || true; } 2>/dev/null
  say "Taking the cluster down"
  bash "$testbed" down
}

[ "$(id -u)" = 0 ] || { echo "a Slurm cluster is set up here, which needs root" >&2; exit 2; }
rm -rf "$demo"
mkdir -p "$demo"
began=$(date +%Y-%m-%dT%H:%M:%S)

say "A Slurm cluster with sshd, on loopback"
trap finish EXIT
bash "$testbed" up
eval "$(bash "$testbed" env)"
mkdir -p -m 1777 "$CLUSTER_STATE/shared"

say "A vault for the SSH keys of its users"
export ORCH_HOME=$demo/home VAULT_ADDR=http://127.0.0.1:$vault_port VAULT_TOKEN
VAULT_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(16))')
HOME=$demo BAO_DEV_ROOT_TOKEN_ID=$VAULT_TOKEN bao server -dev -dev-no-store-token \
  -dev-listen-address="127.0.0.1:$vault_port" >"$demo/vault.log" 2>&1 &
bao=$!
python - <<'PYTHON'
import os, time, urllib.request
for _ in range(300):
    try:
        urllib.request.urlopen(os.environ["VAULT_ADDR"] + "/v1/sys/health").close()
        break
    except OSError:
        time.sleep(0.1)
else:
    raise SystemExit("the vault did not start")
PYTHON

say "A key for each of two users; the public ones go to the cluster, the private ones never leave the vault"
for user in "$HPC_USER" "$HPC_USER2"; do
  show orch ssh-keys generate --name "$user" | tee "$demo/$user.key"
done
first=$(sed -n 2p "$demo/$HPC_USER.key") second=$(sed -n 2p "$demo/$HPC_USER2.key")
orch ssh-keys show "$first" | grep ^ssh- >>"$HPC_HOME/.ssh/authorized_keys"
orch ssh-keys show "$second" | grep ^ssh- >>"$HPC_HOME2/.ssh/authorized_keys"

say "Describe the site, trust its host key, see whether all is there"
cat >"$ORCH_HOME/sites.yaml" <<END
sites:
  demo-cluster:
    connection: ssh
    login_host: $HPC_HOST
    port: $HPC_PORT
    user: $HPC_USER
    key: $first
    scheduler: slurm
    slurm: { interval: 1 }
END
show cat "$ORCH_HOME/sites.yaml"
show orch sites trust demo-cluster --yes
show orch sites check demo-cluster --topology "$here/topology.yaml"

say "Deploy the topology, once: the same one as on a laptop, on another site"
python "$here/make_text.py" "$demo/data.txt"
show orch catalogue add --oid my-text "$demo/data.txt"
show orch deploy "$here/topology.yaml" --site demo-cluster \
  -i "container_image_transfer_directory=$CLUSTER_STATE/shared"

say "Run it as two users at the same time"
run() { # run USER KEY HOME
  orch run exec_job -i oid=my-text -i "staged_in_data_path=$3/demo/in" -i "result_data_path=$3/demo/out" \
    -i "user_id=$1" -i "vault_id=$2" >"$demo/$1.log" 2>&1
}
run "$HPC_USER" "$first" "$HPC_HOME" &
one=$!
run "$HPC_USER2" "$second" "$HPC_HOME2" &
two=$!
failed=0
wait "$one" || failed=1
wait "$two" || failed=1
for user in "$HPC_USER" "$HPC_USER2"; do say "$user"; cat "$demo/$user.log"; done
[ "$failed" = 0 ]

say "What Slurm says of the jobs"
sacct -X -S "$began" -o JobID,JobName%36,User,State,Start,End -u "$HPC_USER,$HPC_USER2"

say "The same as an independent count says?"
for home in "$HPC_HOME" "$HPC_HOME2"; do
  show python "$here/count_words.py" "$demo/data.txt" "$home/demo/out/result.txt"
done
show orch catalogue list

say "The private keys are in no file"
for id in "$first" "$second"; do
  secret=$(orch_key=$id python - <<'PYTHON'
import os, hvac
key = hvac.Client(os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"]).secrets.kv.v2.read_secret_version(
    "ssh-credentials/" + os.environ["orch_key"], raise_on_deleted_version=True)["data"]["data"]["privateKey"]
print(key.splitlines()[2])
PYTHON
  )
  if grep -rqF -- "$secret" "$demo" "$CLUSTER_STATE" "$HPC_HOME" "$HPC_HOME2"; then
    echo "a private key was found in a file" >&2; exit 1
  fi
done
echo "none found below $demo and $CLUSTER_STATE"
say "Done"
