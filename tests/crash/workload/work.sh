# work.sh FOLDER TOKEN NODE OPERATION SECONDS HEARD: leaves a line when it begins and one when it ends; fails when told to.
folder=$1 token=$2 node=$3 operation=$4 seconds=$5 heard=$6
name=$$-$(date +%s%N)
echo "begin $node $operation $name" >> "$folder/traces/$token"
sleep "$seconds"
if [ -e "$folder/fail/$token-$node" ]; then
  echo "fail $node $operation $name" >> "$folder/traces/$token"
  exit 7
fi
echo "end $node $operation $name $heard" >> "$folder/traces/$token"
echo "$name"
