#!/bin/sh
# Makes a node of a Raspberry Pi OS or Debian (bookworm, trixie): what cloud-init runs on the first boot, what the image's
# recipe runs while it is built, and what script/test-arm64 runs under emulation. Run it as root, from the unpacked bundle
# that bundle.py made. A second run changes nothing that the first has done; a newer bundle's run is an upgrade.
#   install.sh                on the device itself
#   install.sh --image        while an image is built: nothing is started, the boot partition is left to the recipe
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=/opt/stopline
image=no
[ "${1:-}" = --image ] && image=yes

say() { printf 'stopline: %s\n' "$*"; }
fail() { printf 'stopline: %s\n' "$*" >&2; exit 2; }

[ "$(id -u)" -eq 0 ] || fail "install.sh changes the system: run it as root (sudo sh install.sh)"
[ -n "$(find "$here" -maxdepth 1 -name 'stopline-*.whl')" ] || fail "no stopline wheel lies beside install.sh: make the bundle with bundle.py and unpack it"

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

install_program() {
  # The system's packages are seen (picamera2 comes from there); what the lock names is installed in front of them.
  [ -x "$venv/bin/pip" ] || python3 -m venv --system-site-packages "$venv"
  set -- --quiet --disable-pip-version-check --no-cache-dir
  if [ -d "$here/wheels" ]; then set -- "$@" --no-index --find-links "$here/wheels"; fi
  say "installing the program into $venv"
  "$venv/bin/python" -m pip install "$@" --ignore-installed --require-hashes --requirement "$here/requirements.txt"
  "$venv/bin/python" -m pip install "$@" --no-deps --force-reinstall "$here"/stopline-*.whl
  install_lamp_inputs "$@"
  ln -sf "$venv/bin/stopline" /usr/local/bin/stopline
  stopline --version
}

install_settings() {
  cp -R "$here/rootfs/." /
  for file in site.toml node.toml ca.pem; do
    if [ -f "$here/$file" ] && [ ! -e "/etc/stopline/$file" ]; then
      install -m 0640 -o root -g stopline "$here/$file" "/etc/stopline/$file"
    fi
  done
  chmod 0755 /usr/local/sbin/stopline-update
}

# Between two marks, so that a second run replaces what the first has written and leaves all else alone.
set_boot_settings() {
  config=""
  for candidate in /boot/firmware/config.txt /boot/config.txt; do
    if [ -f "$candidate" ]; then config=$candidate; break; fi
  done
  [ -n "$config" ] || { say "no config.txt on this machine: the boot settings are left out"; return 0; }
  awk '/^# stopline begin/ {skip = 1} !skip {print} /^# stopline end/ {skip = 0}' "$config" > "$config.new"
  { echo "# stopline begin"; cat "$here/boot/config.txt"; echo "# stopline end"; } >> "$config.new"
  sync "$config.new"
  mv "$config.new" "$config"
  if command -v rpi-eeprom-config >/dev/null; then
    rpi-eeprom-config --apply "$here/boot/eeprom.conf" || say "the boot EEPROM was left as it is"
  fi
}

enable_services() {
  units="var-tmp.mount stopline.service stopline-update.service nftables.service chrony.service"
  unwanted="systemd-timesyncd.service bluetooth.service hciuart.service avahi-daemon.service ModemManager.service triggerhappy.service cups.service rpcbind.service apt-daily.timer apt-daily-upgrade.timer man-db.timer dphys-swapfile.service"
  for unit in $unwanted; do
    if [ -e "/usr/lib/systemd/system/$unit" ] || [ -e "/lib/systemd/system/$unit" ] || [ -e "/etc/systemd/system/$unit" ]; then
      systemctl --quiet disable "$unit" 2>/dev/null || true
      systemctl --quiet mask "$unit" 2>/dev/null || true
    fi
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

if [ "$image" = no ]; then apt-get update -qq || say "no package list could be fetched: what is installed already must do"; fi
install_packages
make_user
install_program
install_settings
if [ "$image" = no ]; then set_boot_settings; fi
enable_services
say "installed; next: the keys and the site file (docs/install.md)"
