# neither executable nor with a first line that names a shell; a failing command does not end it
false
unset no_such_variable
echo "the number of arguments is $#"
echo "trouble" >&2
test "$#" = 0 || exit 9
{
  printf '%s\0' "$NODE" "$INSTANCE" "$INSTANCES" "$word" "$Shell_0_word" "$numbers" "$flag" "$(cat "$notes")"
  printf '%s\0' "${#secret}" "$(basename "$0")" "$(test -d "$dest_folder" && echo yes)"
} > "$folder/shell"
export SAID="$word, and
more, \"quoted\""
TOLD="$(exit 3; echo not)$secret"
PLAIN=plain
exit 0
