. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
tell "$SSH_CONNECTION" "$(cat "$notes")" > "$folder/configured"
