#!/bin/sh
# residence.sh [OUT]: a citizen moves house, and a residence office replaces the record on the card, over the shipped programs and a
# real pcscd, without hardware.
#
# Utopia makes a card with everything (profile specimen-uto-full): fingers for inspection systems, a residence record for offices.
# The office has a residence signer of its own, whose stolen key makes no card, and a terminal that the country verifying CA of offices lets read and replace the record. Then
# those who may not try it: an inspection system, an office that may only read, an older record, another citizen's. At last the card
# is torn out while it is written to, and put back.
#
# BITAQA_BIN is the folder of the programs (default target/release). OUT (default target/residence) keeps what was said.
set -eu
name=residence
. "$(dirname "$0")/workshop.sh"

pki() { "$bin/bitaqa-pki" "$@"; }

printf 'terminal of the demo\n' >"$work/terminal-passphrase"
export BITAQA_PASSPHRASE_FILE="$work/passphrase" BITAQA_SIGNER_PASSPHRASE_FILE="$work/passphrase"
export BITAQA_CITIZEN_PASSPHRASE_FILE="$work/passphrase"
cd "$work"

say "A national PKI: a signer for cards, a residence signer for the office, two country verifying CAs"
pki init --profile specimen-uto --dir pki >pki.log
pki ds new --dir pki --name ds-1 >>pki.log
pki signer new residence --dir pki --name office-1 >>pki.log
pki crl issue --dir pki >>pki.log
pki citizen init --dir pki >>pki.log
pki bundle export --dir pki --out utopia.bundle --json >bundle.json
"$bin/bitaqa-reader" trust install utopia.bundle --pin "$(field signer <bundle.json)" --trust trust >>pki.log
pki cvc init --dir pki --country UT --mnemonic ISCVCA --type is
pki cvc init --dir pki --country UT --mnemonic ATCVCA --type at --rights read-dg17,write-dg17
pki cvc dv --dir pki --by UTISCVCA --country UT --mnemonic DVBORDER --domestic >>pki.log
pki cvc dv --dir pki --by UTATCVCA --country UT --mnemonic DVOFFICES --domestic >>pki.log

# terminal VERIFIER NAME RIGHTS: the folder of a terminal below that document verifier
terminal() {
    BITAQA_SIGNER_PASSPHRASE_FILE="$work/terminal-passphrase" \
        pki cvc terminal --dir pki --by "$1" --country UT --mnemonic "$2" --rights "$3" >>pki.log
    cp -R "pki/cvc/UT$2" "$2"
}
terminal UTDVBORDER BORDER read-dg3
terminal UTDVOFFICES OFFICE read-dg17,write-dg17
terminal UTDVOFFICES COUNTER read-dg17
pki cvc verify --trust pki/cvc/UTATCVCA/generations/00001/certificate.cvcert OFFICE/generations/00001/chain.cvcerts
pki lint OFFICE/generations/00001/chain.cvcerts >"$out/lint.txt" 2>&1 || { cat "$out/lint.txt"; fail "the office's certificates have faults"; }

say "pcscd with one virtual reader; the printing centre makes the card there"
start_pcscd 1
# One finger image record with a drawn picture: no finger of anybody.
cp "$root/test-vectors/fingers/EF_DG3.bin" EF_DG3.bin
mkdir orders letters
ln -s "$root/test-vectors/portraits" portraits
head -n 1 "$orders" | sed 's|}$|, "fingers": {"path": "../EF_DG3.bin"}}|' >orders/one.jsonl
can=$(field card_access_number <orders/one.jsonl)
number=$(field national_number <orders/one.jsonl)
"$bin/bitaqa-soft-card" new --eid --state card.json >>pki.log

insert card.json 0
"$bin/bitaqa-personalizer" run orders/one.jsonl --profile specimen-uto-full --reader "$(reader 0)" --printer none --signer pki/ds/ds-1 \
    --passphrase-file passphrase --trust trust --ledger ledger.jsonl --out cards --blanks 1 --citizen-ca pki --pin-letters letters \
    --cvca pki/cvc/UTISCVCA/generations/00001/certificate.cvcert \
    --cvca pki/cvc/UTATCVCA/generations/00001/certificate.cvcert >"$out/made.txt" 2>&1 || { cat "$out/made.txt"; fail "no card was made"; }
cat "$out/made.txt"
pull 0

# sign NAME DATE NUMBER HOUSE: an entry of the register, signed by the office
sign() {
    printf '{"national_number": "%s", "residence": {"date": "%s", "office": "9102", "governorate": "Erewhon", "house": "%s"}}\n' \
        "$3" "$2" "$4" >"$1.json"
    pki ds residence "$1.json" --signer pki/residence-signer/office-1 --out "$1.bin" >>pki.log
}
# write FILE TERMINAL RECORD CODE [OPTION...]: at the office's counter; what is said goes to OUT/FILE.*
write() {
    file=$1 terminal=$2 record=$3 expected=$4
    shift 4
    code=0
    "$bin/bitaqa-reader" residence "$record.bin" --reader "$(reader 0)" --can "$can" --trust trust --terminal "$terminal" \
        --terminal-passphrase-file terminal-passphrase "$@" >"$out/$file.txt" 2>"$out/$file.stderr" || code=$?
    [ "$code" -eq "$expected" ] || { cat "$out/$file.txt" "$out/$file.stderr"; fail "$file: exit code $code, not $expected"; }
}
# said FILE TEXT: it was said
said() { grep -q -e "$2" "$out/$1" || { cat "$out/$1"; fail "$1 does not say: $2"; }; }

say "The office's key makes no card: not at a printing machine, not in the printing centre"
pki lint pki/residence-signer/office-1/certificate.der >"$out/signer-lint.txt" 2>&1 || { cat "$out/signer-lint.txt"; fail "the office's signer has faults"; }
mkdir false-card
printf '\141\000' >false-card/EF_DG1.bin
printf '\165\000' >false-card/EF_DG2.bin
# refused FILE COMMAND...: exit code is not 0, and FILE.stderr says why
refused() {
    file=$1
    shift
    code=0
    "$@" >"$out/$file.txt" 2>"$out/$file.stderr" || code=$?
    [ "$code" -ne 0 ] || fail "$file: it was done"
    grep -q 'residence signer, which signs no security object' "$out/$file.stderr" ||
        { cat "$out/$file.stderr"; fail "$file: another reason"; }
}
refused false-sign pki ds sign --signer pki/residence-signer/office-1 false-card
[ ! -e false-card/EF_SOD.bin ] || fail "the office's signer signed a security object"
pki ds sign --signer pki/ds/ds-1 false-card >>pki.log
refused false-run "$bin/bitaqa-personalizer" run orders/one.jsonl --profile specimen-uto-full --reader "$(reader 0)" --printer none \
    --signer pki/residence-signer/office-1 --passphrase-file passphrase --trust trust --ledger false.jsonl --out false-cards --blanks 1 \
    --citizen-ca pki --pin-letters letters --cvca pki/cvc/UTISCVCA/generations/00001/certificate.cvcert \
    --cvca pki/cvc/UTATCVCA/generations/00001/certificate.cvcert
[ ! -e false.jsonl ] || fail "the printing centre began with the office's signer"
cat "$out/false-run.stderr"

say "The holder has moved: the office signs the entry and replaces the record"
sign moved 2026-11-01 "$number" 12
insert card.json 0
write moved OFFICE moved 0 --journal "$out/moved.journal"
pull 0
said moved.txt 'entered on 2026-05-04 by office 9101'
said moved.txt 'now: Erewhon, 12'
cat "$out/moved.txt"

say "Who may not, and what does not fit"
sign older 2026-10-31 "$number" 99
sign other 2026-11-02 199900000022 99
insert card.json 0
write stranger BORDER other 2
said stranger.stderr 'not for the holder'
sign next 2026-11-02 "$number" 13
write inspector BORDER next 21
said inspector.stderr 'does not show its residence record to this terminal'
write counter COUNTER next 21
said counter.stderr 'write-dg17'
write older OFFICE older 21
said older.stderr 'of a later day'
pull 0
printf 'x' >broken.bin
write broken OFFICE broken 2
said broken.stderr 'no residence record'
echo "an inspection system, an office without the right, an older record and another citizen's: all refused"

say "Fingers stay closed to the office, and open to the border"
insert card.json 0
for post in OFFICE BORDER; do
    "$bin/bitaqa-reader" verify --reader "$(reader 0)" --can "$can" --trust trust --json --terminal $post \
        --terminal-passphrase-file terminal-passphrase --save-evidence "$out/$post.evidence.json" >"$out/$post.json"
    [ "$(field verdict <"$out/$post.json")" = GENUINE_VALID ] || fail "$post: the card is not genuine"
done
pull 0
grep -q '"EF.DG3"' "$out/BORDER.evidence.json" || fail "the border did not read the fingers"
grep '"EF.DG3"' "$out/OFFICE.evidence.json" && fail "the office read fingers"

say "The card leaves while it is written to, and comes back"
# The record is the last command but one: counted where nothing was torn.
commands=$(grep -c '^{"exchange"' "$out/moved.journal")
for when in before after; do
    printf 'format = "bitaqa-soft-card-fault"\nversion = 1\nseed = 7\n[[fault]]\nkind = "torn"\nat = %d\nwhen = "%s"\n' \
        $((commands - 2)) "$when" >torn.toml
    insert card.json 0 --fault torn.toml
    write "torn-$when" OFFICE next 20
    said "torn-$when.stderr" 'the old record or the new one'
    pull 0
done
insert card.json 0
write again OFFICE next 0
pull 0
# Torn after the command, the card had the new record already.
said again.txt 'before: Erewhon, 13'
cat "$out/again.txt"

say "The holder chooses an own PIN and reads the record: the national trust knows the office's signer"
printf '31415926\n' >own-pin
# padded PIN: eight bytes in hexadecimal, as the card takes it
padded() { printf '%s' "$1" | od -An -tx1 | tr -d ' \n' | sed 's/$/ffffffffffffffff/' | cut -c 1-16; }
letter=$(field pin <letters/ZZ0000017.json)
insert card.json 0
printf '00A404000BA000000308000010000100\n0024008010%s%s\n' "$(padded "$letter")" "$(padded 31415926)" |
    "$bin/bitaqa-reader" apdu --reader "$(reader 0)" >"$out/pin.txt"
# 11: the certificates are good, and no card is judged by certificates.
code=0
"$bin/bitaqa-reader" citizen --reader "$(reader 0)" --can "$can" --trust trust --citizen-ca pki/citizen-ca/certificate.der \
    --pin-file own-pin >"$out/holder.txt" 2>"$out/holder.stderr" || code=$?
[ "$code" -eq 11 ] || { cat "$out/pin.txt" "$out/holder.txt" "$out/holder.stderr"; fail "the holder's reading ends with $code"; }
said holder.txt 'Residence record: GOOD'
said holder.txt '2026-11-02'
pull 0
grep -A 14 'Residence record' "$out/holder.txt"

printf '\nLook at %s\n' "$out"
echo "residence: one card, two records replaced, seven refusals, all as they must be"
