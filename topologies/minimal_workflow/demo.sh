#!/usr/bin/env bash
# Deploys the minimal workflow on this machine and runs it; a second time, it only runs it again.
# Everything it makes is in .demo (or $DEMO): remove that to begin anew.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
demo=${DEMO:-$PWD/.demo}
export ORCH_HOME=$demo/home
mkdir -p "$demo"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }

if ! orch --json list | grep -q '"name": *"minimal_workflow"'; then
  say "A text of more than 1 MB, made from the sources of Python's standard library"
  show python "$here/make_text.py" "$demo/data.txt"
  say "Make it a record of the data catalogue"
  show orch catalogue add --oid my-text "$demo/data.txt"
  say "Deploy the topology, once: the image is built and copied to the site"
  show orch deploy "$here/topology.yaml"
fi

say "Run the workflow, as often as you like: stage in, count words, stage out"
run=$demo/$(date +%Y%m%d-%H%M%S)-$$
show orch run exec_job -i oid=my-text -i "staged_in_data_path=$run/staged_in" -i "result_data_path=$run/result"

say "The ten most frequent words"
head -n 10 "$run/result/result.txt"
say "The same as an independent count says?"
show python "$here/count_words.py" "$demo/data.txt" "$run/result/result.txt"
orch graph minimal_workflow -o "$demo/topology.svg" >/dev/null
orch graph minimal_workflow exec_job -o "$demo/exec_job.svg" >/dev/null

say "Done"
cat <<END
result    $run/result/result.txt
pictures  $demo/topology.svg
          $demo/exec_job.svg
logs      ORCH_HOME=$ORCH_HOME orch executions logs
again     make demo
END
