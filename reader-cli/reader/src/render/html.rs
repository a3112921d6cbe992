//! A report as one self-contained page: no script, no font, no picture from elsewhere.
//!
//! Everything that came from a card is escaped and stands in `<bdi>`, so that it can neither be markup nor reorder its neighbours.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inspection::{CheckResult, Class, Report, Verdict};
use trust::Outcome;

use super::{attempts, caption, fields, kurdish_label, not_shown, standing};
use crate::words::{arabic, kurdish};

const STYLE: &str = "\
:root{--good:#14703c;--bad:#b3261e;--unsure:#8a5a00;--grey:#5c6470;--line:#d9dde3;--soft:#f4f6f8}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,'Noto Sans','Noto Sans Arabic','Noto Naskh Arabic',sans-serif;color:#1b1f24;background:#fff;margin:0 auto;padding:2rem 1.25rem;max-width:62rem}
.verdict{border-inline-start:.6rem solid var(--tone);background:var(--soft);padding:1rem 1.25rem;border-radius:.25rem}
.verdict h1{margin:0;color:var(--tone);font-size:1.6rem;letter-spacing:.02em}
.verdict p{margin:.35rem 0 0}
.verdict ul{margin:.6rem 0 0;padding-inline-start:1.2rem}
.verdict .other{display:flex;flex-wrap:wrap;gap:.25rem 2rem;font-size:1.15rem}
.good{--tone:var(--good)}.bad{--tone:var(--bad)}.unsure{--tone:var(--unsure)}.grey{--tone:var(--grey)}
.who{display:flex;flex-wrap:wrap;gap:1.5rem;align-items:flex-start;margin-top:1.5rem}
.from{color:var(--grey);font-weight:400;font-size:.85rem}
.who img,.none{width:11rem;border:1px solid var(--line);border-radius:.25rem;background:var(--soft)}
.who.bad img{border:.3rem solid var(--bad)}
.none{aspect-ratio:35/45;display:grid;place-items:center;text-align:center;color:var(--grey);font-size:.85rem;padding:1rem}
figure{margin:0;width:11rem}
figcaption{color:var(--grey);font-size:.85rem}
.fields{flex:1 1 24rem}
.warn{color:var(--bad);font-weight:600}
table{border-collapse:collapse;width:100%}
caption,h2{text-align:start;font-size:1.05rem;font-weight:600;margin:0 0 .4rem;padding:0}
th,td{text-align:start;vertical-align:top;padding:.4rem .6rem .4rem 0;border-bottom:1px solid var(--line)}
th{font-weight:500;color:var(--grey)}
.fields th{white-space:nowrap}
.fields th:last-child{padding-inline:0}
.checks{margin-top:2rem}
.checks td:first-child{white-space:nowrap;color:var(--tone);font-weight:600}
.id{font:.8rem ui-monospace,monospace;color:var(--grey)}
.remedy{color:var(--grey);font-size:.9rem}
footer{margin-top:1.5rem;color:var(--grey);font-size:.85rem}
@media print{body{padding:0}.verdict{background:none;border:1px solid var(--line);border-inline-start:.6rem solid var(--tone)}}
";

/// How every page begins: by this a page is known that may be replaced by a newer one.
pub const HEAD: &str = "<!doctype html>\n<html lang=\"en\" dir=\"auto\">\n";

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let verdict = report.verdict;
    let word = verdict.word();
    write!(
        out,
        "{HEAD}<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{word}</title>\n<style>{STYLE}</style>\n"
    )?;
    write!(
        out,
        "<header class=\"verdict {}\" dir=\"ltr\">\n<h1>{word}</h1>\n<p>{}</p>\n\
         <p class=\"other\"><span lang=\"ar\" dir=\"rtl\">{}</span><span lang=\"ckb\" dir=\"rtl\">{}</span></p>\n{}</header>\n",
        of_verdict(verdict),
        escaped(&report.meaning),
        arabic(verdict),
        kurdish(verdict),
        grounds(report)
    )?;
    who(out, report)?;
    checks(out, report)?;
    let access = report.access_protocol.as_deref().unwrap_or("not opened");
    write!(
        out,
        "<footer dir=\"ltr\">Read {}, judged for {}. Access: {}. Trust bundle {}. Made by bitaqa-reader {}.</footer>\n</html>\n",
        report.read_at,
        report.time,
        escaped(access),
        report.trust_bundle_version,
        env!("CARGO_PKG_VERSION")
    )
}

/// Why it is this verdict; nothing for the best one.
fn grounds(report: &Report) -> String {
    let items = report.grounds().map(|check| {
        // A title says what should be so: before the reason it would read as its contrary.
        let (id, reason) = (check.id, escaped(&check.reason));
        format!("<li>because: <bdi>{reason}</bdi> <span class=\"id\">{id}</span></li>")
    });
    let items: String = items.collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>\n") }
}

fn who(out: &mut String, report: &Report) -> std::fmt::Result {
    let tone = of_verdict(report.verdict);
    write!(out, "<section class=\"who {tone}\" dir=\"ltr\">\n{}<div class=\"fields\">\n", portrait(report))?;
    if let Some(line) = not_shown(report) {
        writeln!(out, "<p class=\"warn\">{line}</p>")?;
    }
    match &report.holder {
        None => writeln!(out, "<p class=\"warn\">No data that the security object vouches for.</p>")?,
        Some(holder) => {
            writeln!(
                out,
                "<table><caption>Holder · <span lang=\"ar\">حامل البطاقة</span> {}</caption>",
                standing_of_data(report)
            )?;
            for (label, label_ar, value) in fields(holder) {
                let label_ckb = kurdish_label(label).map(|kurdish| format!("<br><span lang=\"ckb\">{kurdish}</span>"));
                let label_ckb = label_ckb.unwrap_or_default();
                writeln!(
                    out,
                    "<tr><th scope=\"row\">{label}</th><td><bdi>{}</bdi></td>\
                     <th lang=\"ar\" dir=\"rtl\">{label_ar}{label_ckb}</th></tr>",
                    escaped(&value)
                )?;
            }
            writeln!(out, "</table>")?;
        }
    }
    writeln!(out, "</div>\n{}</section>", displayed(report))
}

/// Beside the data and the portrait: what stands behind them, and that they lie in a card that is not good.
fn standing_of_data(report: &Report) -> String {
    let (class, words) = (if report.authentic { "from" } else { "warn" }, standing(report));
    let card = match of_verdict(report.verdict) {
        "bad" => format!(" <span class=\"warn\">in a card that is {}</span>", report.verdict.word()),
        _ => String::new(),
    };
    format!("<span class=\"{class}\">({words})</span>{card}")
}

/// The pictures of DG5 and DG7.
fn displayed(report: &Report) -> String {
    let figures = report.displayed.iter().map(|picture| {
        let (label, label_ar) = caption(picture);
        let caption = format!("{label} · <span lang=\"ar\" dir=\"rtl\">{label_ar}</span>");
        let shown = image(picture.media_type, &picture.image, label)
            .unwrap_or_else(|| "<div class=\"none\">JPEG 2000, which browsers do not show.</div>".to_owned());
        format!("<figure>{shown}<figcaption>{caption}</figcaption></figure>\n")
    });
    figures.collect()
}

/// The element of a picture that browsers show.
fn image(media_type: &str, bytes: &[u8], label: &str) -> Option<String> {
    (media_type == "image/jpeg")
        .then(|| format!("<img alt=\"{label}\" src=\"data:{media_type};base64,{}\">", STANDARD.encode(bytes)))
}

fn portrait(report: &Report) -> String {
    match &report.portrait {
        Some(portrait) => match image(portrait.media_type, &portrait.image, "The portrait in the chip") {
            Some(image) => {
                format!("<figure>{image}<figcaption>{}</figcaption></figure>\n", standing_of_data(report))
            }
            None => "<div class=\"none\">The portrait is JPEG 2000, which browsers do not show.</div>\n".to_owned(),
        },
        None => "<div class=\"none\">No portrait that the security object vouches for.</div>\n".to_owned(),
    }
}

fn checks(out: &mut String, report: &Report) -> std::fmt::Result {
    write!(out, "<section class=\"checks\" dir=\"ltr\">\n<h2>Checks</h2>\n<table>\n")?;
    writeln!(
        out,
        "<tr><th scope=\"col\">Result</th><th scope=\"col\">Check</th><th scope=\"col\">What was seen</th></tr>"
    )?;
    report.checks.iter().try_for_each(|check| row(out, check))?;
    writeln!(out, "</table>")?;
    if !report.leniencies.is_empty() {
        let items: String = report.leniencies.iter().map(|leniency| format!("<li>{leniency}</li>")).collect();
        writeln!(out, "<h2>Tolerated</h2>\n<ul>{items}</ul>")?;
    }
    let tried = attempts(report);
    if !tried.is_empty() {
        let row =
            |(rung, what): &(&str, String)| format!("<tr><td>{rung}</td><td><bdi>{}</bdi></td></tr>\n", escaped(what));
        let rows: String = tried.iter().map(row).collect();
        writeln!(out, "<h2>Attempts</h2>\n<table>\n{rows}</table>")?;
    }
    writeln!(out, "</section>")
}

fn row(out: &mut String, check: &CheckResult) -> std::fmt::Result {
    let noted = if check.class == Class::Evaluatory { " · noted only" } else { "" };
    let remedy = check
        .remedy
        .as_deref()
        .map(|remedy| format!("<br><span class=\"remedy\"><bdi>{}</bdi></span>", escaped(remedy)));
    writeln!(
        out,
        "<tr class=\"{}\"><td>{}</td><td>{}<br><span class=\"id\">{}{noted}</span></td><td><bdi>{}</bdi>{}</td></tr>",
        of_outcome(check.result),
        check.result,
        escaped(check.title),
        check.id,
        escaped(&check.reason),
        remedy.unwrap_or_default()
    )
}

fn of_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::GenuineValid => "good",
        Verdict::NotGenuine | Verdict::CloneSuspect | Verdict::GenuineRevoked => "bad",
        _ => "unsure",
    }
}

fn of_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Successful => "good",
        Outcome::Failed => "bad",
        Outcome::Undetermined => "unsure",
        Outcome::NotSupported | Outcome::Aborted => "grey",
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_card_is_markup() {
        assert_eq!(escaped("<img src=x onerror='a'>&\u{7}"), "&lt;img src=x onerror=&#39;a&#39;&gt;&amp;\u{FFFD}");
    }
}
