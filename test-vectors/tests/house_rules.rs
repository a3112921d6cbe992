//! The architecture as a test: which edges must not exist, asked of `cargo metadata` and of the tree.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

/// Shelves in their order: a crate may lean on its own shelf and on those before it.
const SHELVES: [&str; 4] = ["card-apps", "pki", "reader-cli", "personalizer"];

/// Names that say nothing.
const EMPTY_NAMES: [&str; 9] = ["core", "common", "util", "utils", "helper", "helpers", "types", "misc", "manager"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn metadata() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked".into(), "--offline".into(), format!("--filter-platform={platform}")])
        .exec()
        .expect("cargo metadata")
}

/// The names a package leans on directly when it is shipped (no dev-dependencies).
fn direct(package: &Package) -> BTreeSet<String> {
    let shipped = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    shipped.map(|dependency| dependency.name.clone()).collect()
}

/// What each workspace member reaches inside the workspace, over any number of steps.
fn reach(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeMap<String, BTreeSet<String>> =
        metadata.workspace_packages().iter().map(|package| (package.name.to_string(), direct(package))).collect();
    let mut reached = BTreeMap::new();
    for name in members.keys() {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![name.clone()]);
        while let Some(next) = todo.pop() {
            for dependency in members.get(&next).into_iter().flatten() {
                if seen.insert(dependency.clone()) {
                    todo.push(dependency.clone());
                }
            }
        }
        reached.insert(name.clone(), seen);
    }
    reached
}

/// Every Rust source file of the shelves.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = SHELVES.iter().map(|shelf| root().join(shelf)).collect();
    folders.push(root().join("test-vectors"));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "the walk found only {} source files", files.len());
    files
}

#[test]
fn no_signing_code_where_cards_are_read() {
    let reach = reach(&metadata());
    for reader in ["reader", "inspection", "link", "trust"] {
        assert!(!reach[reader].contains("authority"), "{reader} reaches authority");
    }
}

#[test]
fn the_soft_card_is_met_over_its_socket_only() {
    for (name, reached) in reach(&metadata()) {
        assert!(!reached.contains("soft-card"), "{name} ships with the soft card inside");
    }
}

#[test]
fn procedures_receive_a_card_and_a_signer() {
    let reach = reach(&metadata());
    for procedure in ["inspection", "perso"] {
        assert!(!reach[procedure].contains("link"), "{procedure} reaches link");
    }
    assert!(!reach["perso"].contains("authority"), "perso reaches authority");
    assert!(!reach["perso"].contains("printing"), "perso reaches printing");
}

#[test]
fn hardware_libraries_stay_behind_one_crate() {
    for package in metadata().workspace_packages() {
        let direct = direct(package);
        let name = package.name.as_str();
        assert!(name == "link" || !direct.contains("pcsc"), "{name} uses pcsc");
        assert!(name == "printing" || !direct.contains("serialport"), "{name} uses serialport");
        assert!(name == "authority" || !direct.contains("cryptoki"), "{name} uses cryptoki");
        let has_binary = package.targets.iter().any(|target| target.kind.contains(&TargetKind::Bin));
        assert!(has_binary || !direct.contains("clap"), "{name} parses command lines but has no binary");
    }
}

#[test]
fn crates_lie_one_level_below_a_shelf_and_lean_to_the_left() {
    let metadata = metadata();
    let shelf_of = |package: &Package| -> Option<usize> {
        let relative = package.manifest_path.as_std_path().strip_prefix(root()).unwrap().to_path_buf();
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts == ["test-vectors", "Cargo.toml"] {
            return None;
        }
        assert_eq!(parts.len(), 3, "{} is not one level below a shelf", package.name);
        let position = SHELVES.iter().position(|shelf| *shelf == parts[0]);
        Some(position.unwrap_or_else(|| panic!("{} lies on no shelf", package.name)))
    };
    let shelves: BTreeMap<String, Option<usize>> =
        metadata.workspace_packages().iter().map(|package| (package.name.to_string(), shelf_of(package))).collect();
    for package in metadata.workspace_packages() {
        for dependency in direct(package) {
            let Some(theirs) = shelves.get(&dependency) else { continue };
            let ours = shelves[package.name.as_str()];
            assert!(theirs.is_some(), "{} ships with test-vectors inside", package.name);
            assert!(theirs <= &ours, "{} leans to the right, on {dependency}", package.name);
        }
    }
}

#[test]
fn names_say_what_they_know() {
    for file in sources() {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!EMPTY_NAMES.contains(&stem.as_str()), "{} has a name that says nothing", file.display());
        assert_ne!(stem, "mod", "{}: use foo.rs and foo/", file.display());
    }
    for package in metadata().workspace_packages() {
        assert!(!EMPTY_NAMES.contains(&package.name.as_str()), "{} has a name that says nothing", package.name);
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        let takes = manifest.contains("[lints]\nworkspace = true");
        // The PC/SC driver is a C interface by nature: the one crate that may say `unsafe`.
        assert!(takes || package.name == "virtual-reader", "{} does not take the workspace lints", package.name);
    }
}

#[test]
fn the_language_of_the_card_does_no_io() {
    for krate in ["iso7816", "channel", "lds", "eid"] {
        let inside = Path::new("card-apps").join(krate).join("src");
        for file in sources().iter().filter(|file| file.strip_prefix(root()).unwrap().starts_with(&inside)) {
            let text = std::fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for word in ["std::fs", "std::net", "SystemTime", "Instant::now", "println!", "tracing::"] {
                assert!(!text.contains(word), "{} uses {word}", file.display());
            }
        }
    }
}

#[test]
fn every_printer_driver_has_a_page_and_every_profile_its_faces() {
    let drivers = root().join("personalizer/printing/src/drivers");
    for entry in std::fs::read_dir(drivers).unwrap() {
        let path = entry.unwrap().path();
        let make = path.file_stem().unwrap().to_string_lossy().into_owned();
        let page = root().join("hardware-docs/printers").join(format!("{make}.md"));
        assert!(page.exists(), "no page {}", page.display());
    }
    let profiles = root().join("personalizer/profiles");
    let mut count = 0;
    for entry in std::fs::read_dir(&profiles).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            count += 1;
            // A profile that extends another has its faces.
            if std::fs::read_to_string(&path).unwrap().lines().any(|line| line.starts_with("extends = ")) {
                continue;
            }
            for side in ["front", "back"] {
                let face = path.with_extension(format!("{side}.svg"));
                assert!(face.exists(), "no card face {}", face.display());
            }
        }
    }
    assert!(count >= 2, "profiles: {count}");
}
