trap 'touch "$folder/trapped"' EXIT
printf '%s' "$said" > "$folder/said"
if [ "$how" = badly ]; then
  echo "it went badly" >&2
  exit 7
fi
[ "$how" = forgetful ] || export LATE=later
set -eu
