#!/bin/sh
# Lays a tree of settings over a system and keeps what its operator has changed there: settings.sh FROM TO
# What was laid down is noted by its hash. A file below etc/ that is still as it was laid down is replaced by a newer one;
# one that the operator has changed stays, and the newer one is put beside it, with .new behind its name. A file that was
# there before the first run, of Debian's or the operator's, is kept with .before-stopline behind its name. Programs (all
# that does not lie below etc/) are always replaced.
set -eu
from=$1
to=${2%/}
notes=$to/usr/local/share/stopline/settings.sha256

hash_of() { sha256sum "$1" | cut -d' ' -f1; }
noted() { awk -v file="$1" '$2 == file {print $1}' "$notes"; }

# lay FILE: a whole file or the old one, whenever the power fails.
lay() {
  mkdir -p "$(dirname "$to/$1")"
  cp -p "$from/$1" "$to/$1.laying"
  mv "$to/$1.laying" "$to/$1"
}

note() {
  awk -v file="$1" '$2 != file' "$notes" > "$notes.new"
  echo "$2 $1" >> "$notes.new"
  mv "$notes.new" "$notes"
}

settle() {
  file=$1
  new=$(hash_of "$from/$file")
  case "$file" in
    etc/*) ;;
    *) lay "$file"; return ;;
  esac
  if [ -e "$to/$file" ]; then
    now=$(hash_of "$to/$file")
    before=$(noted "$file")
    if [ "$now" != "$new" ] && [ -n "$before" ] && [ "$now" != "$before" ]; then
      cp -p "$from/$file" "$to/$file.new"
      echo "stopline: /$file was changed here and is left so; the new one is /$file.new"
      return
    fi
    if [ "$now" != "$new" ] && [ -z "$before" ]; then cp -p "$to/$file" "$to/$file.before-stopline"; fi
  fi
  lay "$file"
  rm -f "$to/$file.new"
  note "$file" "$new"
}

mkdir -p "$(dirname "$notes")"
touch "$notes"
# No name in the tree has a space.
for file in $(cd "$from" && find . -type f | sed 's|^\./||' | sort); do settle "$file"; done
