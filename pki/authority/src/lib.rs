//! Who signs: CSCA, document signer, CRL, trust bundle.
