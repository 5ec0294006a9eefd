#!/bin/bash
# The first process in the node's namespaces: enter.sh FOLDER NODE SUPERVISOR. It arranges the file system and collects
# ended processes (a shell does; Node does not). When it ends, the kernel ends everything inside and takes every mount,
# interface and firewall rule away.
set -eu
folder=$1 node=$2 supervisor=$3

# Mounts of pods must be seen by kubelet and containerd alike; none is seen outside, where unshare cut the tie.
mount --make-rshared /
# What the parts keep below /var and /run at fixed places goes to our folder and is gone with it.
mkdir -p "$folder/var/upper" "$folder/var/work"
mount -t overlay overlay -o "lowerdir=/var,upperdir=$folder/var/upper,workdir=$folder/var/work" /var
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/lock /run/netns
sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
hostname rejuve-node

"$node" --disable-warning=ExperimentalWarning "$supervisor" "$folder" &
child=$!
trap 'kill -TERM $child' TERM INT
until wait $child; do
  # `wait` also returns for our own signal: ask whether the supervisor itself is gone.
  kill -0 $child 2>/dev/null || exit 1
done
