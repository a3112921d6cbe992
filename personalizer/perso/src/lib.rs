//! Orders, profiles, plans, execution, recovery, quality, ledger.
