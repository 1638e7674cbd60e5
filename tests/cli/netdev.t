#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# linux.netDevices, in a network namespace of the test's own.
[ -n "${KSHIM_OWN_NET:-}" ] || [ "$(id -u)" != 0 ] || KSHIM_OWN_NET=1 exec unshare -n "$0"
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
requires ip

ip link add probe0 type veth peer name probe1 2>/dev/null || skip_all "this kernel has no veth devices"
ip link del probe0
B=$T/b
bundle "$B"
cp "$B/config.json" "$T/base.json"
N=0
make_pair() { # NAME: a veth whose other end stays here
	ip link add "$1" type veth peer name "p$1"
}
with() { # JQ-FILTER SCRIPT
	N=$((N + 1))
	jq --arg s "$2" ".process.args = [\"sh\", \"-c\", \$s] | $1" "$T/base.json" >"$B/config.json"
	try "$K" run -b "$B" "$TAG-$N"
}
addrs='ip -o addr show | sed -n "s/.* \(inet6\? [^ ]*\).* scope \([a-z]*\).*/\1 \2/p" | sort | tr "\n" ,'

make_pair d0
ip link set d0 address 02:00:00:00:00:07 mtu 1400 up
ip addr add 10.1.2.3/24 brd 10.1.2.255 dev d0
ip addr add 10.1.2.4/24 dev d0 label d0:x
ip addr add 169.254.3.4/16 scope link dev d0
six=
[ ! -d /proc/sys/net/ipv6 ] || { ip addr add fd00::5/64 dev d0 nodad && six="inet6 fd00::5/64 global,"; }
ip addr add 10.9.9.9/24 dev d0 valid_lft 1000 preferred_lft 1000
with '.linux.netDevices = {d0: {}}' "cat /sys/class/net/d0/mtu /sys/class/net/d0/address; ip -o link show d0 | grep -o '[<,]UP[,>]'; $addrs; ip addr show d0 | grep -o 'brd 10[^ ]*'"
is "$rc:$(tr '\n' ' ' <<<"$out")" \
	"0:1400 02:00:00:00:00:07 ,UP, inet 10.1.2.3/24 global,inet 10.1.2.4/24 global,${six}brd 10.1.2.255 " \
	"a device comes with its MTU, MAC and permanent global addresses, and is up"
ip link show d0 >/dev/null 2>&1
is $? 1 "and is not here any more"

make_pair d1
make_pair d2
ip addr add 10.1.3.1/24 dev d1
with '.linux.netDevices = {d1: {name: "eth0"}, d2: {name: ""}} | .linux.sysctl = {"net.ipv4.conf.eth0.forwarding": "1"}' \
	'ls /sys/class/net | grep "^[de]" | tr "\n" " "; ip -o -4 addr show eth0 | grep -o "10[^ ]*"; cat /proc/sys/net/ipv4/conf/eth0/forwarding'
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:d2 eth0 10.1.3.1/24 1 " "renamed, before sysctls are set for the new name"

# ---- a namespace that is joined, with devices of its own ------------------------------------------
unshare -n sleep 1000 &
sleeper=$!
at_exit='kill $sleeper 2>/dev/null'
wait_for 5 eval '[ "$(readlink /proc/$sleeper/ns/net)" != "$(readlink /proc/self/ns/net)" ]'
inside() { nsenter -t "$sleeper" -n "$@"; }
join=".linux.namespaces = [.linux.namespaces[] | if .type == \"network\" then .path = \"/proc/$sleeper/ns/net\" else . end]"
inside ip link add eth0 type veth peer name eth1
make_pair d3
with "$join"' | .linux.netDevices = {d3: {name: "eth0"}}' true
like "$rc:$err" '1:*linux.netDevices: the container has a network device eth0 already*' "a name that is taken is refused"
is "$(ip -o link show d3 | wc -l):$(inside ip -o link | grep -c ": eth")" 1:2 "before anything moves"
ip addr add 10.1.4.1/24 dev d3
with "$join"' | .linux.netDevices = {d3: {name: "eth%d"}}' 'ip -o -4 addr show eth2 | grep -o "10[^ ]*"'
is "$rc:$out" 0:10.1.4.1/24 "the kernel fills in a %d"
is "$(inside ip -o link show eth2 | grep -c 'eth2')" 1 "what was moved stays with a namespace that outlives the container"
make_pair d4
inside ip link add d4 type veth peer name d5
ip link property add dev d4 altname eth7 2>/dev/null
with "$join"' | .linux.netDevices = {eth7: {}}' true
like "$rc:$err" '1:*look for the network device eth7: No such device*' "an alternative name is none"
for n in $(seq 300); do echo "addr add 10.200.$((n / 250)).$((n % 250 + 1))/32 dev d4"; done | ip -batch -
with "$join"' | .linux.netDevices = {d4: {name: "many"}}' true
like "$rc:$err" '1:*addresses of network device d4*' "more addresses than are kept"
is "$(ip -o link show d4 | wc -l)" 1 "is an error, and nothing has moved"
ip addr flush dev d4
ip link add huge type veth peer name phuge
for n in $(seq 400); do echo "link property add dev huge altname an-alternative-name-that-is-long-enough-to-fill-a-message-$(printf %040d "$n")"; done | ip -batch - 2>/dev/null
try timeout 30 ip -o link show dev huge
config_huge='.linux.netDevices = {huge: {}}'
jq ".process.args = [\"true\"] | $config_huge" "$T/base.json" >"$B/config.json"
try timeout 30 "$K" run -b "$B" "$TAG-huge"
like "$rc" '[01]' "a device whose description is longer than a message does not hang it"
make_pair d8
ip link property add dev d8 altname taken8 2>/dev/null
make_pair d9
with "$join"' | .linux.netDevices = {d9: {name: "first"}, nosuch: {}}' true
is "$rc:$(ip -o link show d9 | wc -l)" 1:1 "one that is not there keeps the others here"
with "$join"' | .linux.netDevices = {d4: {name: "other"}}' 'ls /sys/class/net | tr "\n" " "'
like "$rc:$out" '0:*other*' "the old name may be taken there"

# ---- what cannot be ---------------------------------------------------------------------------------
refuses() { # JQ-FILTER GLOB NAME
	with "$1" true
	like "$rc:$err" "1:$2" "$3"
}
refuses '.linux.netDevices = {nosuch: {}}' '*linux.netDevices: *nosuch: No such device*' "a device that is not there"
make_pair d6
refuses 'del(.linux.namespaces[] | select(.type == "network")) | .linux.netDevices = {d6: {}}' '*no network namespace of its own*' "in the host's network namespace"
refuses ".linux.namespaces = [.linux.namespaces[] | if .type == \"network\" then .path = \"/proc/self/ns/net\" else . end] | .linux.netDevices = {d6: {}}" '*no network namespace of its own*' "also when that is named by its path"
for n in '' . .. a/b 'a b' sixteen-letters-x a:b 'a%d'; do
	refuses ".linux.netDevices = {\"$n\": {}}" '*linux.netDevices*is no name of a network device*' "\"$n\" is no name of a device here"
done
for n in . a/b 'a b' sixteen-letters-x 'a%s' '%d%d' 'a%'; do
	refuses ".linux.netDevices = {d6: {name: \"$n\"}}" '*linux.netDevices.d6*is no name of a network device*' "\"$n\" is none for the container"
done
refuses '.linux.netDevices = {d6: {name: "same"}, d3: {name: "same"}}' '*linux.netDevices*two devices are to be same*' "two of one name"
refuses '.linux.netDevices = {d6: {name: 1}}' '*linux.netDevices.d6.name*expected string*' "a name that is no string"
is "$(ip -o link show d6 | wc -l)" 1 "a refused device stays"
no_leaks
