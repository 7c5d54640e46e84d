#!/bin/sh
# Finds a Python and hands every argument to bootstrap.py; without arguments it goes the whole way (up).
set -eu

case $0 in
*/*) here=$(CDPATH='' cd -- "${0%/*}" && pwd) ;;
*) here=$(pwd) ;;
esac

usable() {
    "$1" -I -c 'import sys; sys.exit(0 if sys.version_info >= (3, 8) and sys.maxsize > 2**32 else 1)' \
        </dev/null >/dev/null 2>&1
}

# A command as this person has to type it: as it is for root, else by sudo or, where there is none, by su.
as_administrator() {
    if [ "$(id -u 2>/dev/null)" = 0 ]; then
        echo "$1"
    elif command -v sudo >/dev/null 2>&1; then
        echo "sudo $1"
    else
        echo "su -c '$1'"
    fi
}

say_what_to_install() {
    echo "Problem: there is no Python here that dreamboot can use." >&2
    echo "Why:     64-bit Python 3.8 or newer is needed; neither PATH nor the usual folders have one." >&2
    if command -v apt-get >/dev/null 2>&1; then
        echo "Next:    $(as_administrator "apt-get install -y python3 python3-venv")" >&2
    elif command -v dnf >/dev/null 2>&1; then
        echo "Next:    $(as_administrator "dnf install -y python3")" >&2
    elif command -v pacman >/dev/null 2>&1; then
        echo "Next:    $(as_administrator "pacman -S --needed python")" >&2
    elif command -v zypper >/dev/null 2>&1; then
        echo "Next:    $(as_administrator "zypper install -y python3")" >&2
    elif command -v apk >/dev/null 2>&1; then
        echo "Next:    $(as_administrator "apk add python3")   (torch itself has no wheels for Alpine: use a glibc system)" >&2
    elif command -v brew >/dev/null 2>&1; then
        echo "Next:    brew install python@3.12" >&2
    else
        echo "Next:    install Python 3.12 from https://www.python.org/downloads/ and run setup.sh again" >&2
    fi
}

if [ ! -f "$here/bootstrap.py" ]; then
    echo "Problem: bootstrap.py is not beside setup.sh." >&2
    echo "Why:     setup.sh was copied away from its folder." >&2
    echo "Next:    run installer/setup.sh in the whole checkout." >&2
    exit 1
fi

for python in "${DREAMBOOT_PYTHON:-}" python3 python3.12 python3.13 python3.11 python3.14 python3.10 python3.9 python3.8 \
    python /opt/homebrew/bin/python3 /usr/local/bin/python3 "$HOME/miniconda3/bin/python" "$HOME/miniforge3/bin/python"; do
    if [ -n "$python" ] && command -v "$python" >/dev/null 2>&1 && usable "$python"; then
        [ "$#" -gt 0 ] || set -- up
        exec "$python" "$here/bootstrap.py" "$@"
    fi
done
say_what_to_install
exit 1
