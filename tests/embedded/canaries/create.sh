# nothing else is started before: what a script starts has its variables in its environment
: >"$folder/held.$NODE"
exec 9<>"$folder/pipe"
while [ -e "$folder/hold" ]; do read -r -t 0.1 -u 9; done
PLAIN="nothing to hide"
SAME="$secret"
INSIDE="pre${secret}post"
BASE64=$(printf 'me:%s' "$secret" | base64)
URL=$(python3 -c 'import sys, urllib.parse; print("https://me:" + urllib.parse.quote(sys.stdin.read(), safe="") + "@host")' <<<"$secret")
JSON="{\"list\": $list, \"map\": $map}"
echo "said: $secret"
echo "on the side: $joined" >&2
printf '%s\n' "$map"
printf 'quoted: %q\n' "$secret"
