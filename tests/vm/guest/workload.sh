#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the guest of a power cut. "work": operations on the disk /dev/vdc until a number
# of them is acknowledged. "check": what /run/acks lists must be there, and nothing else
# may be amiss. $PENDING: the operation that was under way, which may be there or not.
set -u
K=/k/build/kshim
export KSHIM_ROOT=/run/kshim KSHIM_STATE_DIR=/s/state
ACK_AT=$((704 * 1024 * 2)) # sector behind the file system
rootfs=/tmp/rootfs
mkdir -p /s $rootfs/{bin,proc,sys,dev,d}
cp /bin/busybox $rootfs/bin/ && chroot $rootfs /bin/busybox --install -s /bin

ack() { printf '%s\0' "$*" | dd of=/dev/vdc bs=512 count=1 seek=$ACK_AT conv=sync,notrunc oflag=direct 2>/dev/null; }

on_pod() { # N SCRIPT: runs it in the pod of claim N
	"$K" run --rootfs $rootfs --pod "ns/p-$1" --volume "c$1:/d" "p$1" -- sh -c "$2" </dev/null
}

work() {
	mount /dev/vdc /s || exit 1
	RANDOM=$SEED
	local n i gen
	declare -A have=()
	for i in $(seq 36); do
		n=$((RANDOM % 4))
		if [ -z "${have[$n]:-}" ]; then
			"$K" volume create -n ns "c$n" --size 16Mi || exit 2
			ack "create $n $i"
			have[$n]=new
		elif [ $((RANDOM % 3)) = 0 ]; then
			ack "deleting $n $i"
			"$K" volume delete -n ns "c$n" || exit 3
			ack "delete $n $i"
			if [ "${have[$n]}" != new ]; then
				"$K" pod forget "ns/p-$n" || exit 5
				ack "forget $n $i"
			fi
			unset "have[$n]"
		else
			gen=$i
			on_pod "$n" "echo $gen >/d/gen.new && sync /d/gen.new && mv /d/gen.new /d/gen && sync" || exit 4
			ack "write $n $gen"
			have[$n]=$gen
		fi
	done
	leave
}

leave() { # the last keeper goes a moment after its answer
	for _ in $(seq 100); do
		umount /s 2>/dev/null && return
		sleep 0.1
	done
	return 1
}

bad() {
	echo "$*"
	failed=1
}

check() {
	failed=0
	mount /dev/vdc /s || { echo "the state directory's file system does not mount"; exit 1; }
	[ -d /s/state ] || mkdir -p /s/state
	"$K" gc >/run/gc 2>&1 || bad "gc: $(cat /run/gc)"
	declare -A state=() num=() name=()
	while read -r op n i; do
		case $op in
		forget) name[$n]=forget ;;
		write) name[$n]=known ;&
		*) state[$n]=$op num[$n]=$i ;;
		esac
	done </run/acks
	read -r pop pn pnum <<<"$PENDING"
	for n in 0 1 2 3; do
		local there=no got known=no
		"$K" pod inspect "ns/p-$n" >/run/p 2>/dev/null && known=yes
		case ${name[$n]:-none}:$known in
		none:yes | forget:yes) [ "${pop:-} ${pn:-}" = "write $n" ] || bad "p-$n is there: ${name[$n]:-never run}" ;;
		known:no) [ "${pop:-} ${pn:-}" = "forget $n" ] || bad "p-$n is forgotten" ;;
		esac
		"$K" volume inspect -n ns "c$n" >/run/v 2>/dev/null && there=yes
		case ${state[$n]:-none} in
		none | delete)
			# What is there can only be of the create that was under way.
			[ $there = no ] || [ "${pop:-} ${pn:-}" = "create $n" ] || bad "c$n is there: ${state[$n]:-never made}"
			;;
		deleting) ;; # asked for, not acknowledged: as a whole or not at all
		create | write)
			[ $there = yes ] || [ "${pop:-} ${pn:-}" = "delete $n" ] || bad "c$n is gone, though ${state[$n]} ${num[$n]}"
			;;
		esac
		[ $there = yes ] || continue
		[ "$(blkid -p -o value -s UUID "/s/state/volumes/ns/c$n/image")" = "$(jq -r .fsUuid /run/v)" ] ||
			bad "c$n: the image has another UUID: it was formatted again"
		got=$(on_pod "$n" "cat /d/gen 2>/dev/null; echo now >/d/now && sync && cat /d/now" 2>/run/err) ||
			bad "c$n: its pod does not start: $(cat /run/err)"
		if [ "${state[$n]:-}" = write ]; then
			got=${got%%$'\n'*}
			[ "$got" = "${num[$n]}" ] || { [ "${pop:-} ${pn:-}" = "write $n" ] && [ "$got" = "$pnum" ]; } ||
				bad "c$n: write ${num[$n]} was acknowledged, it has \"$got\""
		fi
	done
	"$K" pod list --format json | jq -e 'all(.[]; .running == false and (has("podUid") | not))' >/dev/null ||
		bad "an identity is not free: $("$K" pod list)"
	# A keeper empties the trash when everybody has been answered.
	for _ in $(seq 100); do
		[ -n "$(find /s/state/{pods,journal,trash} -mindepth 1 2>/dev/null)" ] || break
		sleep 0.1
	done
	[ -z "$(find /s/state/{pods,journal,trash} -mindepth 1 2>/dev/null)" ] || bad "left: $(find /s/state/{pods,journal,trash} -mindepth 1)"
	[ "$failed" = 0 ] || { cat /run/gc /run/acks; ls -R /s/state | head -40; }
	leave || bad "the file system is still in use"
	exit $failed
}

"$1"
