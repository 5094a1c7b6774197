# work.sh FOLDER TOKEN NODE OPERATION SECONDS HEARD: leaves a line when it begins and one when it ends; fails when told to.
folder=$1 token=$2 node=$3 operation=$4 seconds=$5 heard=$6
name=$$-$(date +%s%N)
trace() { echo "$1 $(date +%s.%N) $node $operation $name $2" >> "$folder/traces/$token"; }
trace begin
sleep "$seconds"
if [ -e "$folder/fail/$token-$node" ]; then
  trace fail
  exit 7
fi
trace end "$heard"
echo "$name"
