"""What is run at a site for jobs of Slurm: shell programs that get their data as variables put before them.

A job's folder there has, besides what it was submitted with: ``lock``, held while it is submitted or cancelled;
``asked``, a line with the time (seconds) for each call of sbatch, written before it; ``id``, its number, once known.
"""

from __future__ import annotations

DOWN, REFUSED, UNKNOWN = 4, 5, 7
"""Exit statuses. DOWN: Slurm does not answer, nothing was submitted. UNKNOWN: the job may have been submitted."""
REMAINS = 6
"""Exit status: the job is there after scancel."""

SETTLED_SECONDS = 60
"""A job that was not found for so long after sbatch was called for it was not submitted by that."""

_LOOK = r"""
numbers() { grep -oE '^[0-9]+' | head -n 1; }
refused() { rm -f asked; exit 5; }
in_queue() {  # sets id; fails when squeue does
  rows=$(squeue -h -t all -u "$me" -n "$token" -o %F 9>&-) || return 1
  id=$(printf '%s\n' "$rows" | numbers)
}
in_history() {  # sets id; fails when sacct does. A job that was never asked for is in no history
  id=
  [ -s asked ] || return 0
  since=$(date -d "@$(($(head -n 1 asked) - 300))" +%Y-%m-%dT%H:%M:%S) || return 1
  if rows=$(sacct -n -P -X -u "$me" --name="$token" -S "$since" -o JobID 2>.sacct 9>&-); then
    id=$(printf '%s\n' "$rows" | numbers)
    return 0
  fi
  # without accounting the queue alone tells, and what the job has written
  grep -qi 'accounting storage is disabled' .sacct && [ ! -e output.log ] && return 0
  cat .sacct >&2
  return 1
}
unsettled() {  # whether sbatch was called a moment ago
  [ -s asked ] && [ $(($(date +%s) - $(tail -n 1 asked))) -lt "$settled" ]
}
"""

FIND_OR_SUBMIT = (
    r"""
set -u; LC_ALL=C; export LC_ALL
cd -- "$folder" || exit 3
exec 9>lock || exit 3
if command -v flock >/dev/null && ! flock -w 60 9; then
  echo 'another submission of the same job is under way there' >&2; exit 7
fi
me=$(id -un)
"""
    + _LOOK
    + r"""
known() {
  printf '%s\n' "$id" >.id-new && mv .id-new id
  if [ "$by_itself" = 1 ]; then ln -sf "compss-$id.out" output.log; ln -sf "compss-$id.err" error.log; fi
  printf '%s %s\n' "$1" "$id"
  exit 0
}
bounded() { if command -v timeout >/dev/null; then timeout 100 "$@"; else "$@"; fi }

if [ -s id ]; then id=$(cat id); known adopted; fi
in_queue || exit 4
[ -n "$id" ] || in_history || exit 4
[ -z "$id" ] || known adopted
if unsettled; then
  echo "sbatch was called $(($(date +%s) - $(tail -n 1 asked))) s ago, the job is not in the queue yet" >&2; exit 7
fi
date +%s >>asked || exit 3
if [ "$by_itself" = 1 ]; then
  said=$(bounded "$@" 2>.said 9>&-); code=$?
else
  said=$(bounded sbatch --parsable "$@" job.sh 2>.said 9>&-); code=$?
fi
words=$(printf '%s\n' "$said"; cat .said)
found=$(printf '%s\n' "$said" | sed -n 's/^.*Submitted batch job \([0-9][0-9]*\).*$/\1/p')
if [ "$by_itself" = 0 ] && [ -z "$found" ]; then
  found=$(printf '%s\n' "$said" | sed -n -e 's/^\([0-9][0-9]*\)$/\1/p' -e 's/^\([0-9][0-9]*\);[^;]*$/\1/p')
fi
if [ "$code" = 0 ] && [ "$(printf '%s\n' "$found" | grep -c .)" = 1 ]; then id=$found; known submitted; fi
# what was said is not the number of the job: the queue knows it by its name
if in_queue; then [ -z "$id" ] || known submitted; fi
printf '%s\n' "$words" >&2
[ "$code" != 0 ] || { echo 'the job is not in the queue' >&2; exit 7; }
case $code in 126 | 127) refused ;; esac  # it is no command there
[ "$code" != 124 ] || { echo 'it did not answer within 100 s' >&2; exit 7; }
[ "$code" -lt 128 ] || exit 7
lost='tim(ed|e)[ -]?out|zero bytes|connect|communicat|(unexpected|invalid) message|temporar'
if printf '%s\n' "$words" | grep -qiE "$lost"; then exit 7; fi
refused
"""
)
"""The last line is the answer: ``submitted ID`` or ``adopted ID``. Given: folder, token, by_itself, settled; words."""

STATUS = r"""
LC_ALL=C; export LC_ALL
me=$(id -un)
cd -- "$folder" 2>/dev/null || cd /
queue=$(squeue -h -t all -u "$me" -o '%i|%j|%T|%r|%S|' 2>&1); code=$?
printf '@squeue %s\n%s\n' "$code" "$queue"
if [ "$code" = 0 ]; then
  gone=$(printf '%s\n' "$queue" | awk -F'|' -v all="$tokens" -v living="$living" '
    BEGIN { n = split(all, t, " "); for (i = 1; i <= n; i++) want[t[i]] = 1
            n = split(living, t, " "); for (i = 1; i <= n; i++) lives[t[i]] = 1 }
    $3 in lives { delete want[$2] }
    END { for (name in want) print name }')
  if [ -n "$gone" ]; then
    ids= names= since=
    for t in $gone; do
      if [ -s "$t/id" ]; then ids="$ids,$(head -n 1 "$t/id")"; continue; fi
      names="$names,$t"
      if [ -s "$t/asked" ]; then asked=$(head -n 1 "$t/asked"); else asked=$(($(date +%s) - 86400)); fi
      [ -n "$since" ] && [ "$since" -le "$asked" ] || since=$asked
    done
    history() { sacct -n -P -X -u "$me" "$@" -o JobID,JobName,State,Reason,Start,ExitCode 2>&1; }
    known= code=0
    # jobs are asked for by their numbers, wherever these are known: no range of time is needed for that
    [ -z "$ids" ] || { known=$(history -j "${ids#,}"); code=$?; }
    if [ "$code" = 0 ] && [ -n "$names" ]; then
      since=$(date -d "@$((since - 300))" +%Y-%m-%dT%H:%M:%S)
      more=$(history --name="${names#,}" -S "$since"); code=$?
      known="$known
$more"
    fi
    printf '@sacct %s\n%s\n' "$code" "$known"
    echo '@exit'
    for t in $gone; do [ ! -s "$t/exit" ] || printf '%s %s\n' "$t" "$(cat "$t/exit")"; done
    echo '@asked'
    for t in $gone; do [ -s "$t/id" ] || [ ! -s "$t/asked" ] ||
      [ $(($(date +%s) - $(tail -n 1 "$t/asked"))) -ge "$settled" ] || echo "$t"; done
  fi
  if printf '%s\n' "$queue" | awk -F'|' -v all="$tokens" '
    BEGIN { n = split(all, t, " "); for (i = 1; i <= n; i++) want[t[i]] = 1 }
    ($2 in want) && $3 == "PENDING" { found = 1 } END { exit !found }'
  then echo '@waiting'; squeue -h -t PENDING -S -p -o %F 2>/dev/null | awk '!seen[$0]++'; fi
fi
echo '@sizes'
for t in $tokens; do echo "$t/output.log"; done | xargs stat -L -c '%n %s' 2>/dev/null
true
"""
"""Given: folder, tokens, living (states), settled.

Sections that begin with ``@``: the rows of squeue, and of sacct for what is not in it any more; exit statuses that jobs
left; those that may appear in it yet; who waits in it; sizes of outputs."""

CANCEL = (
    r"""
LC_ALL=C; export LC_ALL
me=$(id -un)
if cd -- "$folder" 2>/dev/null && touch lock 2>/dev/null && command -v flock >/dev/null; then
  exec 9>>lock
  flock -w 110 9 || { echo 'a submission of the job is under way there' >&2; exit 7; }
fi
"""
    + _LOOK
    + r"""
scancel -u "$me" -n "$token" 9>&- || exit 4
turns=0
while [ "$turns" -lt 60 ]; do
  left=$(squeue -h -u "$me" -n "$token" -o %T 9>&-) || exit 4
  [ -n "$left" ] || break
  turns=$((turns + 1)); sleep 0.5
done
[ -z "$left" ] || { printf '%s\n' "$left" | head -n 1 >&2; exit 6; }
if [ -d "$folder" ] && [ ! -s id ] && unsettled; then
  in_queue || exit 4
  [ -n "$id" ] || { echo 'it is not known yet whether the job was submitted' >&2; exit 7; }
fi
exit 0
"""
)
"""Given: folder, token, settled."""
