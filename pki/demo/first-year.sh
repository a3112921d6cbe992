#!/bin/sh
# first-year.sh [OUT]: a ministry's first year with bitaqa-pki, every key of the authority in a token.
#
# Utopia holds a key ceremony, certifies a document signer each quarter, revokes one, gives its country signing CA a
# new key and then a new name, exchanges master lists with its neighbour, certifies terminals and one citizen. An
# embassy sees only the first trust bundle and, from then on, deltas. At the end it judges a document of every kind.
#
# The commands are what people type; only the clock is borrowed (faketime) and the tokens are SoftHSM2's, set up for
# this run alone. BITAQA_BIN is the folder of the programs (default target/release). OUT (default target/first-year)
# keeps the transcript, the lists, the bundles and the verdicts. Nothing here protects anything.
set -eu
umask 077

root=$(cd "$(dirname "$0")/../.." && pwd)
absolute() { case $1 in /*) echo "$1" ;; *) echo "$root/$1" ;; esac; }
bin=$(absolute "${BITAQA_BIN:-target/release}")
out=$(absolute "${1:-target/first-year}")
rm -rf "$out"
mkdir -p "$out"
cd "$out"

say() { printf '\n== %s\n' "$*"; }
fail() { echo "first-year: $*" >&2; exit 1; }
# on DATE: now it is ten o'clock on that day, and time goes on from there
on() { ahead=$(($(date -d "$1 10:00 UTC" +%s) - $(date +%s))); }
# now COMMAND: at that time
now() { faketime "@$(($(date +%s) + ahead + 1))" "$@"; }
pki() { now "$bin/bitaqa-pki" "$@"; }
reader() { now "$bin/bitaqa-reader" "$@"; }
# field NAME: the first value of that name in the JSON on standard input
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# --- Tokens -----------------------------------------------------------------------------------------------------

module=$(find /usr/lib -name libsofthsm2.so 2>/dev/null | head -n 1)
[ -n "$module" ] || fail "SoftHSM2 is not installed"
export SOFTHSM2_CONF="$out/softhsm2.conf"
mkdir tokens
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$out/tokens" >"$SOFTHSM2_CONF"
# token LABEL: a token and the file that holds its PIN
token() {
    printf '%s\n' "2580-$1" >"$1.pin"
    softhsm2-util --init-token --free --label "$1" --pin "2580-$1" --so-pin "so-$1" >/dev/null
}
# in_token LABEL: where a new key goes
in_token() { echo "--token $module --token-label $1"; }
token national
token centre
token border
token citizens
token neighbour

# --- Documents --------------------------------------------------------------------------------------------------

# document NUMBER STATE ISSUED: the data groups of a document, as a machine elsewhere prepares them
document() {
    mkdir "$1"
    awk -v number="$1" -v state="$2" '
        function check(text,    i, sum, c) {
            for (i = 1; i <= length(text); i++) {
                c = index("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", substr(text, i, 1))
                sum += (c ? c - 1 : 0) * (i % 3 == 1 ? 7 : i % 3 == 2 ? 3 : 1)
            }
            return sum % 10
        }
        BEGIN {
            first = number check(number) "<<<<<<<<<<<<<<<"
            birth = "740812" check("740812"); expiry = "370115" check("370115")
            all = check(first birth expiry "<<<<<<<<<<<")
            printf "a]_\037Z" "I<" state first birth "F" expiry state "<<<<<<<<<<<" all "HASSAN<<NOUR<<<<<<<<<<<<<<<<<<"
        }' >"$1/EF_DG1.bin"
    printf 'u\003\177a\000' >"$1/EF_DG2.bin"
    printf 'l\017\\\002_&_&\010%s' "$(echo "$3" | tr -d -)" >"$1/EF_DG12.bin"
}
# sign FOLDER SIGNER PIN
sign() { pki ds sign --signer "$2" --pin-file "$3.pin" "$1"; }

# --- January: the ceremony --------------------------------------------------------------------------------------

on 2027-01-04
say "Three custodians, each with an own credential; two of them must agree to everything"
custodians="amina omar leyla"
for name in $custodians; do
    printf 'the words of %s\n' "$name" >"$name.words"
    pki ceremony credential --name "$name" --out "$name.pem" --passphrase-file "$name.words" --json >"$name.json"
done
{
    printf 'format = "bitaqa-ceremony"\nversion = 1\ntitle = "The first country signing CA of Utopia"\n'
    printf 'profile = "specimen-uto"\nthreshold = 2\ncustody = "shared"\n'
    for name in $custodians; do
        printf '[[custodian]]\nname = "%s"\nkey = "%s"\n' "$name" "$(field key <"$name.json")"
    done
    printf '[[step]]\ndo = "say"\ntext = "The room is closed. The machine is not on a network."\n'
    printf '[[step]]\ndo = "create-authority"\ntoken = { label = "national", module = "%s" }\n' "$module"
} >ceremony.toml
yes yes | pki ceremony run ceremony.toml --dir pki --transcript ceremony.txt --pin-file national.pin \
    --credential amina.pem --credential leyla.pem \
    --credential-passphrase-file amina.words --credential-passphrase-file leyla.words
say "An auditor replays the transcript"
pki ceremony verify ceremony.txt --script ceremony.toml

# national COMMAND: with the keys in the national token, which two custodians open
national() {
    pki "$@" --dir pki --custody pki.custody.json --credential omar.pem --credential leyla.pem \
        --credential-passphrase-file omar.words --credential-passphrase-file leyla.words
}
# signer_of_the_quarter: the next document signer, its key in the centre's token, when the current one ends soon
signer_of_the_quarter() { national ds ensure --days 20 $(in_token centre) --signer-pin-file centre.pin; }
# What other states published, for the bundle; nothing yet.
elsewhere=
# publish N: the revocation list when one is due, then trust bundle N for the posts
publish() {
    national crl ensure --days 30
    national bundle export --out "bundle-$1" $elsewhere
    # The embassy believes a bundle when two of three custodians have signed it.
    pki bundle show "bundle-$1"
    seen=$(pki bundle show "bundle-$1" --json | field payload_sha256)
    for name in amina leyla; do
        pki bundle sign "bundle-$1" --sha256 "$seen" --credential "$name.pem" --credential-passphrase-file "$name.words"
    done
}
# next_bundle N: what the embassy gets of bundle N: what is different from the one before it
next_bundle() {
    publish "$1"
    pki bundle delta "bundle-$(($1 - 1))" "bundle-$1" --out "stick/delta-$1"
    reader trust install stick --trust embassy
}

say "The first quarter's document signer; the first trust bundle, which an embassy installs"
signer_of_the_quarter
publish 1
mkdir stick
# The fingerprints of the custodians' keys reach the embassy on paper.
set --
for name in $custodians; do set -- "$@" --pin "$(field pin <"$name.json")"; done
reader trust install bundle-1 "$@" --threshold 2 --trust embassy
document ZZ0000011 UTO 2027-01-15
on 2027-01-15
sign ZZ0000011 pki/ds/ds-0001 centre

# --- February: terminals ----------------------------------------------------------------------------------------

on 2027-02-01
say "Country verifying CA, document verifier and the terminal of the embassy in Paris"
border() { pki cvc "$@" --dir pki --country UT $(in_token border) --pin-file border.pin; }
border init --mnemonic ISCVCA --type is
cp pki/cvc/UTISCVCA/generations/00001/certificate.cvcert cvca-of-the-first-cards.cvcert
border dv --by UTISCVCA --mnemonic DVBORDER --domestic
border terminal --by UTDVBORDER --mnemonic EMBPARIS --rights read-dg3
pki cvc verify --trust cvca-of-the-first-cards.cvcert pki/cvc/UTEMBPARIS/generations/00001/chain.cvcerts

# --- Spring and summer: a signer each quarter, one of them revoked ----------------------------------------------

on 2027-03-25
say "The second quarter"
signer_of_the_quarter
next_bundle 2
document ZZ0000029 UTO 2027-04-10
on 2027-04-10
sign ZZ0000029 pki/ds/ds-0002 centre

on 2027-06-12
say "The third quarter; the second signer's token was stolen from the centre, so it is revoked and the list published"
signer_of_the_quarter
pki ds revoke --dir pki --name ds-0002
national crl issue
next_bundle 3
document ZZ0000037 UTO 2027-07-10
on 2027-07-10
sign ZZ0000037 pki/ds/ds-0003 centre

# --- Autumn: a new key, then a new name --------------------------------------------------------------------------

on 2027-08-20
say "The country signing CA gets a new key; the link certificate carries the trust over"
national csca rollover
on 2027-08-30
signer_of_the_quarter
next_bundle 4
document ZZ0000045 UTO 2027-09-10
on 2027-09-10
sign ZZ0000045 pki/ds/ds-0004 centre

on 2027-10-20
say "The ministry is renamed, and its country signing CA with it"
national csca rollover --common-name 'CSCA Utopia' --organization 'Ministry of Identity'
national crl ensure --days 30
national signer new master-list $(in_token national)
say "The neighbour's country signing CA comes on paper, and their master list by mail; ours goes to them"
pki init --profile iq-nid-compat --dir neighbour $(in_token neighbour) --pin-file neighbour.pin
pki ds new --dir neighbour $(in_token neighbour) --pin-file neighbour.pin
pki crl issue --dir neighbour --pin-file neighbour.pin
pki signer new master-list --dir neighbour $(in_token neighbour) --pin-file neighbour.pin
pki publish master-list --dir neighbour --pin-file neighbour.pin
fingerprint=$(openssl dgst -sha256 -r neighbour/csca/certificate.der | cut -d ' ' -f 1)
pki trust import --dir anchors neighbour/csca/certificate.der --confirm "$fingerprint" --by registrar
pki trust import --dir anchors neighbour/lists/master-list-1.ml --signer-state IQ --by registrar
elsewhere="--archive anchors --crl $(ls -t neighbour/crl/*.crl | head -n 1)"
national publish master-list --certificate neighbour/csca/certificate.der
pki master-list show pki/lists/master-list-1.ml --signer pki/csca/certificate.der
next_bundle 5
document ZZ0000053 UTO 2027-11-03
document ZZ0000061 IRQ 2027-11-03
on 2027-11-03
sign ZZ0000053 pki/ds/ds-0004 centre
sign ZZ0000061 neighbour/ds/ds-0001 neighbour

say "The verifying CA gets a new key too; cards in the field follow the link certificate"
on 2027-11-05
border init --mnemonic ISCVCA --next
border dv --by UTISCVCA --mnemonic DVBORDER --domestic
border terminal --by UTDVBORDER --mnemonic EMBPARIS --rights read-dg3
pki cvc verify --trust cvca-of-the-first-cards.cvcert pki/cvc/UTEMBPARIS/generations/00002/chain.cvcerts

say "One citizen, whose key was made on the card; OpenSSL verifies the certificate"
on 2027-11-08
pki citizen init --dir pki $(in_token citizens) --pin-file citizens.pin
pki citizen crl --dir pki --pin-file citizens.pin
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout card.key -subj /CN=card -out card.csr 2>/dev/null
pki citizen issue --dir pki --pin-file citizens.pin --csr card.csr --purpose authentication \
    --given-names Nour --surname Hassan --number UT-1234
openssl x509 -inform der -in pki/citizen-ca/certificate.der -out citizen-ca.pem
openssl crl -inform der -in pki/citizen-ca/crl/0-1.crl -out citizen-ca.crl.pem
openssl x509 -inform der -in pki/citizen-ca/certificates/0/*.der -out citizen.pem
now openssl verify -x509_strict -crl_check -CAfile citizen-ca.pem -CRLfile citizen-ca.crl.pem citizen.pem

# --- December: the embassy ---------------------------------------------------------------------------------------

on 2027-12-01
signer_of_the_quarter
next_bundle 6
say "A forger, whose country signing CA has our name and another key; and a document that was altered"
pki init --profile specimen-uto --dir forger --pin-file border.pin
pki ds new --dir forger --pin-file border.pin --signer-pin-file border.pin
document ZZ0000079 UTO 2027-12-01
sign ZZ0000079 forger/ds/ds-0001 border
cp -r ZZ0000011 ZZ0000011-altered
sed -i s/20270115/20270215/ ZZ0000011-altered/EF_DG12.bin

say "What the embassy makes of each document"
mkdir verdicts
# judged FOLDER RESULT...: what signature, trust, revocation and data groups have to be
judged() {
    folder=$1
    shift
    reader judge "$folder"/*.bin --trust embassy --json >"verdicts/$folder.json" || true
    for check in sod-signature trust-status ds-revocation dg12-integrity; do
        result=$(tr '{' '\n' <"verdicts/$folder.json" | sed -n "s/.*\"id\":\"$check\".*\"result\":\"\([a-z ]*\)\".*/\1/p")
        [ "$result" = "$1" ] || fail "$folder: $check is $result, not $1"
        printf '%-18s %-15s %s\n' "$folder" "$check" "$result"
        shift
    done
}
judged ZZ0000011 successful successful successful successful           # the first signer, under the first key
judged ZZ0000029 successful successful failed successful               # the revoked signer
judged ZZ0000037 successful successful successful successful
judged ZZ0000045 successful successful successful successful           # under the second key
judged ZZ0000053 successful successful successful successful
judged ZZ0000061 successful successful successful successful           # the neighbour's
judged ZZ0000079 successful undetermined undetermined successful       # the forger's
judged ZZ0000011-altered successful successful successful failed

say "Half a year without news: nothing is believed blindly"
on 2028-06-01
judged ZZ0000037 successful successful undetermined successful
reader judge ZZ0000037/*.bin --trust embassy | grep -A1 trust-bundle-freshness

say "No key of the authority ever left its token, and the record of the year is whole"
if grep -rl 'PRIVATE KEY' pki neighbour; then fail "a private key is in a file"; fi
on 2027-12-31
pki acts verify --dir pki
pki status --dir pki || [ $? = 40 ]
echo
echo "first-year: 1 ceremony, 3 keys of the CSCA, 5 document signers, 6 bundles, 9 verdicts as they must be"
