//! The citizen CA of a State in a temporary directory: it certifies the keys of one holder.

use authority::Passphrase;
use authority::citizen_ca::{Holder, Purpose};
use eid::keys::KeyReference;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509Req;
use trust::Certificate;

use crate::issuer::{Issuer, PASSPHRASE, days_after, usual_start};

/// A State with a citizen CA.
pub struct Citizens {
    pub issuer: Issuer,
    pub ca: Certificate,
}

impl Citizens {
    pub fn new() -> Self {
        let mut issuer = Issuer::new("specimen-uto");
        let ca = issuer.authority.create_citizen_ca(false, &Passphrase::new(PASSPHRASE), usual_start()).unwrap();
        Citizens { issuer, ca }
    }

    /// The certificate of a key of the specimen's holder.
    pub fn certify(&mut self, reference: KeyReference, key: &PKey<Private>) -> Certificate {
        let holder = Holder { given_names: "Nour".into(), surname: "Hassan".into(), number: "ZZ0000017".into() };
        let (secret, now) = (Passphrase::new(PASSPHRASE), days_after(usual_start(), 1));
        let spki = key.public_key_to_der().unwrap();
        let authority = &mut self.issuer.authority;
        let purpose = match reference {
            KeyReference::KeyManagement if key.ec_key().is_ok() => {
                return authority.issue_agreement_certificate(&spki, &holder, &secret, now).unwrap().certificate;
            }
            KeyReference::KeyManagement => Purpose::KeyManagement,
            KeyReference::Signature => Purpose::Signature,
            KeyReference::Authentication | KeyReference::CardAuthentication => Purpose::Authentication,
        };
        let mut request = X509Req::builder().unwrap();
        request.set_pubkey(key).unwrap();
        request.sign(key, MessageDigest::sha256()).unwrap();
        let request = request.build().to_der().unwrap();
        authority.issue_citizen_certificate(&request, purpose, &holder, &secret, now).unwrap().certificate
    }
}
