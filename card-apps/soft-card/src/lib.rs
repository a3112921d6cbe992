//! The card in software: eMRTD application and GlobalPlatform issuer domain.
