//! An authority in every stage, and the commands that lead from one to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_vectors::interruption::{copy, walk};

/// A command to interrupt.
pub struct Step {
    pub arguments: &'static str,
    /// Whether it only runs in a thorough test.
    pub thorough: bool,
    /// A quick run takes one of so many calls, a thorough one of half as many.
    pub every: usize,
    /// What it says when an interrupted run had done everything.
    pub refused_when_done: Option<&'static str>,
    /// Files that are there in the end.
    pub products: &'static [&'static str],
}

const fn step(arguments: &'static str) -> Step {
    Step { arguments, thorough: false, every: 2, refused_when_done: None, products: &[] }
}

/// In this order.
pub const STEPS: &[Step] = &[
    Step { every: 6, refused_when_done: Some("is not empty"), ..step("init --profile specimen-uto --dir pki") },
    Step { every: 6, ..step("ds new --dir pki") },
    Step {
        refused_when_done: Some("a document signer named second exists"),
        thorough: true,
        ..step("ds new --dir pki --name second")
    },
    step("ds revoke --dir pki ds-0001"),
    step("crl issue --dir pki"),
    Step { every: 6, ..step("csca rollover --dir pki") },
    Step { thorough: true, every: 6, ..step("csca rollover --dir pki --common-name Renamed") },
    Step { every: 4, ..step("csca rename --dir pki --common-name Again") },
    Step { every: 8, ..step("signer new master-list --dir pki") },
    step("publish master-list --dir pki"),
    Step { products: &["b.bundle", "b.bundle.signer.pem"], ..step("bundle export --dir pki --out b.bundle") },
    Step { every: 6, ..step("citizen init --dir pki") },
    Step {
        ..step(
            "citizen issue --dir pki --csr csr.pem --purpose signature --given-names Nour --surname Hassan --number 1",
        )
    },
    step("citizen crl --dir pki"),
    Step { thorough: true, every: 6, ..step("citizen responder --dir pki") },
    Step {
        every: 6,
        refused_when_done: Some("a holder named UTISCVCA exists"),
        ..step("cvc init --dir pki --mnemonic ISCVCA --type is")
    },
    Step { thorough: true, every: 6, ..step("cvc init --dir pki --mnemonic ISCVCA --next") },
    Step { every: 8, ..step("cvc dv --dir pki --by UTISCVCA --mnemonic DVONE --domestic") },
    Step { thorough: true, every: 6, ..step("cvc terminal --dir pki --by UTDVONE --mnemonic POST --days 7") },
    Step {
        thorough: true,
        products: &["dv.cvreq"],
        ..step("cvc request --dir pki --country XO --mnemonic DVTWO --out dv.cvreq")
    },
];

/// A folder with an authority `pki`, a passphrase and a citizen's request.
pub struct Desk(tempfile::TempDir);

/// The folder before each step.
pub struct Stages {
    pub before: Vec<PathBuf>,
    _folder: tempfile::TempDir,
}

impl Desk {
    /// Does every step once. The keys are encrypted at little cost between the steps, so that a command's own work is what takes
    /// time; new keys are encrypted as always.
    pub fn prepare() -> Stages {
        let folder = tempfile::tempdir().unwrap();
        let desk = Self::empty();
        openssl(desk.path(), "genpkey -out citizen.key -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
        openssl(desk.path(), "req -new -key citizen.key -subj /CN=x -out csr.pem");
        let mut before = Vec::new();
        for (number, step) in STEPS.iter().enumerate() {
            let stage = folder.path().join(number.to_string());
            copy(desk.path(), &stage);
            before.push(stage);
            let output = desk.command(step.arguments).output().unwrap();
            assert!(output.status.success(), "{}: {}", step.arguments, String::from_utf8_lossy(&output.stderr));
            desk.cheapen();
        }
        Stages { before, _folder: folder }
    }

    /// Only the passphrase, twice for a program that wants it so.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["secret", "again"] {
            fs::write(folder.path().join(name), "a passphrase for tests\n").unwrap();
        }
        Desk(folder)
    }

    pub fn copy(from: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(from, folder.path());
        Desk(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn pki(&self) -> PathBuf {
        self.path().join("pki")
    }

    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bitaqa-pki"));
        command.current_dir(self.path()).args(arguments.split_whitespace());
        command.env("BITAQA_PASSPHRASE_FILE", "secret").env("BITAQA_SIGNER_PASSPHRASE_FILE", "secret");
        command
    }

    fn cheapen(&self) {
        for path in walk(&self.pki()).into_iter().filter(|path| path.ends_with("key.p8")) {
            let path = self.pki().join(path);
            let text = fs::read_to_string(&path).unwrap();
            if text.len() == text.trim_end().len() {
                continue;
            }
            let name = path.display();
            openssl(
                self.path(),
                &format!(
                    "pkcs8 -topk8 -in {name} -passin file:secret -out {name}.cheap -passout file:again \
                     -v2 aes-256-cbc -scrypt -scrypt_N 2 -scrypt_r 1 -scrypt_p 1"
                ),
            );
            // Without its last line feed: done already.
            let cheap = path.with_extension("p8.cheap");
            fs::write(&path, fs::read_to_string(&cheap).unwrap().trim_end()).unwrap();
            fs::remove_file(cheap).unwrap();
        }
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
