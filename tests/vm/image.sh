#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a guest boots from, made of Debian packages and kept: kernels that are
# unpacked and not installed, an initial ramdisk with the few modules to the
# root disk, and the root disk. Usage: image.sh CACHE-DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cache=$(cd "$1" && pwd)

# A name for each kernel, and the package that depends on its newest build.
kernels="6.1=linux-image-cloud-amd64 6.12=linux-image-6.12-cloud-amd64"
packages=bash,coreutils,util-linux,mount,e2fsprogs,xfsprogs,kmod,jq,runc,crun,busybox-static,perl
packages=$packages,procps,iproute2,dmsetup,nbd-client,nbd-server,quota,containerd,systemd-sysv,dbus
packages=$packages,libmount1,udev,psmisc,python3,python3-grpcio,uidmap,dbus-user-session,libpam-systemd,criu,iptables,apparmor,secilc

image_of() { apt-cache depends "$1" 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }'; }

stamp=$(cat "$here/image.sh" "$here/kshim-suite.service" "$here/resctrl/"*; ls -d /usr/src/linux-headers-*-cloud-* 2>/dev/null || true; for k in $kernels; do image_of "${k#*=}"; done)
stamp=$(sha256sum <<<"$stamp" | cut -d' ' -f1)
[ "$(cat "$cache/stamp" 2>/dev/null || true)" != "$stamp" ] || exit 0

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
echo "vm: making the image (once)" >&2
mkdir "$work/root"
# The longest step, kept by itself.
tarball=$cache/root-$(sha256sum <<<"$packages" | cut -c1-12).tar
if [ ! -e "$tarball" ]; then
	rm -f "$cache"/root-*.tar
	mmdebstrap --quiet --variant=minbase --mode=root --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$work/root.tar"
	mv "$work/root.tar" "$tarball"
fi
tar -C "$work/root" -xf "$tarball"
# The rest of the start is in the payload, so that it can change without a new image.
cat >"$work/root/sbin/kshim-init" <<'E'
#!/bin/bash
mount -t tmpfs tmpfs /k && tar -C /k -xf /dev/vdb
exec /k/tests/vm/init
E
chmod 755 "$work/root/sbin/kshim-init"
install -m 644 "$here/kshim-suite.service" "$work/root/etc/systemd/system/kshim-suite.service"
mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants" "$work/root/k"
ln -s ../kshim-suite.service "$work/root/etc/systemd/system/multi-user.target.wants/"
ln -sf /dev/null "$work/root/etc/systemd/system/systemd-networkd-wait-online.service"
: >"$work/root/etc/fstab"
echo kshim-vm >"$work/root/etc/hostname"

initrd() { # MODULES-ROOT VERSION OUT
	local dir=$work/initrd m
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,dev,proc,sys,new}
	cp /bin/busybox "$dir/bin/busybox"
	for m in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
		find "$1" -name "$m.ko*" -exec cp {} "$dir/" \;
	done
	find "$dir" -name '*.ko.xz' -exec xz -d {} +
	cat >"$dir/init" <<-'E'
	#!/bin/busybox sh
	b=/bin/busybox
	$b mount -t devtmpfs dev /dev
	exec >/dev/console 2>&1
	for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
		[ ! -e /$m.ko ] || $b insmod /$m.ko
	done
	i=0
	while [ ! -b /dev/vda ] && [ $i -lt 500 ]; do $b usleep 10000; i=$((i+1)); done
	$b mount -t ext4 /dev/vda /new
	$b mount --move /dev /new/dev
	$b mount -t proc proc /proc
	init=/sbin/kshim-init
	for w in $($b cat /proc/cmdline); do case $w in kshim.init=*) init=${w#*=} ;; esac; done
	$b umount /proc
	exec $b switch_root /new $init
	E
	chmod +x "$dir/init"
	(cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) >"$3"
}

rm -f "$cache"/vmlinuz-* "$cache"/initrd-*
for k in $kernels; do
	pkg=$(image_of "${k#*=}")
	if [ -z "$pkg" ]; then
		echo "vm: no package for kernel ${k%%=*}; its suites are skipped" >&2
		continue
	fi
	mkdir "$work/deb" "$work/kernel"
	chmod 777 "$work" "$work/deb"
	(cd "$work/deb" && apt-get download -qq "$pkg" 2>/dev/null)
	dpkg-deb -x "$work"/deb/*.deb "$work/kernel"
	version=$(ls "$work/kernel/lib/modules")
	cp "$work/kernel/boot/vmlinuz-$version" "$cache/vmlinuz-${k%%=*}"
	mkdir -p "$work/root/lib/modules"
	cp -a "$work/kernel/lib/modules/$version" "$work/root/lib/modules/"
	# A model of resctrl, for the kernel that it is written for.
	headers=/usr/src/linux-headers-$version
	if [ "${k%%=*}" = 6.1 ] && [ ! -e "$headers" ]; then
		echo "vm: no headers of kernel $version (linux-headers-cloud-amd64): resctrl is not tested" >&2
	elif [ "${k%%=*}" = 6.1 ]; then
		cp -r "$here/resctrl" "$work/model"
		make -s -C "$headers" M="$work/model" modules >"$work/model.log" 2>&1 || { cat "$work/model.log" >&2; exit 1; }
		install -D -m 644 "$work/model/resctrl_model.ko" "$work/root/lib/modules/$version/extra/resctrl_model.ko"
	fi
	chroot "$work/root" depmod "$version"
	initrd "$work/kernel/lib/modules/$version" "$version" "$cache/initrd-${k%%=*}"
	rm -rf "$work/deb" "$work/kernel"
done
rm -f "$cache/root.img"
truncate -s 3G "$work/root.img"
mke2fs -q -t ext4 -O ^has_journal -d "$work/root" "$work/root.img"
mv "$work/root.img" "$cache/root.img"
echo "$stamp" >"$cache/stamp"
