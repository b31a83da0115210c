# A Debian trixie of its own under build/, for the scripts that source this: they set FOLDER, where it is kept and noted how
# far it has come, and ROOT, the userland itself.
# shellcheck shell=bash

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
skip() { echo "SKIPPED ${0#"$PWD"/}: $*"; exit 0; }

# What all of them need of the machine.
need_own_debian() {
    [ "$(id -u)" = 0 ] || skip "making a Debian of its own needs root"
    command -v apt-get >/dev/null || skip "this is no Debian"
    unshare --mount --pid --fork true 2>/dev/null || skip "mount namespaces are not allowed here"
}

# once NAME WORDS COMMAND...: does what the earlier runs have not done to its end.
once() {
    local name=$1 words=$2
    shift 2
    [ -e "$FOLDER/$name.done" ] && return
    say "$words"
    "$@" >"$FOLDER/$name.log" 2>&1 || { tail -n 20 "$FOLDER/$name.log"; echo "$name failed: see $FOLDER/$name.log"; exit 1; }
    touch "$FOLDER/$name.done"
}

# The mirror that this machine's own packages come from.
mirror() {
    { sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
      sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
      echo https://deb.debian.org/debian
    } 2>/dev/null | grep -m1 '/debian/\?$'
}

# bootstrap PACKAGES: a fresh userland with these and no others but the smallest set.
bootstrap() {
    if ! command -v debootstrap; then
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap
    fi
    rm -rf "$ROOT"
    debootstrap --variant=minbase --include="$1" \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$ROOT" "$(mirror)"
}

inside() { chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
