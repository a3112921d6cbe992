//! `read`: the files of a card as they are. Nothing is judged, and nothing is shown as if it were.

use inspection::Evidence;
use inspection::evidence::FileEvidence;
use inspection::holder::{DisplayedPicture, Portrait};
use serde_json::{Value, json};

use super::evidence;
use crate::args::Read;
use crate::failure::Error;
use crate::{exit, output};

/// Reads a card into a directory.
pub fn run(args: &Read) -> Result<u8, Error> {
    output::unused_directory(&args.out)?;
    let evidence = evidence(&args.source, &args.access, &args.reading)?;
    output::private_directory(&args.out)?;
    let files = write(args, &evidence)?;
    let opened = evidence.access.established.is_some();
    if args.json {
        output::json(&json!({
            "version": 1,
            "judged": false,
            "access_protocol": evidence.access.established.as_ref().map(ToString::to_string),
            "interrupted": evidence.interrupted,
            "files": files,
        }))?;
    } else {
        tell(args, &evidence, &files)?;
    }
    Ok(match (opened, &evidence.interrupted) {
        (_, Some(_)) => exit::NO_CARD,
        (true, None) => exit::GOOD,
        (false, None) => exit::REFUSED,
    })
}

/// Writes every file that was read, the pictures and the evidence.
fn write(args: &Read, evidence: &Evidence) -> Result<Vec<Value>, Error> {
    let mut list = Vec::new();
    for (name, seen) in &evidence.files {
        let (state, stored) = match seen {
            FileEvidence::Read { content } => {
                let file = output::file_name(name);
                output::private_file(&args.out.join(&file), content)?;
                ("read", Some((file, content.len())))
            }
            FileEvidence::Absent => ("absent", None),
            FileEvidence::Refused { .. } => ("refused", None),
            FileEvidence::Malformed { .. } => ("malformed", None),
            FileEvidence::Skipped => ("skipped", None),
            FileEvidence::Interrupted => ("interrupted", None),
        };
        let (file, bytes) = stored.unzip();
        list.push(json!({ "name": name, "state": state, "file": file, "bytes": bytes }));
    }
    if let Some(portrait) = evidence.content("EF.DG2").and_then(Portrait::from_dg2) {
        let file = picture_name("portrait", 1, portrait.media_type);
        output::private_file(&args.out.join(file), &portrait.image)?;
    }
    let displayed = DisplayedPicture::from_files(evidence.content("EF.DG5"), evidence.content("EF.DG7"));
    for group in displayed.chunk_by(|one, next| one.data_group == next.data_group) {
        for (number, picture) in (1..).zip(group) {
            let name = if picture.data_group == 5 { "displayed-portrait" } else { "signature" };
            let file = picture_name(name, number, picture.media_type);
            output::private_file(&args.out.join(file), &picture.image)?;
        }
    }
    output::private_file(&args.out.join("evidence.json"), evidence.to_json()?.as_bytes())?;
    Ok(list)
}

/// `signature.jpg`, and `signature-2.jpg` for the next one.
fn picture_name(name: &str, number: usize, media_type: &str) -> String {
    let extension = if media_type == "image/jpeg" { "jpg" } else { "jp2" };
    if number == 1 { format!("{name}.{extension}") } else { format!("{name}-{number}.{extension}") }
}

fn tell(args: &Read, evidence: &Evidence, files: &[Value]) -> Result<(), Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for file in files {
        let bytes =
            file.get("bytes").and_then(Value::as_u64).map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
        let (name, state) = (file.get("name").map(text), file.get("state").map(text));
        output::line(&format!("{:16} {}{bytes}", name.unwrap_or_default(), state.unwrap_or_default()))?;
    }
    for attempt in &evidence.access.attempts {
        if let Some(error) = &attempt.error {
            output::line(&format!("access refused: {error}"))?;
        }
    }
    output::line(&format!(
        "written to {}; nothing was judged (bitaqa-reader verify --evidence {0}/evidence.json)",
        args.out.display()
    ))
}
