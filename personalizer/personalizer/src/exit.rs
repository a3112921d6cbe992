//! Exit codes: documented, never renumbered.

/// Everything asked for was done.
pub const GOOD: u8 = 0;
/// A bug in this program.
pub const BUG: u8 = 1;
/// The command line, or a file it names, is wrong.
pub const USAGE: u8 = 2;
/// A card was read back and is not genuine and valid.
pub const NOT_GENUINE: u8 = 10;
/// A card was interrupted: it must be recovered.
pub const INTERRUPTED: u8 = 11;
/// No reader, or no card in it.
pub const NO_CARD: u8 = 20;
/// A card refused, or one that was rejected could not be locked.
pub const REFUSED: u8 = 21;
/// The printer.
pub const PRINTER: u8 = 30;
/// Trust material or the document signer.
pub const TRUST: u8 = 40;
/// An order, the profile, or the ledger.
pub const ORDER: u8 = 50;

/// The table, for the help text.
pub const HELP: &str = "\
Exit codes:
  0  everything asked for was done
  1  a bug in this program
  2  the command line, or a file it names, is wrong
 10  a card was read back and is not genuine and valid
 11  a card was interrupted and must be recovered
 20  no reader, or no card in it
 21  a card refused, or one that was rejected could not be locked
 30  the printer
 40  trust material or the document signer
 50  an order, the profile, or the ledger";
