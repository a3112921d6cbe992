#!/bin/sh
# demo.sh OUT: the main job over the shipped programs, without hardware.
#
# A national PKI and a foreign one that nobody trusts; a printer with six blank cards; a real pcscd
# with two virtual readers, one inside the printer, one at a counter. Three cards are made and found
# genuine; then three forgeries are refused, each for its own reason.
#
# BITAQA_BIN is the folder of the programs (default target/release). No secret of the demo is a secret.
set -eu
umask 077

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
bin=${BITAQA_BIN:-target/release}
case $bin in /*) ;; *) bin=$root/$bin ;; esac
out=${1:-target/demo}
case $out in /*) ;; *) out=$root/$out ;; esac

# Everything the run needs but nobody wants to look at; short, because socket paths are limited to 107 bytes.
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d "${TMPDIR:-/tmp}/bitaqa.XXXXXX")
simulator=
stop() {
    status=$?
    [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
    take_out
    card-apps/virtual-reader/private-pcscd.sh stop "$work/pcscd" >/dev/null 2>&1 || true
    [ "$status" -eq 0 ] || { echo "demo: failed; what was written is in $out and $work" >&2; exit "$status"; }
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }

# field FILE NAME: the first string value of that name in a JSON file
field() { sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1" | head -n 1; }

# --- The national PKI, and one nobody has heard of
printf 'a passphrase for the demo only' >"$work/passphrase"
export BITAQA_PASSPHRASE_FILE="$work/passphrase"

found_state() {
    "$bin/bitaqa-pki" init --profile specimen-uto --dir "$1"
    "$bin/bitaqa-pki" ds new --dir "$1" --name ds1
    "$bin/bitaqa-pki" crl issue --dir "$1"
    "$bin/bitaqa-pki" bundle export --dir "$1" --out "$1/trust.bundle"
}
say "A national PKI: CSCA, document signer, CRL, trust bundle"
found_state "$work/pki"
"$bin/bitaqa-pki" status --dir "$work/pki"
say "Another one, which the embassy does not trust"
found_state "$work/stranger" >/dev/null

# install_trust PKI DIR: what an embassy does once with the bundle and the pin it was told
install_trust() {
    "$bin/bitaqa-reader" trust install "$1/trust.bundle" --pin "$(cat "$1/trust.bundle.pin")" --trust "$2"
}
say "The embassy installs the national bundle"
install_trust "$work/pki" "$work/trust"
install_trust "$work/stranger" "$work/trust-of-the-stranger" >/dev/null

# --- The machine room: pcscd with two readers, a printer with blanks in its feeder
say "pcscd with two virtual readers, and a printer with six blanks"
BITAQA_DRIVER=${BITAQA_DRIVER:-$bin/libifdbitaqa.so} card-apps/virtual-reader/private-pcscd.sh start "$work/pcscd" 2 >"$work/pcscd.env"
cat "$work/pcscd.env"
. "$work/pcscd.env"
export PCSCLITE_CSOCK_NAME

mkdir "$work/blanks"
for n in 1 2 3 4 5 6; do "$bin/bitaqa-soft-card" new --state "$work/blanks/blank-$n.card"; done
"$bin/bitaqa-printer-sim" --port "$work/printer" --blanks "$work/blanks" --station "$BITAQA_SLOT_0" \
    --soft-card "$bin/bitaqa-soft-card" --output "$out/printed" >"$work/printer.log" 2>&1 &
simulator=$!
