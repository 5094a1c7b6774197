#!/bin/sh
# Usage: launch.sh EVENTS GO PROGRAM ARGUMENT...
# Tells its own process id and start time through the pipe EVENTS, waits for the line "go" from the pipe GO, and becomes
# PROGRAM: so the orchestrator has recorded the process before it does anything. ORCH_RUN marks all that descends from it.
set -f
events=$1
go=$2
shift 2
read -r stat </proc/$$/stat
field_20() {
    shift 19
    printf %s "$1"
}
# The 22nd field is the 20th after the program's name, which is in parentheses.
start=$(field_20 ${stat##*) })
export ORCH_RUN="$$-$start"
# The agent's socket is there, and a socket's path is at most 108 characters long: this is a short name for it.
[ "$ANSIBLE_SSH_AGENT" = auto ] && export ANSIBLE_LOCAL_TEMP="/proc/$$/cwd/tmp"
# Opened for reading too, lest it waits for a reader that has died.
printf '{"type": "process", "pid": %s, "start": %s}\n' "$$" "$start" 1<>"$events"
read -r answer <"$go" || exit 250
[ "$answer" = go ] || exit 250
exec "$@" </dev/null
