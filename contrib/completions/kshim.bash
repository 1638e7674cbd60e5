# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of kshim(8) for bash. Source it, or install it as
# /usr/share/bash-completion/completions/kshim.

_kshim_ids() { kshim list --quiet 2>/dev/null; }
_kshim_claims() { kshim volume list 2>/dev/null | awk 'NR > 1 { print $2 }'; }
_kshim_pods() { kshim pod list 2>/dev/null | awk 'NR > 1 { print $1 "/" $2 }'; }

_kshim() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' w i
	local global="--root --state-dir --log --log-format --log-level --debug --cgroup-manager --systemd-cgroup --rootless --help --version"
	local quick="--bundle --config --console-socket --pid-file --pidfd-socket --preserve-fds --no-pivot
		--no-new-keyring --no-subreaper --rootfs --pod
		--pod-uid --volume --volume-claim-template --empty-dir --env --annotation --hostname --cwd
		--user --tty --read-only"
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		case $w in
		create | run | start | state | kill | delete | exec | list | spec | gc | ps | pause | resume | update | events | features | checkpoint | restore) verb="$verb $w" && break ;;
		volume | pod) verb=$w ;;
		inspect | release | forget) verb="$verb $w" && break ;;
		esac
	done
	case $prev in
	--bundle | -b | --rootfs | --root | --state-dir | --image-path | --work-path | --parent-path) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
	--console-socket | --pid-file | --log | --process | -p) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
	--format | -f) [[ $verb == *delete* ]] || { mapfile -t COMPREPLY < <(compgen -W "table json" -- "$cur") && return; } ;;
	--fs) mapfile -t COMPREPLY < <(compgen -W "ext4 xfs" -- "$cur") && return ;;
	--fsck) mapfile -t COMPREPLY < <(compgen -W "repair refuse" -- "$cur") && return ;;
	esac
	case ${verb# } in
	'') w="create run start state kill delete exec list ps pause resume update events features spec checkpoint restore volume pod gc $global" ;;
	volume) w="create list inspect delete" ;;
	pod) w="list inspect release forget" ;;
	create) w=$quick ;;
	run) w="--detach --keep $quick" ;;
	exec) w="--console-socket --cwd --env --tty --user --process --detach --pid-file --cap --no-new-privs --preserve-fds
		--additional-gids --apparmor --process-label --cgroup --ignore-paused --pidfd-socket $(_kshim_ids)" ;;
	start | state | pause | resume) w=$(_kshim_ids) ;;
	ps) w="--format $(_kshim_ids)" ;;
	events) w="--interval --stats $(_kshim_ids)" ;;
	update) w="--resources --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period
		--cpu-rt-runtime --cpu-idle --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap
		--pids-limit --kernel-memory --kernel-memory-tcp --l3-cache-schema --mem-bw-schema $(_kshim_ids)" ;;
	kill) w="--all --regex $(_kshim_ids)" ;;
	delete) w="--force --regex $(_kshim_ids)" ;;
	list) w="--format --quiet" ;;
	checkpoint) w="--image-path --work-path --parent-path --pre-dump --leave-running --tcp-established --tcp-skip-in-flight
		--ext-unix-sk --shell-job --file-locks --link-remap --auto-dedup --lazy-pages --status-fd --page-server
		--manage-cgroups-mode --network-lock --empty-ns $(_kshim_ids)" ;;
	restore) w="--bundle --config --detach --keep --console-socket --pid-file --pidfd-socket --no-pivot --no-subreaper
		--image-path --work-path --tcp-established --ext-unix-sk --shell-job --file-locks --auto-dedup --lazy-pages
		--manage-cgroups-mode --network-lock --empty-ns --lsm-profile --lsm-mount-context" ;;
	spec) w="--bundle --file --rootless" ;;
	"volume create") w="--namespace --size --fs --fsck" ;;
	"volume list") w="--namespace --format" ;;
	"volume inspect" | "volume delete") w="--namespace --format $(_kshim_claims)" ;;
	"pod list") w="--format" ;;
	"pod inspect") w="--format $(_kshim_pods)" ;;
	"pod release" | "pod forget") w=$(_kshim_pods) ;;
	*) w= ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$w --help" -- "$cur")
}
complete -F _kshim kshim
