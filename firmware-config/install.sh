#!/bin/sh
# Makes a node of a Raspberry Pi OS or Debian (bookworm, trixie): what cloud-init runs on the first boot, what the image's
# recipe runs while it is built, and what script/test-arm64 and script/test-unit run. Run it as root, from the unpacked
# bundle that bundle.py made. A second run changes nothing that the first has done; a newer bundle's run is an upgrade, and
# leaves alone what was changed by hand (settings.sh).
#   install.sh                on the device itself
#   install.sh --image        while an image is built: nothing is started, no device is touched
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=/opt/stopline
image=no
[ "${1:-}" = --image ] && image=yes

say() { printf 'stopline: %s\n' "$*"; }
fail() { printf 'stopline: %s\n' "$*" >&2; exit 2; }

[ "$(id -u)" -eq 0 ] || fail "install.sh changes the system: run it as root (sudo sh install.sh)"
[ -n "$(find "$here" -maxdepth 1 -name 'stopline-*.whl')" ] || fail "no stopline wheel lies beside install.sh: make the bundle with bundle.py and unpack it"

# A Raspberry Pi has no clock of its own before it has asked for the time, and apt refuses lists from what it takes for the
# future.
wait_for_time() {
  command -v timedatectl >/dev/null && [ -d /run/systemd/system ] || return 0
  waited=0
  while synced=$(timedatectl show --property=NTPSynchronized --value) && [ "$synced" != yes ]; do
    if [ "$waited" -ge 300 ]; then say "no time from the network after $waited s: going on with the clock as it is"; return 0; fi
    sleep 5
    waited=$((waited + 5))
  done
}

update_lists() {
  for attempt in 1 2 3 4 5; do
    if apt-get update -qq; then return 0; fi
    say "no package list could be fetched (attempt $attempt of 5)"
    [ "$attempt" -eq 5 ] || sleep $((attempt * 10))
  done
  say "going on with the packages that are there already"
}

install_packages() {
  # chrony: the clock with a stated bound. nftables: the firewall. The packages of the lamp
  # inputs (lgpio), of the camera and of the boot EEPROM exist on Raspberry Pi OS alone.
  packages="python3 python3-venv ca-certificates chrony nftables"
  for wish in python3-lgpio python3-picamera2 rpi-eeprom; do
    if apt-cache show "$wish" >/dev/null 2>&1; then packages="$packages $wish"; else say "no package $wish here: left out"; fi
  done
  missing=""
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  say "installing$missing"
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}

make_user() {
  getent group stopline >/dev/null || groupadd --system stopline
  id stopline >/dev/null 2>&1 || useradd --system --gid stopline --home-dir /var/lib/stopline --no-create-home --shell /usr/sbin/nologin stopline
  for group in video gpio render tss; do
    if getent group "$group" >/dev/null; then usermod -a -G "$group" stopline; fi
  done
  install -d -m 0750 -o stopline -g stopline /var/lib/stopline
  install -d -m 0750 -o root -g stopline /etc/stopline
}

# Raspberry Pi OS has lgpio as a package; elsewhere there is a wheel for some Pythons and none for others.
install_lamp_inputs() {
  "$venv/bin/python" -c 'import lgpio' 2>/dev/null && return 0
  "$venv/bin/python" -m pip install "$@" --only-binary=:all: 'lgpio>=0.2.2' 2>/dev/null && return 0
  if grep -qs 'Raspberry Pi' /proc/device-tree/model; then fail "lgpio cannot be installed, so no lamp input could be read: apt install python3-lgpio"; fi
  say "no lgpio for this Python here, and no Raspberry Pi: lamps on wires cannot be read"
}

# Picamera2 wants simplejpeg, and bookworm's package of it was built for numpy 1, which cannot live beside the node's numpy.
install_camera() {
  dpkg-query -W -f '${Status}' python3-picamera2 2>/dev/null | grep -q 'ok installed' || return 0
  "$venv/bin/python" -c 'import simplejpeg' 2>/dev/null && return 0
  "$venv/bin/python" -m pip install "$@" --no-deps --only-binary=:all: --ignore-installed 'simplejpeg>=1.8.1' ||
    fail "simplejpeg cannot be installed, so the camera could not be read: make the bundle with --wheels, or give this machine a way to a package index"
}

install_program() {
  # The system's packages are seen (picamera2 comes from there); what the lock names is installed in front of them.
  [ -x "$venv/bin/pip" ] || python3 -m venv --system-site-packages "$venv"
  set -- --quiet --disable-pip-version-check --no-cache-dir
  if [ -d "$here/wheels" ]; then set -- "$@" --no-index --find-links "$here/wheels"; fi
  say "installing the program into $venv"
  "$venv/bin/python" -m pip install "$@" --ignore-installed --require-hashes --requirement "$here/requirements.txt"
  "$venv/bin/python" -m pip install "$@" --no-deps --force-reinstall "$here"/stopline-*.whl
  install_lamp_inputs "$@"
  install_camera "$@"
  ln -sf "$venv/bin/stopline" /usr/local/bin/stopline
  "$venv/bin/stopline" --version
}

install_settings() {
  sh "$here/settings.sh" "$here/rootfs" /
  install -D -m 0644 "$here/boot/eeprom.conf" /usr/local/share/stopline/eeprom.conf
  install -d -m 0750 -o root -g stopline /etc/stopline/nftables.d
  for file in site.toml node.toml ca.pem update.pem; do
    if [ -f "$here/$file" ] && [ ! -e "/etc/stopline/$file" ]; then
      install -m 0640 -o root -g stopline "$here/$file" "/etc/stopline/$file"
    fi
  done
}

set_boot_settings() {
  if [ -f /boot/firmware/config.txt ]; then sh "$here/boot.sh" /boot/firmware
  elif [ -f /boot/config.txt ]; then sh "$here/boot.sh" /boot
  else say "no config.txt on this machine: the boot settings are left out"; fi
}

# Nothing of a node's memory may reach the card from here on; rpi-swap itself removes its file at the next start.
leave_swap() {
  grep -qs 'Raspberry Pi' /proc/device-tree/model || return 0
  swapoff -a || say "the swap that is in use could not be given up: it ends with the next start"
}

# SSH is switched on where somebody who may log in has a key, and nowhere else; ssh-keygen knows a key from a placeholder.
open_ssh() {
  [ -e /usr/lib/systemd/system/ssh.service ] || [ -e /lib/systemd/system/ssh.service ] || return 0
  for user in $(getent group sudo | cut -d: -f4 | tr ',' ' '); do
    keys=$(getent passwd "$user" | cut -d: -f6)/.ssh/authorized_keys
    if [ -s "$keys" ] && ssh-keygen -l -f "$keys" >/dev/null 2>&1; then
      systemctl --quiet enable ssh.service
      if [ -d /run/systemd/system ]; then systemctl --no-block start ssh.service; fi
      say "SSH is on, for the key of $user"
      return 0
    fi
  done
  say "nobody of the group sudo has an SSH key: SSH is not switched on"
}

enable_services() {
  units="var-tmp.mount stopline.service stopline-again.timer stopline-update.service nftables.service chrony.service"
  unwanted="systemd-timesyncd.service bluetooth.service hciuart.service avahi-daemon.service ModemManager.service triggerhappy.service cups.service rpcbind.service apt-daily.timer apt-daily-upgrade.timer man-db.timer"
  # Raspberry Pi OS has one of two ways to swap to the card, and what makes the newer one may come with any update.
  swapping="dphys-swapfile.service rpi-resize-swap-file.service rpi-zram-writeback.service rpi-zram-writeback.timer"
  for unit in $unwanted; do
    if [ -e "/usr/lib/systemd/system/$unit" ] || [ -e "/lib/systemd/system/$unit" ] || [ -e "/etc/systemd/system/$unit" ]; then
      systemctl --quiet disable "$unit" 2>/dev/null || true
      systemctl --quiet mask "$unit" 2>/dev/null || true
    fi
  done
  for unit in $swapping; do
    systemctl --quiet mask "$unit" 2>/dev/null || true
  done
  for unit in $units; do
    systemctl --quiet enable "$unit"
  done
  if [ "$image" = no ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl restart chrony.service nftables.service systemd-journald.service
    systemctl --no-block restart stopline.service
  fi
}

if [ "$image" = no ]; then
  wait_for_time
  update_lists
fi
install_packages
make_user
install_program
install_settings
set_boot_settings
if [ "$image" = no ]; then
  leave_swap
  /usr/local/sbin/stopline-eeprom || true
  open_ssh
fi
enable_services
say "installed; next: the keys and the site file (docs/install.md)"
