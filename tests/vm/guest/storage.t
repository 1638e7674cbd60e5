#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The means that storage tests stand on, each by one small proof: what this fails
# at, no test above it can tell.
. "$(dirname "$0")/guest.sh"
requires_root
shopt -s extglob
pod_rootfs
cd "$T" || exit 1

serial_of() { cat "/sys/block/$1/serial" 2>/dev/null; }
disk_by_serial() { # SERIAL: prints its name
	local d
	for d in /sys/block/vd*; do
		[ "$(serial_of "${d##*/}")" != "$1" ] || echo "${d##*/}"
	done
}

# ---- disks that come and go --------------------------------------------------------------

if [ -c /dev/ttyS1 ]; then
	modprobe -a acpiphp pciehp 2>/dev/null
	host plug one 64 SERIAL-ONE
	wait_for 20 eval '[ -n "$(disk_by_serial SERIAL-ONE)" ]'
	d=$(disk_by_serial SERIAL-ONE)
	is "$(cat "/sys/block/$d/size" 2>/dev/null)" 131072 "a disk with a serial is hot-plugged"
	mkfs.ext4 -q "/dev/$d" && mkdir m && mount "/dev/$d" m && echo data >m/f && umount m
	ok $? "and can be used"
	host pull one
	wait_for 20 eval '[ -z "$(disk_by_serial SERIAL-ONE)" ]'
	ok $? "it is pulled while idle"
	host plug two 64 SERIAL-TWO
	wait_for 20 eval '[ -n "$(disk_by_serial SERIAL-TWO)" ]'
	d=$(disk_by_serial SERIAL-TWO)
	mkfs.ext4 -q "/dev/$d" && mount "/dev/$d" m && echo data >m/f && sync
	host pull two
	wait_for 20 eval '[ -z "$(disk_by_serial SERIAL-TWO)" ]'
	(echo more >m/g && sync m/g) 2>/dev/null
	[ $? -ne 0 ]
	ok $? "one that is pulled while in use fails what is written to it"
	umount m
else
	skip "disks that come and go" "there is no driver"
fi

# ---- quotas ----------------------------------------------------------------------------------

truncate -s 400M q.img
for fs in ext4 xfs; do
	mkdir -p q
	if [ $fs = ext4 ]; then
		mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota q.img && mount -o loop,prjquota q.img q
	else
		mkfs.xfs -q -f q.img && mount -o loop,prjquota q.img q
	fi
	mkdir q/d
	chattr +P -p 77 q/d 2>/dev/null || xfs_io -c 'chproj 77' -c 'chattr +P' q/d
	setquota -P 77 0 4096 0 0 q
	# CAP_SYS_RESOURCE is above an ext4 quota; the first process of a container does not have it.
	err=$(setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource dd if=/dev/zero of=q/d/f bs=1M count=16 2>&1)
	like "$err" "*@(No space left|quota exceeded)*" "$fs: a project quota is enforced"
	umount q
done

# ---- device-mapper, nbd, scsi_debug, tmpfs ---------------------------------------------------------

export DM_DISABLE_UDEV=1 # dmsetup makes the nodes itself
modprobe -a dm_mod dm_flakey dm_log_writes nbd 2>/dev/null
truncate -s 64M a.img log.img
a=$(losetup -f --show a.img) l=$(losetup -f --show log.img)
size=$(blockdev --getsz "$a")
dm() { dmsetup create "kt-$1" --table "$2"; }
gone() { wait_for 5 dmsetup remove "kt-$1"; }
dm lin "0 $size linear $a 0" && head -c 512 /dev/mapper/kt-lin >/dev/null
ok $? "dm-linear"
gone lin
dm err "0 $size error"
like "$(head -c 512 /dev/mapper/kt-err 2>&1)" "*Input/output error*" "dm-error fails every read"
gone err
dm fl "0 $size flakey $a 0 0 60 1 drop_writes"
echo lost | dd of=/dev/mapper/kt-fl bs=512 conv=sync,fsync oflag=direct 2>/dev/null
gone fl
is "$(head -c 4 "$a" | tr -d '\0')" "" "dm-flakey drops writes"
dm log "0 $size log-writes $a $l"
dmsetup message kt-log 0 mark here
echo kept | dd of=/dev/mapper/kt-log bs=4096 conv=sync,fsync 2>/dev/null
gone log
blockdev --flushbufs "$l"
[ "$(od -An -tu8 -j16 -N8 "$l" | tr -d ' ')" -ge 2 ]
ok $? "dm-log-writes has logged"
losetup -d "$a" "$l"

truncate -s 32M n.img
nbd-server -C /dev/null 127.0.0.1@10809 "$T/n.img" -p "$T/nbd.pid" >/dev/null 2>&1
if wait_for 5 nbd-client 127.0.0.1 10809 /dev/nbd0 && [ "$(blockdev --getsz /dev/nbd0)" = 65536 ]; then
	ok 0 "an NBD device"
	nbd-client -d /dev/nbd0 >/dev/null 2>&1
else
	ok 1 "an NBD device"
fi
[ ! -s "$T/nbd.pid" ] || kill "$(cat "$T/nbd.pid")"

modprobe sd_mod
modprobe scsi_debug dev_size_mb=16 && wait_for 10 eval 'ls /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block >/dev/null'
ok $? "scsi_debug gives a disk"
wait_for 10 modprobe -r scsi_debug

if kernel_at_least 6.4; then
	mkdir ns && mount -t tmpfs -o noswap tmpfs ns && umount ns
	ok $? "tmpfs noswap"
	up "$TAG-1" --empty-dir m:/m:medium=Memory
	sh_in "$TAG-1" 'grep " /m " /proc/mounts'
	like "$out" "*noswap*" "an emptyDir in memory is not swapped"
	"$K" delete --force "$TAG-1"
else
	skip "tmpfs noswap" "needs Linux 6.4"
fi

# ---- a volume on real block devices below it ------------------------------------------------------------

for fs in ext4 xfs; do
	truncate -s 900M s.img && mkfs.$fs -q s.img 2>/dev/null && mkdir -p st && mount -o loop s.img st
	KSHIM_STATE_DIR=$T/st/state "$K" run --rootfs "$R" --pod ns/p-0 --volume-claim-template data:320Mi:/d "$TAG-1" -- sh -c 'echo 1 >/d/f; sync' </dev/null
	out=$(KSHIM_STATE_DIR=$T/st/state "$K" run --rootfs "$R" --pod ns/p-0 --volume-claim-template data:320Mi:/d "$TAG-1" -- cat /d/f </dev/null)
	is "$out" 1 "a volume with its state directory on $fs"
	wait_for 10 umount st
	rm -f s.img
done

no_leaks
