//! What an operator is told when a card-verifiable certificate is not issued.

use authority::cvca::CvError;

use super::{Failure, TRUST, USAGE, acts_advice, key_advice, signing_advice};

impl From<CvError> for Failure {
    fn from(error: CvError) -> Self {
        let why = error.to_string();
        let (remedy, exit) = match &error {
            CvError::File(_) => ("Check the permissions and the space on the disk, then repeat the command.", TRUST),
            CvError::Record { .. } | CvError::Damaged { .. } => ("Restore the directory from its backup.", TRUST),
            CvError::Acts(error) => acts_advice(error),
            CvError::Busy(_) => ("Wait until the other process has ended, then repeat the command.", TRUST),
            CvError::Key(error) | CvError::HolderKey { error, .. } => key_advice(error),
            CvError::Signing(error) => signing_advice(error),
            CvError::Library(_) => ("Repeat the command; check the key store.", TRUST),
            CvError::Date(_) => ("Set the clock of this machine.", TRUST),
            CvError::Reference(_) => {
                ("A name is a country of two capital letters and up to nine capital letters and digits.", USAGE)
            }
            CvError::Chat(_) => ("bitaqa-pki cvc show names the rights of the issuer's certificate.", USAGE),
            CvError::PublicKey(_) | CvError::Body(_) => ("Ask the sender for another request.", TRUST),
            CvError::NoSuchHolder(_) => ("bitaqa-pki cvc list names the holders of this directory.", USAGE),
            CvError::HolderExists(_) => ("Choose another mnemonic; --next makes its next key.", USAGE),
            CvError::NoCertificate(_) => ("Store the answer to its request with bitaqa-pki cvc accept first.", TRUST),
            CvError::SequenceUsedUp(_) => ("Choose another mnemonic.", USAGE),
            CvError::IssuerExpired { .. } => ("Get the issuer its next certificate first.", TRUST),
            CvError::WrongLevel { .. } => {
                ("A CVCA certifies document verifiers, and a document verifier terminals.", USAGE)
            }
            CvError::NotACvca(_) => ("Use bitaqa-pki cvc dv, terminal or request for its next key.", USAGE),
            CvError::Lifetime { .. } => {
                ("Choose an end between these days; when the issuer's end is the limit, renew the issuer first.", USAGE)
            }
            CvError::RightNotHeld { .. } => ("Leave the right out, or certify the issuer with it first.", USAGE),
            CvError::Request(_) => ("Refuse the request, and ask its sender on another way.", TRUST),
            CvError::NotAuthenticated(_) => (
                "If this very request was answered, the answer is in the issuer's folder, under issued: send it again. \
                  Otherwise ask the sender for a request signed with the key of the current certificate too.",
                TRUST,
            ),
            CvError::UnknownAuthenticator(_) => {
                ("Give the certificate of the state that vouches with --voucher, or refuse the request.", TRUST)
            }
            CvError::AuthenticatorExpired { .. } => (
                "Ask for a request without that signature, as cvc request makes it when the current certificate has expired; compare \
                 its fingerprint with the sender on another way, as for a first one.",
                TRUST,
            ),
            CvError::Chain(_) => (
                "Ask the issuer for the certificates that lead from its CVCA to this one; give a CVCA that you believe with --trust.",
                TRUST,
            ),
            CvError::TrustPoint(_) => ("Give the self-signed certificate of a CVCA.", TRUST),
            CvError::AlreadyIssued(_) => (
                "The certificate is in the issuer's folder, under issued: send it again, or ask for a request with a new key \
                 and the next sequence number.",
                TRUST,
            ),
            CvError::KeyKind(_) => ("Make the request with --authority and the issuer's certificate.", TRUST),
            CvError::NotAwaited(_) => ("Check that the answer is for the request of this directory.", TRUST),
            CvError::Lint(_) => (
                "bitaqa-pki lint --rules explains every rule; ask for a request that keeps it, or report a fault.",
                TRUST,
            ),
            CvError::NotVerified => ("This is a fault of the program or of a file that was given: report it.", TRUST),
        };
        Failure { what: "Nothing was issued.".to_owned(), why, remedy: remedy.to_owned(), exit }
    }
}
