#!/bin/sh
# demo.sh [OUT]: the main job over the shipped programs, without hardware.
#
# A national PKI, and a foreign one that nobody trusts. A printing centre: a real pcscd, a simulated printer with
# blank soft cards in its feeder and a chip station inside. An embassy: a reader at a counter, with the national
# trust bundle. Three cards are made and found genuine; then three forgeries are refused, each for its own reason.
#
# BITAQA_BIN is the folder of the programs (default target/release). What is left in OUT: for each card front.png,
# back.png (as sent to the printer), printed-front.png, printed-back.png (as the printer drew them), verify.json and
# report.html. The passphrases and the keys of this demo protect nothing.
set -eu
name=demo
. "$(dirname "$0")/workshop.sh"
cd "$root"

# --- States -----------------------------------------------------------------------------------------------------

say "A national PKI: CSCA, document signer, revocation list; its trust bundle installed at the embassy"
found_state "$work/pki" "$work/trust"
say "A second state, which the embassy does not know"
found_state "$work/stranger" "$work/trust-of-the-stranger" >"$work/stranger.log"
echo "set up"

# --- The printing centre ----------------------------------------------------------------------------------------

say "pcscd with two virtual readers (chip station, counter) and a printer with four blanks"
start_pcscd 2
station=$(reader 0)
counter=$(reader 1)

mkdir "$work/blanks"
for n in 1 2 3 4; do "$bin/bitaqa-soft-card" new --state "$work/blanks/$n.card"; done
start_printer "$work/blanks" 0

# make_cards ORDERS PKI TRUST OUT [OPTION...]
make_cards() {
    cards=$1 pki=$2 trust=$3 folder=$4
    shift 4
    "$bin/bitaqa-personalizer" run "$cards" --profile specimen-uto --reader "$station" --printer "$work/printer" \
        --signer "$pki/ds/ds-1" --passphrase-file "$work/signer-passphrase" --trust "$trust" --ledger "$work/ledger.jsonl" --out "$folder" "$@"
}

mkdir "$work/orders"
say "Three orders become three cards"
# Portraits are named relative to the order file.
ln -s "$root/test-vectors/portraits" "$work/portraits"
sed -n 1,3p "$orders" >"$work/orders/three.jsonl"
make_cards "$work/orders/three.jsonl" "$work/pki" "$work/trust" "$out" --blanks 4

say "A fourth is signed by the second state"
sed -n 4p "$orders" >"$work/orders/fourth.jsonl"
make_cards "$work/orders/fourth.jsonl" "$work/stranger" "$work/trust-of-the-stranger" "$work/foreign"

"$bin/bitaqa-personalizer" ledger verify "$work/ledger.jsonl"
"$bin/bitaqa-personalizer" ledger balance "$work/ledger.jsonl"

# --- The counter ------------------------------------------------------------------------------------------------

# judge STATE CAN FOLDER: puts a card into the counter's reader and verifies it; the exit code is the verdict
judge() {
    mkdir -p "$3"
    insert "$1" 1
    code=0
    "$bin/bitaqa-reader" verify --reader "$counter" --can "$2" --trust "$work/trust" --json \
        --report "$3/report.html" >"$3/verify.json" || code=$?
    pull 1
}

# expect VERDICT CODE FOLDER WHAT
expect() {
    verdict=$(field verdict <"$3/verify.json")
    [ "$verdict" = "$1" ] && [ "$code" -eq "$2" ] || fail "$4: expected $1 ($2), the reader said $verdict ($code)"
    echo "$4: $verdict"
}

say "At the embassy: three genuine cards"
genuine=0
for n in 1 2 3; do
    document=$(order $n document_number)
    cp "$work/printed/$n-front.png" "$out/$document/printed-front.png"
    cp "$work/printed/$n-back.png" "$out/$document/printed-back.png"
    judge "$work/blanks/good/$n.card" "$(order $n card_access_number)" "$out/$document"
    expect GENUINE_VALID 0 "$out/$document" "card $document"
    genuine=$((genuine + 1))
done

say "At the embassy: three forgeries"
refused=0
can=$(order 1 card_access_number)
# forgery NAME VERDICT CODE WHAT: a forged copy of the first card
forgery() {
    cp "$out/$(order 1 document_number)/front.png" "$out/$(order 1 document_number)/back.png" "$out/$1/"
    expect "$2" "$3" "$out/$1" "$4"
    refused=$((refused + 1))
}
"$bin/bitaqa-soft-card" forge --state "$work/blanks/good/1.card" --out "$work/altered.card" --alter-dg 1
judge "$work/altered.card" "$can" "$out/forgery-altered-data"
forgery forgery-altered-data NOT_GENUINE 10 "a card with an altered data group"

"$bin/bitaqa-soft-card" forge --state "$work/blanks/good/1.card" --out "$work/clone.card" --new-chip-key
judge "$work/clone.card" "$can" "$out/forgery-clone"
forgery forgery-clone CLONE_SUSPECT 15 "a copy of a genuine card on another chip"

judge "$work/blanks/good/4.card" "$(order 4 card_access_number)" "$out/forgery-unknown-issuer"
cp "$work/foreign/$(order 4 document_number)/front.png" "$work/foreign/$(order 4 document_number)/back.png" \
    "$out/forgery-unknown-issuer/"
expect UNTRUSTED_ISSUER 16 "$out/forgery-unknown-issuer" "a card signed by an unknown state"
refused=$((refused + 1))

for card in "$out"/*/; do
    for file in front.png back.png verify.json; do
        [ -s "$card$file" ] || fail "$card$file is missing"
    done
done
printf '\nLook at %s\n' "$out"
echo "demo: $genuine cards issued, $genuine genuine, $refused forgeries refused"
