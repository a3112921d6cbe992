//! Who is believed: certificates, CRLs, security objects, chains, trust bundles.
