#!/bin/sh
# Runs the system's own, unmodified pcscd privately, with virtual readers for soft cards.
#
#   private-pcscd.sh start DIR SLOTS [DRIVER]   starts it, prints how to reach it, and leaves it running
#   private-pcscd.sh hold DIR SLOTS [DRIVER]    the same, but stops it at the end of standard input
#   private-pcscd.sh stop DIR                   stops one that was started
#
# DIR is made if it is not there and may belong to any user; its path must be short (below 80 characters: socket
# names are). SLOTS is 1 to 16. DRIVER is libifdbitaqa.so; without it $BITAQA_DRIVER is taken, else the newest
# build in this repository's target folder.
#
# On success it prints exactly these lines:
#
#   pcscd: private (user namespace) | private (mount namespace) | plain
#   readers: Bitaqa Virtual Reader 00 00 ... Bitaqa Virtual Reader 00 0F     (first and last)
#   slots: DIR/slot.0 ...                                                    (first and last)
#   PCSCLITE_CSOCK_NAME=PATH                                                 (for the environment of clients)
#
# Exit status: 0 done, 2 usage, 3 there is no way to run a pcscd here (the reason is on standard error), 1 it failed.
#
# The socket path of pcscd is compiled in (/run/pcscd), so it is given a /run of its own, in the first of these
# ways that works: a user and mount namespace (needs no rights), a mount namespace (needs root), or plainly
# (root, and no other pcscd). USB readers are hidden from it in the first two: they belong to the system's pcscd.
set -eu

say() { echo "private-pcscd: $*" >&2; }
fail() { say "$2"; exit "$1"; }
usage() { sed -n '4,6s/^# *//p' "$0" >&2; exit 2; }

# --- inside the namespace: a /run of our own, then pcscd in our place -------------------------------------------
if [ "${1-}" = inside ]; then
    dir=$2; shift 2
    mount -t tmpfs tmpfs /run
    mkdir /run/pcscd
    mount --bind "$dir/sock" /run/pcscd
    # Without its USB drivers pcscd leaves real readers alone.
    drop=$(pcscd --version | sed -n 's/.*usbdropdir=\([^ ]*\).*/\1/p')
    if [ -d "$drop" ]; then mount -t tmpfs tmpfs "$drop"; fi
    exec pcscd "$@"
fi

PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
self=$here/$(basename "$0")

# True for a process number that is a living pcscd: an old file may name anything by now.
is_pcscd() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = pcscd ] && ! grep -q ') Z ' "/proc/$1/stat" 2>/dev/null; }

is_running() { [ -s "$1/pcscd.pid" ] && is_pcscd "$(cat "$1/pcscd.pid")"; }

stop() {
    if is_running "$1"; then
        pid=$(cat "$1/pcscd.pid")
        if [ -S "$1/sock/pcscd.comm" ]; then
            # pcscd sleeps for a second when asked to end; a private one leaves nothing that is not removed here.
            kill -s KILL "$pid"
        else
            kill -s TERM "$pid"
            tries=0
            while is_pcscd "$pid" && [ $tries -lt 500 ]; do sleep 0.01; tries=$((tries + 1)); done
        fi
    fi
    rm -f "$1/pcscd.pid" "$1"/slot.* "$1"/sock/*
}

find_driver() {
    driver=${1:-${BITAQA_DRIVER:-}}
    if [ -z "$driver" ]; then
        target=${CARGO_TARGET_DIR:-$here/../../target}
        driver=$(ls -t "$target"/debug/libifdbitaqa.so "$target"/release/libifdbitaqa.so 2>/dev/null | head -n 1)
    fi
    [ -n "$driver" ] || fail 1 "no driver: build it with  cargo build -p virtual-reader"
    [ -r "$driver" ] || fail 1 "the driver $driver cannot be read by $(id -un)"
}

# Settles $way and $csock, or gives up.
find_way() {
    command -v pcscd >/dev/null || fail 3 "pcscd is not installed (Debian: apt-get install pcscd)"
    csock=$dir/sock/pcscd.comm
    if unshare -Urm --map-root-user mount -t tmpfs tmpfs /run 2>/dev/null; then
        way='private (user namespace)'
    elif unshare -m mount -t tmpfs tmpfs /run 2>/dev/null; then
        way='private (mount namespace)'
    elif [ "$(id -u)" -eq 0 ] && ! [ -S /run/pcscd/pcscd.comm ]; then
        way=plain
        csock=/run/pcscd/pcscd.comm
    else
        fail 3 "no namespaces for $(id -un), and no right (or no room) for a plain pcscd"
    fi
}

start() {
    dir=$1; slots=$2
    case $slots in ''|*[!0-9]*) usage ;; esac
    [ "$slots" -ge 1 ] && [ "$slots" -le 16 ] || fail 2 "1 to 16 slots, not $slots"
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    [ ${#dir} -lt 80 ] || fail 2 "the path $dir is too long for sockets"
    case $dir in *[!A-Za-z0-9_./+-]*) fail 2 "pcscd's configuration cannot hold the path $dir" ;; esac
    case $dir in /run|/run/*) fail 2 "not below /run: the private pcscd sees another one" ;; esac
    if is_running "$dir"; then fail 1 "one is already running in $dir"; fi
    find_driver "${3-}"
    find_way

    mkdir -p "$dir/conf" "$dir/sock"
    chmod 700 "$dir" "$dir/sock"
    rm -f "$dir"/slot.* "$dir"/sock/*
    # A copy: builds may replace the original under a running pcscd, and its path may hold anything.
    cp "$driver" "$dir/libifdbitaqa.so"
    echo "slots = $slots" > "$dir/slot"
    cat > "$dir/conf/bitaqa" <<END
FRIENDLYNAME "Bitaqa Virtual Reader"
DEVICENAME   $dir/slot
LIBPATH      $dir/libifdbitaqa.so
CHANNELID    0
END
    # Who may use the cards is decided by the permissions of DIR; polkit knows nothing of a private pcscd.
    set -- --foreground --error --config "$dir/conf"
    if pcscd --help 2>&1 | grep -q -e --disable-polkit; then set -- "$@" --disable-polkit; fi
    launch "$@" </dev/null >"$dir/pcscd.log" 2>&1 &
    launched=$!
    echo $launched > "$dir/pcscd.pid"
    await_ready
    echo "pcscd: $way"
    echo "readers: Bitaqa Virtual Reader 00 00 ... Bitaqa Virtual Reader 00 $(printf %02X $((slots - 1)))"
    echo "slots: $dir/slot.0 ... $dir/slot.$((slots - 1))"
    echo "PCSCLITE_CSOCK_NAME=$csock"
}

# Becomes pcscd, so that the process number stays the one the caller knows.
launch() {
    case $way in
        *user*) exec unshare -Urm --map-root-user "$self" inside "$dir" "$@" ;;
        *mount*) exec unshare -m "$self" inside "$dir" "$@" ;;
        *) mkdir -p /run/pcscd; exec pcscd "$@" ;;
    esac
}

await_ready() {
    tries=0
    until [ -S "$csock" ] && [ -S "$dir/slot.$((slots - 1))" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 1000 ] || ! kill -0 $launched 2>/dev/null; then
            tail -n 5 "$dir/pcscd.log" >&2
            kill -s KILL $launched 2>/dev/null || true
            rm -f "$dir/pcscd.pid"
            fail 1 "pcscd did not start (its log is $dir/pcscd.log)"
        fi
        sleep 0.01
    done
}

case ${1-}/$# in
    start/3|start/4) shift; start "$@" ;;
    hold/3|hold/4)
        shift
        trap 'stop "$dir"' EXIT
        trap 'exit 0' INT TERM HUP
        start "$@"
        cat >/dev/null
        ;;
    stop/2) stop "$2" ;;
    *) usage ;;
esac
