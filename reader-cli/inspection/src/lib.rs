//! The inspection procedure: read a card, judge the evidence.
