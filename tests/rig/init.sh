#!/bin/busybox sh
# Drivers, udev with the package's rules, then the tests: the first process of the guest, or a service of
# systemd, which has mounted the rest.
export PATH=/bin:/sbin
if [ ! -d /run/systemd/system ]; then
    /bin/busybox mount -t proc proc /proc
    /bin/busybox mount -t sysfs sys /sys
    /bin/busybox mount -t devtmpfs dev /dev
    /bin/busybox mkdir -p /dev/pts
    /bin/busybox mount -t tmpfs tmpfs /run
    /bin/busybox mount -t tmpfs tmpfs /tmp
    /bin/busybox mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
fi
/bin/busybox --install -s /bin
mkdir -p /run/udev
ip link set lo up
for module in $(cat /modules); do
    modprobe "$module" || echo "no module $module"
done
/lib/systemd/systemd-udevd --daemon --resolve-names=early
udevadm trigger --action=add
udevadm settle -t 30
grep -q configfs /proc/mounts || mount -t configfs none /sys/kernel/config
rig
dmesg | tail -n 40
poweroff -f
