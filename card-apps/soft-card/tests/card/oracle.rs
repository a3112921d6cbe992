//! The whole card against a small model of its access conditions: a host that knows every secret, or none, and noise outside and
//! inside every channel, in every state a card may be met in.
//!
//! The model is an oracle in both directions: what it forbids never happens, whatever was sent; what it allows, done well, works.
//! The citizen application's own rules are in `citizen::model`.

mod host;
mod model;
mod step;

use channel::scp03::SecurityLevel;
use eid::objects::RESIDENCE;
use iso7816::tlv::{Tag, encode};
use proptest::prelude::*;
use soft_card::State;
use soft_card::emrtd::ApplicationLife;

use self::host::Host;
use self::model::{january, judge, residence};
use self::step::{At, Step, Way, step};
use crate::hostile;
use crate::residence::{HOLDER, record};
use crate::support::*;
use crate::terminal::{Hierarchy, Holder};

/// Stands in EF.DG3 alone, which the terminal has a right to.
const FINGERPRINTS: &[u8] = b"RIDGES AND VALLEYS";
/// Stands in EF.DG4 alone, which nobody has a right to.
const EYES: &[u8] = b"FURROWS AND CRYPTS";
/// Stands in the residence record alone, which offices have a right to.
const HOME: &str = "UNDER THE OLD OAK TREE";
const DG1: u16 = 0x0101;
const DG3: u16 = 0x0103;
const DG4: u16 = 0x0104;
/// No document here takes more.
const ALL_BLOCKS: usize = 12;
/// Version of the keys that every card here has.
const VERSION: u8 = 0x30;

/// What stands still while dialogues pass.
struct World {
    document: Document,
    hierarchy: Hierarchy,
    offices: Hierarchy,
    stranger: Holder,
}

impl World {
    fn new() -> Self {
        World {
            document: Document::new(300),
            hierarchy: Hierarchy::new(),
            offices: Hierarchy::offices(&["read-dg17", "write-dg17"]),
            stranger: Holder::new("UTXX00001"),
        }
    }
}

/// The states that a card may be met in, with fingerprints and eyes, on cards that believe the hierarchy.
fn states(world: &World) -> Vec<State> {
    let believing = |mut state: State| {
        if state.emrtd.files.contains_key(&DG3) {
            state.emrtd.files.insert(DG3, encode(Tag(0x63), FINGERPRINTS));
            state.emrtd.files.insert(DG4, encode(Tag(0x76), EYES));
            state.emrtd.terminal_trust = Some(world.hierarchy.trust_with(&world.offices));
        }
        if let Some(eid) = &mut state.eid {
            eid.objects.insert(RESIDENCE.tag.0, record(HOLDER, (2026, 1, 29), HOME, 40));
        }
        state
    };
    hostile::states().into_iter().map(believing).collect()
}

/// How a terminal gets in: chance alone seldom does.
fn way_in(office: bool) -> [Step; 5] {
    [
        Step::Pace { right: true, number: true },
        Step::Select(At::Emrtd, Way::Session),
        Step::ChipAuthentication,
        Step::Terminal { right: true, office },
        Step::Select(At::National, Way::Session),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_whole_card_does_what_the_model_allows_and_nothing_else(
        led in prop::sample::select(vec![0, 0, 3, 4, 5]),
        office: bool,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let steps: Vec<Step> = way_in(office).into_iter().take(led).chain(steps).collect();
        thread_local! {
            static WORLD: (World, Vec<State>) = {
                let world = World::new();
                let states = states(&world);
                (world, states)
            };
        }
        WORLD.with(|(world, states)| {
            for state in states {
                let mut host = Host::new(state);
                for step in &steps {
                    let proved = host.proved();
                    let before = host.memory();
                    let seen = host.play(step, world);
                    judge(step, &proved, &seen, &before, &host.memory());
                }
            }
        });
    }
}

#[test]
fn a_host_that_knows_everything_gets_everywhere() {
    let world = World::new();
    let play = |host: &mut Host, steps: &[(Step, bool)]| {
        for (step, expected) in steps {
            assert_eq!(host.play(step, &world).done, *expected, "{step:?}");
        }
    };
    let level = SecurityLevel::Full;
    let read = |id| Step::Read { id, short: true, way: Way::Session };
    let opening = [
        (Step::Pace { right: true, number: true }, true),
        (Step::Select(At::Emrtd, Way::Session), true),
        (Step::ChipAuthentication, true),
        (read(DG1), true),
        (read(DG3), false),
    ];
    let mut host = Host::new(blank().state());
    let life = [
        (Step::Issuer { right: true, level }, true),
        (Step::Bind, true),
        (Step::Install, true),
        (Step::Store { blocks: ALL_BLOCKS }, true),
        (Step::Seal, true),
        (Step::CardState(0x0F), true),
        (Step::Reset, false),
    ];
    play(&mut host, &life);
    play(&mut host, &opening);
    let believing = states(&world)
        .into_iter()
        .find(|state| state.emrtd.life_cycle == ApplicationLife::Personalized && state.emrtd.terminal_trust.is_some());
    let mut host = Host::new(&believing.unwrap());
    play(&mut host, &opening);
    let inspector = |right| Step::Terminal { right, office: false };
    play(&mut host, &[(inspector(false), false), (read(DG3), false)]);
    play(&mut host, &opening);
    play(&mut host, &[(inspector(true), true), (read(DG3), true), (read(DG4), false)]);
    let citizen = states(&world).into_iter().find(|state| state.eid.is_some());
    let mut host = Host::new(&citizen.unwrap());
    play(&mut host, &opening);
    let national = || (Step::Select(At::National, Way::Session), true);
    let write = |day, links| Step::WriteResidence { holder: true, day, links, way: Way::Session };
    let read_home = || Step::ReadResidence(Way::Session);
    play(&mut host, &[national(), (read_home(), false), (write(30, false), false)]);
    play(&mut host, &[(Step::Select(At::Emrtd, Way::Session), true)]);
    play(&mut host, &[(Step::Terminal { right: true, office: true }, true), (read(DG3), false), national()]);
    play(
        &mut host,
        &[(read_home(), true), (write(30, true), true), (write(29, false), false), (write(31, false), true)],
    );
    assert_eq!(residence(&host.memory()).unwrap().date, january(31));
}
