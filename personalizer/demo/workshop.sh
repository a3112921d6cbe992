# What the scripts of this folder share; it is sourced. Before: `set -eu`, and in `name` what the messages begin with. The first argument
# is the folder for what is left.
#
# Afterwards: `root`, `bin` (the programs: BITAQA_BIN, default target/release), `out`, and `work`, a folder for sockets and state that goes at
# the end: its path is short, because socket names are limited to 107 bytes. Nothing that is kept in it protects anything.
umask 077

root=$(cd "$(dirname "$0")/../.." && pwd)
absolute() { case $1 in /*) echo "$1" ;; *) echo "$root/$1" ;; esac; }
bin=$(absolute "${BITAQA_BIN:-target/release}")
out=$(absolute "${1:-target/$name}")
orders=$root/test-vectors/orders/specimen.jsonl
private_pcscd=$root/card-apps/virtual-reader/private-pcscd.sh
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d "${TMPDIR:-/tmp}/bitaqa.XXXXXX")
printer_pid=
card_pid=

end() { [ -z "$1" ] || { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; } || true; }
finish() {
    status=$?
    end "$card_pid"
    end "$printer_pid"
    "$private_pcscd" stop "$work/pcscd" >/dev/null 2>&1 || true
    if [ "$status" -ne 0 ]; then
        cp "$work"/*.log "$out" 2>/dev/null || true
        echo "$name: failed; logs are in $out" >&2
    fi
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }
fail() { echo "$name: $*" >&2; exit 1; }
# field NAME: the first value of that name in the JSON on standard input
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }
# order N NAME: a value of the Nth order
order() { sed -n "$1p" "$orders" | field "$2"; }
# until_true WHAT COMMAND: waits for at most ten seconds
until_true() {
    what=$1
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "$what"
        sleep 0.05
    done
}

# The authority's passphrase stays with the authority; the signer's goes to the printing centre with the signer.
printf 'authority of the demo\n' >"$work/passphrase"
printf 'signer of the demo\n' >"$work/signer-passphrase"

# found_state PKI TRUST: an authority with one document signer; its bundle, installed where cards are judged
found_state() {
    export BITAQA_PASSPHRASE_FILE="$work/passphrase" BITAQA_SIGNER_PASSPHRASE_FILE="$work/signer-passphrase"
    "$bin/bitaqa-pki" init --profile specimen-uto --dir "$1"
    "$bin/bitaqa-pki" ds new --dir "$1" --name ds-1
    "$bin/bitaqa-pki" crl issue --dir "$1"
    "$bin/bitaqa-pki" bundle export --dir "$1" --out "$1.bundle" --json >"$1.json"
    # The pin reaches an embassy on paper; the bundle on any way.
    "$bin/bitaqa-reader" trust install "$1.bundle" --pin "$(field signer <"$1.json")" --trust "$2"
    unset BITAQA_PASSPHRASE_FILE BITAQA_SIGNER_PASSPHRASE_FILE
}

# start_pcscd SLOTS: a real pcscd of our own, for every program that is started from here on
start_pcscd() {
    "$private_pcscd" start "$work/pcscd" "$1" "${BITAQA_DRIVER:-$bin/libifdbitaqa.so}" >"$work/pcscd.txt"
    cat "$work/pcscd.txt"
    PCSCLITE_CSOCK_NAME=$(sed -n 's/^PCSCLITE_CSOCK_NAME=//p' "$work/pcscd.txt")
    export PCSCLITE_CSOCK_NAME
}
# reader N: the name of a slot's reader
reader() { echo "Bitaqa Virtual Reader 00 0$1"; }
# holds N STATE: whether that reader shows "card" or "empty"
holds() { "$bin/bitaqa-reader" readers 2>/dev/null | grep -q -F "$(reader "$1"): $2"; }
# insert STATE N [OPTION...]: a card into a slot
insert() {
    state=$1 slot=$2
    shift 2
    "$bin/bitaqa-soft-card" run --state "$state" --connect "$work/pcscd/slot.$slot" "$@" >>"$work/cards.log" 2>&1 &
    card_pid=$!
    until_true "the card $state does not show in its reader" holds "$slot" card
}
# pull N: the card out of that slot
pull() {
    end "$card_pid"
    card_pid=
    until_true "the card does not leave its reader" holds "$1" empty
}
# start_printer BLANKS SLOT: a simulated printer with the blanks of that folder, and a slot's reader in its chip station
start_printer() {
    "$bin/bitaqa-printer-sim" --port "$work/printer" --blanks "$1" --station "$work/pcscd/slot.$2" \
        --soft-card "$bin/bitaqa-soft-card" --output "$work/printed" >"$work/printer.log" 2>&1 &
    printer_pid=$!
    until_true "the simulated printer did not start" test -e "$work/printer"
}
