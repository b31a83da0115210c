#!/bin/sh
# The first process of the kernel that script/test-gpio boots: runs the suite for lamp inputs there, then switches off.
# The root file system is the host's own, read-only; only $STOPLINE_GPIO_SIM, where results go, can be written.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/run TMPDIR=/run PYTHONDONTWRITEBYTECODE=1 CI=1
checkout=$(dirname "$(dirname "$0")")
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t configfs config /sys/kernel/config
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /run  # not on /tmp, where the checkout itself may lie
mount -t hostfs -o "$STOPLINE_GPIO_SIM" results "$STOPLINE_GPIO_SIM"
# gpiozero asks which Raspberry Pi this is: a Pi 5.
printf 'Revision\t: c04170\n' > /run/cpuinfo
mount --bind /run/cpuinfo /proc/cpuinfo

cd "$checkout" || exit
.venv/bin/python -m pytest -q -p no:cacheprovider -p no:randomly --color=no --timeout=120 tests/sources/test_gpio_suite.py
echo $? > "$STOPLINE_GPIO_SIM/status"
.venv/bin/python -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)'  # LINUX_REBOOT_CMD_POWER_OFF
