#!/bin/sh
# fingers.sh [OUT]: fingerprints from the country verifying CA to the counter, over the shipped programs, without hardware.
#
# Utopia makes a card with fingers (DG3) that believes its country verifying CA. At an embassy a terminal without certificates,
# the right one, one whose certificate has ended and one certified after the CVCA's change of keys read it. The clock of those
# who certify and read is borrowed (faketime); the card has none, and learns the day from certificates.
#
# BITAQA_BIN is the folder of the programs (default target/release). OUT (default target/fingers) keeps what was read and said.
set -eu
name=fingers
. "$(dirname "$0")/workshop.sh"
ahead=0
# now COMMAND: as many days from today as `ahead` says
now() { if [ "$ahead" -eq 0 ]; then "$@"; else faketime -f "+${ahead}d" "$@"; fi; }
pki() { now "$bin/bitaqa-pki" "$@"; }

printf 'terminal of the demo\n' >"$work/terminal-passphrase"
cd "$work"

say "A national PKI, and the country verifying CA that says which terminals may read fingers"
found_state pki trust >pki.log
export BITAQA_PASSPHRASE_FILE="$work/passphrase" BITAQA_SIGNER_PASSPHRASE_FILE="$work/passphrase"
pki cvc init --dir pki --country UT --mnemonic ISCVCA --type is
cvca=pki/cvc/UTISCVCA/generations/00001/certificate.cvcert

# terminal NAME DAYS: a document verifier of its own and the folder of a terminal below it, as the post gets it
terminal() {
    pki cvc dv --dir pki --by UTISCVCA --country UT --mnemonic "DV$1" --domestic >>pki.log
    BITAQA_SIGNER_PASSPHRASE_FILE="$work/terminal-passphrase" \
        pki cvc terminal --dir pki --by "UTDV$1" --country UT --mnemonic "IS$1" --rights read-dg3 --days "$2" >>pki.log
    cp -R "pki/cvc/UTIS$1" "post-$1"
}
terminal EARLY 5

say "The printing centre: an order with fingers becomes a card"
# One finger image record with a drawn picture: no finger of anybody.
cp "$root/test-vectors/fingers/EF_DG3.bin" EF_DG3.bin
mkdir orders
ln -s "$root/test-vectors/portraits" portraits
head -n 1 "$orders" | sed 's|}$|, "fingers": {"path": "../EF_DG3.bin"}}|' >orders/one.jsonl
can=$(field card_access_number <orders/one.jsonl)
"$bin/bitaqa-soft-card" new --state card.json >>pki.log

# insert: the card behind its socket
insert() {
    rm -f card.sock
    "$bin/bitaqa-soft-card" run --state card.json --listen card.sock >>card.log 2>&1 &
    card_pid=$!
    until_true "the card does not listen" test -S card.sock
}
take_out() { end "$card_pid"; card_pid=; }
# make_card LEDGER [OPTION...]
make_card() {
    ledger=$1
    shift
    "$bin/bitaqa-personalizer" run orders/one.jsonl --profile specimen-uto-eac --socket card.sock --printer none --signer pki/ds/ds-1 \
        --passphrase-file signer-passphrase --trust trust --ledger "$ledger" --out cards --blanks 1 "$@"
}
insert
if make_card trial.jsonl >"$out/without-cvca.txt" 2>&1; then fail "a card was made that believes no terminal"; fi
grep -q -e --cvca "$out/without-cvca.txt" || fail "nobody said what was missing"
echo "without --cvca no card is begun"
make_card ledger.jsonl --cvca "$cvca" >"$out/made.txt" 2>&1 || { cat "$out/made.txt"; fail "no card was made"; }
cat "$out/made.txt"
take_out

# read_as NAME TERMINAL VERDICT RESULT DG3: verifies the card as that post ("-": without certificates)
read_as() {
    rm -rf "$out/$1"
    insert
    if [ "$2" = - ]; then terminal_options=; else terminal_options="--terminal $2 --terminal-passphrase-file terminal-passphrase"; fi
    code=0
    # shellcheck disable=SC2086
    now "$bin/bitaqa-reader" verify --socket card.sock --can "$can" --trust trust --json --save-evidence "$out/$1.evidence.json" \
        $terminal_options >"$out/$1.json" 2>"$out/$1.stderr" || code=$?
    take_out
    verdict=$(field verdict <"$out/$1.json")
    # One line of JSON: the check's own object ends at its brace.
    seen=$(tr '{' '\n' <"$out/$1.json" | grep '"id":"terminal-authentication"' | field result)
    fingers=$(grep -c '"EF.DG3"' "$out/$1.evidence.json" || true)
    reason=$(tr '{' '\n' <"$out/$1.json" | grep '"id":"terminal-authentication"' | field reason)
    [ "$verdict" = "$3" ] || fail "$1: the verdict is $verdict, not $3; see $out/$1.json"
    [ "$seen" = "$4" ] || fail "$1: terminal authentication is $seen, not $4: $reason"
    [ "$fingers" -eq "$5" ] || fail "$1: DG3 was read $fingers times, not $5"
    echo "$1: $verdict, terminal authentication $seen: $reason"
}

say "At the embassy: the card today"
read_as no-certificates - GENUINE_VALID undetermined 0
read_as right-terminal post-EARLY GENUINE_VALID successful 1
insert
"$bin/bitaqa-reader" read --socket card.sock --can "$can" --out files --terminal post-EARLY \
    --terminal-passphrase-file terminal-passphrase >"$out/read.txt"
take_out
cmp EF_DG3.bin files/EF_DG3.bin || fail "the fingers that were read are not those of the order"
echo "the fingers read are those of the order"

say "Ten days later: another post has read the card, and the first one's certificate has ended"
ahead=10
terminal LATER 20
read_as later-terminal post-LATER GENUINE_VALID successful 1
read_as ended-certificate post-EARLY GENUINE_VALID failed 0
grep -q 'ended on' "$out/ended-certificate.stderr" || fail "nobody said that the certificate has ended"

say "Twenty days later: the CVCA has a new key, and the card learns it from the link"
ahead=20
pki cvc init --dir pki --country UT --mnemonic ISCVCA --next >>pki.log
terminal NEXT 20
read_as new-key-by-link post-NEXT GENUINE_VALID successful 1
read_as new-key-known post-NEXT GENUINE_VALID successful 1
"$bin/bitaqa-soft-card" show --state card.json | tee "$out/card.txt" | grep 'terminal authorities'
grep -q 'UTISCVCA00002, UTISCVCA00001' "$out/card.txt" || fail "the card did not keep the new key beside the old one"

printf '\nLook at %s\n' "$out"
echo "fingers: one card, six readings, all as they must be"
