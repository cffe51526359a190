#!/usr/bin/env bash
# tests/install/check_package.sh BUILD: cpack makes a package, whose files are where Debian has them, whose scripts are shell,
# and in which lintian, where it is installed, finds no error.
set -euo pipefail
build=$1
command -v cpack >/dev/null && command -v dpkg-shlibdeps >/dev/null && command -v file >/dev/null || {
    echo "not checked: there is no cpack, dpkg-dev or file"
    exit 77
}
work=$(mktemp -d "${PDR_TEST_DIR:-${TMPDIR:-/tmp}}/perdure-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$build" && cpack -G DEB -B "$work") >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
package=$(ls "$work"/perdure_*.deb)

dpkg-deb --control "$package" "$work/control"
for script in postinst prerm postrm; do
    sh -n "$work/control/$script"
    [[ -x $work/control/$script ]]
done
grep -qx /etc/default/perdure "$work/control/conffiles"
for library in libc6 libuv1 librocksdb libisal2 libjansson4 libssl3 adduser; do
    grep -q "^Depends:.*$library" "$work/control/control" || { echo "it does not depend on $library"; exit 1; }
done
if grep -q '^Depends:.*libraft' "$work/control/control"; then
    echo "it depends on libraft, which Debian 12 has too old a one of: link the archive (cmake/dependencies.cmake)"
    exit 1
fi
dpkg-deb --extract "$package" "$work/tree"
grep -q '^ExecStart=/usr/bin/perdure start ' "$work/tree/usr/lib/systemd/system/perdure.service"
for file in usr/bin/perdure etc/default/perdure usr/share/man/man1/perdure.1.gz usr/share/doc/perdure/copyright; do
    [[ -s $work/tree/$file ]] || { echo "it has no $file"; exit 1; }
done
! grep -rlF "$(cd "$(dirname "$0")/../.." && pwd)" "$work/tree" || { echo "these files know where they were built"; exit 1; }
if command -v lintian >/dev/null; then
    lintian --fail-on error "$package" 2>&1 | grep -v 'root privileges' || true
    lintian --fail-on error "$package" >/dev/null 2>&1 || exit 1
fi
echo "$(basename "$package") is fine"
