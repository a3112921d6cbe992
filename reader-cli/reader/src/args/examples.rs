//! The longer examples of the help.

/// Of `verify`.
pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  bitaqa-reader verify --can 123456
  bitaqa-reader verify --mrz-file mrz.txt --bac allowed --report page.html
  bitaqa-reader verify --evidence evidence.json --at 2026-11-22T12:00:00Z --json";

/// Of `explain`.
pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  bitaqa-reader explain
  bitaqa-reader explain chip-authenticity
  bitaqa-reader explain CLONE_SUSPECT";

/// Of `citizen`.
pub(super) const CITIZEN_HELP: &str = "\
Examples:
  bitaqa-reader citizen --trust post
  bitaqa-reader citizen --trust post --can 123456 --pin --crl 0.crl
  bitaqa-reader citizen --citizen-ca citizen-ca.der --json

Without --pin no try is spent: the residence record stays closed, and of the card's keys
only 9E is asked for. With --pin the card proves the keys 9A and 9D of its certificates
on fresh random challenges: certificates can be copied, the keys cannot. The signature
key 9C signs nothing for a reader.
With --can or --mrz the travel document on the same card is read and judged too, without
the portrait: it says whose card this is.
`bitaqa-reader explain NAME` explains a check.

With revocation lists (--crl, or those in citizen-crl in the trust store) it is looked up
whether certificates are revoked; a list counts when a believed citizen CA signed it, and
clears only while it is fresh. What is not judged is never good.

Exit codes:
  0  good: every certificate is good, the card has proved its keys, none is revoked, and
     nothing is open; with a travel document on the card, that was read and is in force
 10  a certificate or the residence record is forged, the card does not have the key of a
     certificate, or they name different holders
 11  every certificate is good and something is open (\"certificates-good\"), or there is
     none, or no citizen CA to judge it by
 12  a certificate, the record's signer or the travel document is not in force
 13  a certificate, or the travel document, is revoked
 16  another issuer
 21  the card has no such application, or refused the PIN";

/// Of `trust install`.
pub(super) const INSTALL_EXAMPLES: &str = "\
Examples:
  bitaqa-reader trust install utopia.bundle --pin '96d9b149 5e3c...'
  bitaqa-reader trust install utopia.bundle --pin 5e3c... --pin 90aa... --pin c41f... --threshold 2
  bitaqa-reader trust install utopia-8.delta
  bitaqa-reader trust install /media/stick

The first installation keeps the fingerprints; later ones need none. A bundle that enough of the known and of the next
signers signed may name the next ones. A folder is searched for bundles and deltas; what ends highest is installed.";
