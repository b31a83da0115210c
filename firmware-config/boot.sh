#!/bin/sh
# Writes what a node needs into a Raspberry Pi's boot partition, at any place in the tree: boot.sh FOLDER
#   config.txt    between two marks, so that a second run replaces what the first has written and leaves all else alone
#   cmdline.txt   one word on its one line: without it the firmware switches off the memory limits of services
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
word=cgroup_enable=memory

# replace FILE: by FILE.new, whole or not at all.
replace() {
  sync "$1.new"
  mv "$1.new" "$1"
}

set_config() {
  awk '/^# stopline begin/ {skip = 1} !skip {print} /^# stopline end/ {skip = 0}' "$folder/config.txt" > "$folder/config.txt.new"
  { echo "# stopline begin"; cat "$here/boot/config.txt"; echo "# stopline end"; } >> "$folder/config.txt.new"
  replace "$folder/config.txt"
}

set_command_line() {
  if grep -qw "$word" "$folder/cmdline.txt"; then return; fi
  # Only the first line counts; what comes behind it is nobody's.
  awk -v word="$word" 'NR == 1 {sub(/[[:space:]]+$/, ""); print $0 " " word}' "$folder/cmdline.txt" > "$folder/cmdline.txt.new"
  replace "$folder/cmdline.txt"
}

if [ -f "$folder/config.txt" ]; then set_config; fi
if [ -f "$folder/cmdline.txt" ]; then set_command_line; fi
