//! A card with the JMRTD passport applet: OpenSC has no driver for it, and carries its commands as they are.

use soft_card::State;
use soft_card::persona::{EMBEDDED, Persona};
use test_vectors::pcscd::PrivatePcscd;

use crate::Desk;

const SELECT: &str = "00A4040C07A0000002471001";

/// How many steps passed; `None` where no pcscd can be run.
pub fn jmrtd_applet() -> Option<u32> {
    let pcscd = PrivatePcscd::start(1).unwrap()?;
    let folder = tempfile::tempdir().unwrap();
    let text = EMBEDDED.iter().find(|(name, _)| *name == "jmrtd-passport").unwrap().1;
    let state = folder.path().join("card.json");
    State::blank(Persona::parse(text).unwrap().options()).unwrap().create(&state).unwrap();
    let mut desk = Desk::new(pcscd, &state);
    let sent = |desk: &Desk, commands: &[&str]| {
        let arguments: Vec<&str> = commands.iter().flat_map(|command| ["-s", command]).collect();
        let said = desk.must("opensc-tool", &arguments);
        let status = |line: &str| Some(line.split_once("(SW1=0x")?.1.get(..12)?.replace(", SW2=0x", ""));
        said.lines().filter_map(status).collect::<Vec<_>>()
    };
    let written = [
        SELECT,
        "00E000000663040004011E",
        "00A4020C02011E",
        "00D600000460020001",
        "00DA006220621E5F1F094C383938393032433C5F18063639303830365F1906393430363233",
        "0084000008",
        "00DADEAD",
    ];
    assert_eq!(sent(&desk, &written), ["9000"; 7]);
    desk.pass("opensc-tool writes the JMRTD passport applet and locks it");
    let locked = sent(&desk, &[SELECT, "00A4020C02011E", "00D600000161", "00DADEAD", "00B0000004"]);
    assert_eq!(locked, ["9000", "6982", "6985", "6985", "6982"]);
    desk.pass("opensc-tool finds it locked: 6982 to readers without BAC, 6985 to writers");
    assert!(desk.refused("pkcs15-tool", &["-D"]).contains("Card is invalid or cannot be handled"));
    desk.pass("pkcs15-tool takes it for no card that it knows");
    assert!(State::load(&state).unwrap().jmrtd.unwrap().locked);
    Some(desk.passed)
}
