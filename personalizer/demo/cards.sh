#!/bin/sh
# cards.sh [OUT]: cards on four kinds of chips, from the centre to the holder's computer, over the shipped programs, without hardware.
#
# A centre issues on this project's own card (travel document and citizen's keys together, every proof of the chip) and on Java Cards with
# the JMRTD passport applet, PivApplet and OpenFIPS201. The keys of the chips come from a token. Each kind is made once without any trouble,
# and read by bitaqa-reader, OpenSC and OpenSSL, as its holder would use it; and once it is torn in the middle, recovered, read back, and
# rejected. Every card goes through a real pcscd.
#
# BITAQA_BIN is the folder of the programs (default target/release). OUT (default target/cards) keeps what was made, and in checks.log
# what each program said.
set -eu
name=cards
. "$(dirname "$0")/workshop.sh"
cd "$work"
# Caches and settings of OpenSC stay out of it.
export HOME="$work" XDG_CACHE_HOME="$work/cache" LC_ALL=C
log=$out/checks.log
passed=0
failed=0
made=0

# check WHAT COMMAND: counts whether it succeeds
check() {
    what=$1
    shift
    printf -- '-- %s: %s\n' "$what" "$*" >>"$log"
    if "$@" >last 2>&1; then
        passed=$((passed + 1))
        echo "  ok      $what"
    else
        failed=$((failed + 1))
        echo "  FAILED  $what"
        tail -n 5 last
    fi
    cat last >>"$log"
}
# exits CODE COMMAND: whether it ends with that exit code
exits() {
    wanted=$1
    shift
    code=0
    "$@" || code=$?
    [ "$code" -eq "$wanted" ] || { echo "exit code $code instead of $wanted"; return 1; }
}
# absent FILE: whether there is no such file
absent() { [ ! -e "$1" ]; }
# nowhere TEXT FILE: whether the file is there and does not say that
nowhere() { [ -s "$2" ] && ! grep -F -- "$1" "$2"; }
# refused TEXT COMMAND: whether it fails and says that
refused() {
    text=$1
    shift
    if "$@" >said 2>&1; then cat said; echo "it went through"; return 1; fi
    cat said
    grep -q -F -- "$text" said || { echo "nothing of: $text"; return 1; }
}
# says TEXT COMMAND: whether it succeeds and prints that
says() {
    text=$1
    shift
    "$@" >said 2>&1 || { cat said; return 1; }
    cat said
    grep -q -F -- "$text" said || { echo "nothing of: $text"; return 1; }
}

# --- The centre -------------------------------------------------------------------------------------------------

say "A national PKI with a citizen CA; a token with the master keys of the chips"
found_state pki trust >pki.log
printf 'citizens of the demo\n' >citizen-passphrase
"$bin/bitaqa-pki" citizen init --dir pki --passphrase-file citizen-passphrase >>pki.log
citizen_ca=pki/citizen-ca/certificate.der
openssl x509 -inform der -in "$citizen_ca" -out citizen-ca.pem

module=$(find /usr/lib -name libsofthsm2.so 2>/dev/null | head -n 1)
[ -n "$module" ] || fail "SoftHSM2 is not installed"
export SOFTHSM2_CONF="$work/softhsm2.conf"
mkdir tokens
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" >"$SOFTHSM2_CONF"
printf '25801470\n' >token-pin
softhsm2-util --init-token --free --label centre --pin 25801470 --so-pin 36912580 >>pki.log
in_token="--token $module --token-label centre"
# The maker of the blanks sends his master key in two components; the issuer's is made in the token and never leaves it.
openssl rand -hex 16 >one.txt
openssl rand -hex 16 >two.txt
# shellcheck disable=SC2086 # a list of options
"$bin/bitaqa-pki" master-key import $in_token --pin-file token-pin --label maker-2026 --kind aes-128 \
    --component one.txt --component two.txt >>pki.log
# shellcheck disable=SC2086
"$bin/bitaqa-pki" master-key new $in_token --pin-file token-pin --label issuer-2026 >>pki.log

# What the maker does for each chip, with OpenSSL instead of the token: KDF3 over the chip's key diversification data.
exclusive_or() { # two files of hexadecimal digits, 32 each
    for at in 1-8 9-16 17-24 25-32; do
        printf '%08x' $((0x$(cut -c $at "$1") ^ 0x$(cut -c $at "$2")))
    done
}
# maker_s_keys CHIP: ENC, MAC and DEK of the chip with this serial number
maker_s_keys() {
    data=$(echo "$1" | cut -c 1-4,9-)
    for number in 1 2 3; do
        escaped=$(echo "01000000$(printf %02x $number)00$data" | sed 's/../\\x&/g')
        # shellcheck disable=SC2059 # the bytes are the format
        env printf "$escaped" | openssl mac -cipher AES-128-CBC -macopt "hexkey:$(exclusive_or one.txt two.txt)" CMAC
    done
}

say "Profiles: what a centre changes of those that come with the program"
cat >own.toml <<'END'
# The whole card: specimen-uto-eid with every proof of the chip, as in specimen-uto-cam, and each card's own keys.
extends = "specimen-uto-eid"
name = "own"
lds.data_groups = [1, 2, 11, 12, 13, 14, 15]
access.chip_authentication_mapping = true
active_authentication.key = "P-256"
card.key_derivation = "kdf3"
[keys]
version = 0x31
derivation = "kdf3"
END
cat >openfips201.toml <<'END'
extends = "specimen-uto-openfips201"
name = "openfips201"
eid.algorithms = { signature = "RSA-2048", key-management = "RSA-2048" }
END
echo "own.toml, openfips201.toml"

# The registry's orders. The day of expiry is given, because with it a chip without PACE is opened.
mkdir orders
ln -s "$root/test-vectors/portraits" portraits
expiry=$(date -u -d '9 years' +%Y-%m-%d)
for n in 1 2 3 4 5 6 7 8; do
    sed -n "${n}p" "$orders" | sed "s/\"issue\": {/&\"expiry\": \"$expiry\", /" >"orders/$n.jsonl"
done
# short DATE: as the MRZ has it
short() { echo "$1" | sed 's/^..//; s/-//g'; }

say "pcscd with two virtual readers"
start_pcscd 2

# kind NAME: from here on, this kind of chip
kind() {
    kind=$1
    case $1 in
        own | openfips201) profile=$1.toml ;;
        *) profile=specimen-uto-$1 ;;
    esac
    case $1 in jmrtd) persona=jmrtd-passport ;; own) persona=this-state ;; *) persona=$1 ;; esac
    citizen_options="--citizen-ca pki --citizen-passphrase-file citizen-passphrase --pin-letters letters"
    key_options="$in_token --token-pin-file token-pin --issuer-key-label issuer-2026 $citizen_options"
    case $1 in
        own) key_options="$key_options --card-key-label maker-2026" ;;
        jmrtd) key_options= ;;
    esac
}
# blank N: a chip as it is bought, for the order N
blank() {
    set -- "$1" --state "$1.card" --persona "$persona" --serial "00000000000$1"
    if [ "$kind" = own ]; then
        maker_s_keys "FFFF500C632600000000000$1" >"$1.keys"
        set -- "$@" --eid --keys "$1.keys"
    fi
    n=$1
    shift
    "$bin/bitaqa-soft-card" new "$@" >>"$log"
    document=$(order "$n" document_number)
}
# centre VERB [OPTION...]: run or recover, for the order N on the chip station
centre() {
    verb=$1
    shift
    # shellcheck disable=SC2086
    "$bin/bitaqa-personalizer" "$verb" "orders/$n.jsonl" --profile "$profile" --reader "$(reader "${station:-0}")" --wait 5 $key_options \
        --signer pki/ds/ds-1 --passphrase-file signer-passphrase --trust trust --ledger ledger.jsonl --out "$out" "$@"
}
# verify [OPTION...]: as at an embassy
verify() {
    if [ "$kind" = jmrtd ]; then
        set -- --bac allowed --mrz "$document,$(short "$(order "$n" birth_date)"),$(short "$expiry")" "$@"
    else
        set -- --can "$(order "$n" card_access_number)" "$@"
    fi
    "$bin/bitaqa-reader" verify --reader "$(reader 0)" --trust trust "$@"
}
citizen() { "$bin/bitaqa-reader" citizen --reader "$(reader 0)" --citizen-ca "$citizen_ca" "$@"; }
letter() { field "$1" <"letters/$document.json"; }

# --- What is looked at ------------------------------------------------------------------------------------------

# result ID RESULT FILE: what a check of bitaqa-reader came to
result() { [ "$(tr '{' '\n' <"$3" | grep "\"id\":\"$1\"" | field result)" = "$2" ]; }
verified() { exits 0 verify --json >verdict.json && [ "$(field verdict <verdict.json)" = GENUINE_VALID ]; }
# the files that the chip gives are those of the document, and are understood
files() {
    rm -rf files
    if [ "$kind" = jmrtd ]; then
        set -- --bac allowed --mrz "$document,$(short "$(order "$n" birth_date)"),$(short "$expiry")"
    else
        set -- --can "$(order "$n" card_access_number)"
    fi
    "$bin/bitaqa-reader" read --reader "$(reader 0)" --out files "$@" &&
        "$bin/bitaqa-reader" show files/EF_*.bin >shown && grep -q "document number  *$document" shown
}
travel_document() {
    check "bitaqa-reader verify: GENUINE_VALID" verified
    case $kind in
        own) proofs="pace-cam chip-authentication dg15-integrity" ;;
        *) proofs=active-authentication ;;
    esac
    for proof in $proofs; do
        case $proof in dg15-integrity) proof=other-groups-integrity ;; esac
        check "  $proof: successful" result "$proof" successful verdict.json
    done
    check "bitaqa-reader read, show: document $document" files
}

# 9A, 9C and 9D; no key is proved and no list given, hence the exit code.
certificates_good() {
    exits 11 citizen --json >citizen.json && grep -q '"judgement":"certificates-good"' citizen.json &&
        [ "$(tr '{' '\n' <citizen.json | grep -c '"judgement":"good"')" -eq 3 ]
}
# certificate ID: read by OpenSC, verified by OpenSSL
certificate() {
    pkcs15-tool --read-certificate "$1" >"$1.pem" && openssl x509 -in "$1.pem" -pubkey -noout >"$1.pub" &&
        openssl verify -x509_strict -CAfile citizen-ca.pem "$1.pem"
}
# of_document ID: the certificate names the document
of_document() { openssl x509 -in "$1.pem" -noout -subject | grep -q "serialNumber = $document"; }
# signs ID PIN
signs() {
    if grep -q 'Public Key Algorithm: rsa' <<END
$(openssl x509 -in "$1.pem" -noout -text)
END
    then set -- "$1" "$2" -m SHA256-RSA-PKCS
    else set -- "$1" "$2" -m ECDSA-SHA256 --signature-format openssl; fi
    id=$1 pin=$2
    shift 2
    rm -f signature
    pkcs11-tool --login --pin "$pin" --sign --id "$id" -i message -o signature "$@" &&
        openssl dgst -sha256 -verify "$id.pub" -signature signature message
}
# The key management key deciphers, or agrees, as OpenSSL does at the other end.
keeps_secrets() {
    rm -f opened shared
    if openssl x509 -in 03.pem -noout -text | grep -q 'Public Key Algorithm: rsa'; then
        openssl pkeyutl -encrypt -pubin -inkey 03.pub -in message -out sealed &&
            pkcs11-tool --login --pin "$1" --decrypt -m RSA-PKCS --id 03 -i sealed -o opened && cmp message opened
    else
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out peer.pem &&
            openssl pkey -in peer.pem -pubout -outform der -out peer.der &&
            pkcs11-tool --login --pin "$1" --derive -m ECDH1-DERIVE --id 03 -i peer.der -o shared &&
            openssl pkeyutl -derive -inkey peer.pem -peerkey 03.pub -out opened && cmp opened shared
    fi
}
printf 'a message of the holder\n' >message
printf 'another message\n' >other

# residence WORD [OPTION...]: what is said of the residence record of this project's card, with travel document and PIN
residence() {
    word=$1
    shift
    exits 11 citizen --trust trust --can "$(order "$n" card_access_number)" "$@" --json >residence.json &&
        sed 's/.*"residence":{//' residence.json | grep -q "^\"state\":\"[a-z]*\",\"judgement\":$word,"
}

# good [OPTION...]: the card proves its keys, the citizen CA's newest list does not name it, and nothing is open
good() {
    "$bin/bitaqa-pki" citizen crl --dir pki --passphrase-file citizen-passphrase || return 1
    for list in pki/citizen-ca/crl/*.crl; do set -- "$@" --crl "$list"; done
    exits 0 citizen --trust trust --pin-file holder-pin "$@" --json >good.json && grep -q '"judgement":"good","not_judged":\[\]' good.json
}

citizen_s_card() {
    first=$(letter pin)
    puk=$(letter puk)
    own=271828
    check "bitaqa-reader citizen: every certificate is good" certificates_good
    check "opensc-tool -n: the driver is found" says "Personal Identity Verification Card" opensc-tool -n
    check "piv-tool -n" says "Personal Identity Verification Card" piv-tool -n
    pkcs15-tool -D >listed 2>&1 || true
    for label in "PIV AUTH key" "SIGN key" "KEY MAN key" "Certificate for Key Management"; do
        check "pkcs15-tool -D: $label" grep -F "$label" listed
    done
    # The slot 9E stays empty: whoever comes near the card could follow it by that key.
    check "pkcs15-tool -D: no certificate of 9E" nowhere "X.509 Certificate [Certificate for Card Authentication]" listed
    check "  and no key" nowhere "CARD AUTH key" listed
    cp listed "$out/$kind.listed"
    for id in 01 02 03; do
        check "certificate $id: pkcs15-tool --read-certificate, openssl verify" certificate $id
        check "  it is that of document $document" of_document $id
    done
    if [ "$kind" = own ]; then
        check "bitaqa-reader citizen: the PIN is the issuer's" says "no key works until the holder has chosen" exits 11 citizen
        check "with the letter's PIN no key works: the card takes it for no login" refused "C_Login failed" signs 01 "$first"
        check "  which cost no try" says "3 tries left" exits 11 citizen
        check "  and no residence record is shown" residence '"not-judged"'
        check "pkcs15-tool --change-pin" pkcs15-tool --change-pin --pin "$first" --new-pin "$own"
        echo "$own" >holder-pin
        check "bitaqa-reader citizen --pin-file: the residence record is good" residence '"good"' --pin-file holder-pin
        check "  and of the holder of the travel document" result residence-holder successful residence.json
        check "  the certificates are of this card" result certificates-document successful residence.json
        check "bitaqa-reader citizen --pin-file --can --crl: the card is good" good --can "$(order "$n" card_access_number)"
    else
        check "the letter's PIN signs" signs 01 "$first"
        check "pkcs11-tool --change-pin" pkcs11-tool --change-pin --pin "$first" --new-pin "$own"
        echo "$own" >holder-pin
        check "bitaqa-reader citizen --pin-file --crl: the card is good" good
    fi
    check "the letter's PIN is a PIN no more" refused "PIN code or key incorrect" \
        pkcs15-tool --verify-pin --pin "$first"
    for id in 01 02; do
        check "pkcs11-tool --login --sign with $id, openssl dgst -verify" signs $id "$own"
        check "  and of no other message" refused "Verification failure" \
            openssl dgst -sha256 -verify $id.pub -signature signature other
    done
    check "pkcs11-tool with 03: what OpenSSL sends is read" keeps_secrets "$own"
    check "pkcs15-tool --unblock-pin with the letter's PUK" pkcs15-tool --unblock-pin --puk "$puk" --new-pin 314159
    check "  and signs with the new PIN" signs 01 314159
}

# --- Made -------------------------------------------------------------------------------------------------------

looked_at() {
    case $kind in own | jmrtd) travel_document ;; esac
    case $kind in jmrtd) ;; *) citizen_s_card ;; esac
}
# make N: a card without any trouble, packed, in the hands of its holder
make() {
    blank "$1"
    insert "$n.card" 0
    check "bitaqa-personalizer run: $document finished" exits 0 centre run --printer none --blanks 1
    looked_at
    check "it is not made again" says "was made before" centre run --printer none
    check "recover finds it complete" says "was finished before" centre recover --printer none
    pull 0
    made=$((made + 1))
}

say "This project's card: travel document and citizen's keys, every proof of the chip"
kind own
make 1
check "bitaqa-soft-card show: the issuer's keys alone" says "key versions            31" "$bin/bitaqa-soft-card" show --state 1.card
check "  and the card is SECURED" says "card                    SECURED" "$bin/bitaqa-soft-card" show --state 1.card
say "A Java Card with the JMRTD passport applet"
kind jmrtd
make 3
say "A Java Card with PivApplet"
kind pivapplet
make 4
say "A Java Card with OpenFIPS201"
kind openfips201
make 7

# --- Torn, recovered, rejected ----------------------------------------------------------------------------------

# torn N AT: the power goes after command AT; the card comes back, is finished and read back, and rejected, as nothing was printed on it
torn() {
    blank "$1"
    printf 'format = "bitaqa-soft-card-fault"\nversion = 1\nseed = 1\n[[fault]]\nkind = "torn"\nat = %d\nwhen = "after"\n' "$2" >fault.toml
    insert "$n.card" 0 --fault fault.toml
    check "bitaqa-personalizer run: $document torn at command $2" exits 11 centre run --blanks 1
    pull 0
    check "  the ledger has it as $3" in_state "$3"
    insert "$n.card" 0
    check "recover: finished, but for its print" says "$document: unprinted" exits 11 centre recover
    cp last "$n.recovered"
    case $kind in own | jmrtd) check "bitaqa-reader verify: GENUINE_VALID" verified ;; esac
    case $kind in
        jmrtd) ;;
        *)
            check "bitaqa-reader citizen: every certificate is good" certificates_good
            check "  its letter is kept" test -s "letters/$document.json"
            ;;
    esac
    made=$((made + 1))
    # The passport applet has nothing that locks it.
    case $kind in jmrtd) ends=21 ;; *) ends=0 ;; esac
    check "recover --reject" says "$document: rejected: rejected by the operator" exits "$ends" centre recover --reject
    cp last "$n.rejected"
    check "  no letter is left" absent "letters/$document.json"
}
# in_state STATE: what the ledger says of the document
in_state() {
    "$bin/bitaqa-personalizer" --json ledger show ledger.jsonl >documents &&
        grep -F "\"document\":\"$document\"" documents | grep -q -F "\"state\":\"$1\""
}
# locked WORD: whether the rejected card's result says that its chip is useless now: true or false
locked() {
    grep -F '"outcome":"rejected"' "$out/$document/result.json" && grep -q -F "\"chip_locked\":$1" "$out/$document/result.json"
}
# again N: the rejected card is put in once more
again() {
    check "recover, once more: it stays rejected" says "$document: rejected: rejected before" exits 21 centre recover
    pull 0
}

say "This project's card, torn, finished and rejected"
kind own
torn 2 160 CHIP_INITIALISED
check "  the chip obeys" locked true
check "  bitaqa-reader verify: nothing can be read" exits 11 verify
check "  bitaqa-reader citizen: there is nothing" says "no PIV application" exits 21 citizen
again
say "The JMRTD passport applet, torn, finished and rejected"
kind jmrtd
torn 6 60 CHIP_INITIALISED
check "  nobody can lock it" locked false
check "  destroy it" says "destroy it, and revoke the number" cat "$n.rejected"
check "  bitaqa-reader verify: it is still genuine" verified
printf '{"number": "%s", "reason": "damaged", "since": "%s"}\n' "$document" "$(date -u +%Y-%m-%d)" >revoked.jsonl
"$bin/bitaqa-pki" bundle export --dir pki --passphrase-file passphrase --out next.bundle --revoked-documents revoked.jsonl >>pki.log
"$bin/bitaqa-reader" trust install next.bundle --trust trust >>pki.log
check "  until its number is revoked: GENUINE_REVOKED" exits 13 verify
again
say "PivApplet, torn, finished and rejected"
kind pivapplet
torn 5 40 BLANK_ASSIGNED
check "  the chip obeys" locked true
check "  its PIN is blocked" says blocked exits 11 citizen
again
say "OpenFIPS201, torn, finished and rejected"
kind openfips201
torn 8 50 BLANK_ASSIGNED
check "  the chip obeys" locked true
check "  its PIN is blocked" says blocked exits 11 citizen
again

# --- The end of the shift ---------------------------------------------------------------------------------------

say "The certificates of lost keys and rejected cards are revoked with the commands that were printed"
sed -n 's/^  revoke: //p' ./*.recovered ./*.rejected | sort -u | sed "s|bitaqa-pki|'$bin/&'|; s/--dir DIR/--dir pki/" >revoke.sh
count=$(wc -l <revoke.sh)
check "six for each torn card with keys of a citizen" test "$count" -eq 18
check "bitaqa-pki citizen revoke, $count times" sh -e revoke.sh
check "bitaqa-pki citizen crl" "$bin/bitaqa-pki" citizen crl --dir pki --passphrase-file citizen-passphrase
cat citizen-ca.pem >checked.pem
for list in pki/citizen-ca/crl/*.crl; do openssl crl -inform der -in "$list" >>checked.pem; done
# standing SERIAL: neither expired nor revoked
standing() {
    openssl x509 -inform der -in "$(find pki/citizen-ca/certificates -iname "*$1*.der")" -out standing.pem &&
        openssl verify -x509_strict -crl_check -CAfile checked.pem standing.pem
}
check "openssl verify -crl_check: the certificate of a rejected card is revoked" says "certificate revoked" exits 2 standing \
    "$(sed -n 's/.* //p' revoke.sh | head -n 1)"
check "  and the one of a card in use is not" openssl verify -x509_strict -crl_check -CAfile checked.pem 01.pem

say "Nothing is open, and every blank is accounted for"
mkdir blanks
kind jmrtd
"$bin/bitaqa-soft-card" new --state blanks/1.card --persona jmrtd-passport >>"$log"
start_printer blanks 1
station=1
n=3
check "recover --printer feeds no card for those that cannot be locked" says "nothing is open in this ledger" \
    exits 0 centre recover --printer printer
check "bitaqa-personalizer ledger verify" "$bin/bitaqa-personalizer" ledger verify ledger.jsonl
check "bitaqa-personalizer ledger balance" says "received 8  good 4  spoiled 4  in work 0  left 0" \
    "$bin/bitaqa-personalizer" ledger balance ledger.jsonl

printf '\nWhat each program said stands in %s\n' "$log"
echo "cards: $made made, $passed checks passed, $failed failed"
[ "$failed" -eq 0 ]
