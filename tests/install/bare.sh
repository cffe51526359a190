#!/usr/bin/env bash
# tests/install/bare.sh BUILD: the package installs on a Debian 12 that has nothing else, and works there: a node starts, is
# called, stops; removing keeps the data, purging says that it removes it, and does. Takes root, debootstrap, and Debian's
# archive (PDR_DEBIAN_MIRROR); without them it says so and ends with 77. PDR_BARE is a Debian 12 that is there already, of
# which a copy is used.
set -euo pipefail
build=$1
mirror=${PDR_DEBIAN_MIRROR:-http://deb.debian.org/debian}

skip() {
    echo "not checked: $*"
    exit 77
}
[[ $EUID -eq 0 ]] || skip "this takes root"
for program in cpack dpkg-shlibdeps file; do
    command -v "$program" >/dev/null || skip "there is no $program"
done
[[ -n ${PDR_BARE:-} ]] || command -v debootstrap >/dev/null || skip "there is no debootstrap (apt-get install debootstrap)"

root=$(mktemp -d "${PDR_TEST_DIR:-${TMPDIR:-/tmp}}/perdure-bare.XXXXXX")
chmod 755 "$root" # it becomes a /
node=
clean() {
    [[ -z $node ]] || kill -KILL "$node" 2>/dev/null || true
    ! mountpoint -q "$root/proc" || umount "$root/proc"
    rm -rf --one-file-system "$root"
}
trap clean EXIT

(cd "$build" && cpack -G DEB) >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
package=$(ls -t "$build"/packages/perdure_*.deb | head -n 1)
if [[ -n ${PDR_BARE:-} ]]; then
    cp -a "$PDR_BARE/." "$root"
else
    debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
        { tail -n 3 "$root.log"; rm -f "$root.log"; skip "debootstrap could not make a Debian 12 from $mirror"; }
    rm -f "$root.log"
fi
mount -t proc proc "$root/proc" || skip "no /proc can be mounted here"
cp "$package" "$root/perdure.deb"
cp /etc/resolv.conf "$root/etc/resolv.conf"

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
as_perdure() { inside setpriv --reuid=perdure --regid=perdure --clear-groups --no-new-privs -- "$@"; }
apt() { inside apt-get -q -y "$@" </dev/null >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }; }

apt update
apt install --no-install-recommends /perdure.deb
[[ $(inside stat -c '%U %a' /var/lib/perdure) == 'perdure 750' ]]
grep -q PERDURE_FLAGS "$root/etc/default/perdure"
inside perdure --version

start() { # as the service would
    mkfifo "$root/ready"
    as_perdure perdure start --data /var/lib/perdure/data --listen 127.0.0.1:17077 >"$root/ready" 2>>"$root/node.log" &
    read -r -t 60 <"$root/ready" || { cat "$root/node.log"; exit 1; }
    rm "$root/ready"
    node=$(cat "$root/var/lib/perdure/data/LOCK")
}
stop() { # SIGNAL
    kill -s "$1" "$node"
    wait "$!" || [[ $1 == KILL ]]
    node=
}
call() { as_perdure perdure "$@" --node 127.0.0.1:17077; }

start
[[ $(call call counter/visits add 41) == 41 ]]
stop KILL
start
[[ $(call call counter/visits add) == 42 ]]
call status | grep -q '"cluster"'
stop TERM

apt remove perdure
grep -q 'stay in /var/lib/perdure' "$root/log"
[[ -d $root/var/lib/perdure/data && -f $root/etc/default/perdure && ! -e $root/usr/bin/perdure ]]
apt install --no-install-recommends /perdure.deb
start
[[ $(call call counter/visits get) == 42 ]]
stop TERM
apt purge perdure
grep -q 'removing all actors with their state: /var/lib/perdure' "$root/log"
[[ ! -e $root/var/lib/perdure && ! -e $root/etc/default/perdure ]]
echo "$(basename "$package") installs, works, keeps and removes on a bare Debian 12"
