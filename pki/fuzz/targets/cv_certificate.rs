//! A card-verifiable certificate or request: read, written again, checked with its own key.
#![no_main]

use jiff::civil::date;
use libfuzzer_sys::fuzz_target;
use trust::EllipticCurve;
use trust::cvc::chain::{self, TrustPoint};
use trust::cvc::{CvCertificate, CvRequest};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = CvCertificate::from_bytes(bytes) {
        let again = CvCertificate::from_bytes(&certificate.encode()).expect("what was read can be written");
        assert_eq!(again.body(), certificate.body());
        let _ = certificate.key(Some(EllipticCurve::BrainpoolP256r1));
        if let Ok(point) = TrustPoint::new(certificate.clone()) {
            let _ = chain::verify(&[point], &[certificate], date(2026, 11, 22));
        }
    }
    if let Ok(request) = CvRequest::from_bytes(bytes) {
        let again = CvRequest::from_bytes(&request.encode()).expect("what was read can be written");
        assert_eq!(again.body(), request.body());
        let _ = request.verify_inner();
    }
});
