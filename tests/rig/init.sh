#!/bin/busybox sh
# First process of the guest: drivers, udev with the package's rules, then the tests.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mkdir -p /dev/pts
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mkdir -p /run/udev
ip link set lo up
for module in $(cat /modules); do
    modprobe "$module" || echo "no module $module"
done
/lib/systemd/systemd-udevd --daemon --resolve-names=early
udevadm trigger --action=add
udevadm settle -t 30
mount -t configfs none /sys/kernel/config
rig
dmesg | tail -n 40
poweroff -f
