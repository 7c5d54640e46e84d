#!/bin/bash
# Runs a command in a root that has Wine: inwine.sh ROOT CHECKOUT COMMAND...   (as root; see docs/how-to/windows.md)
# The certificate variables are for machines behind a proxy with a certificate of its own; elsewhere they name the
# usual bundle. KMP_TOPOLOGY_METHOD: Wine lacks a call by which Intel's OpenMP counts the cores.
set -euo pipefail
root=$1 checkout=$2
shift 2
# shellcheck disable=SC2016  # the inner shell expands them
exec unshare --mount --pid --uts --ipc --fork --kill-child bash -c '
root=$1 checkout=$2; shift 2
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount -t sysfs sys "$root/sys"; mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/repo"; mount --bind -o ro "$checkout" "$root/repo"
bundle="Z:\\etc\\ssl\\certs\\ca-certificates.crt"
exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  WINEPREFIX=/root/p WINEARCH=win64 WINEDEBUG=-all "WINEDLLOVERRIDES=mscoree,mshtml=;ucrtbase=n,b" XDG_RUNTIME_DIR=/tmp \
  KMP_TOPOLOGY_METHOD=flat "PIP_CERT=$bundle" "SSL_CERT_FILE=$bundle" "REQUESTS_CA_BUNDLE=$bundle" \
  "WINEPATH=C:\\Python311;C:\\Python311\\Scripts" "$@"' _ "$root" "$checkout" "$@"
