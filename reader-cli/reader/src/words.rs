//! The words of a verdict in the three languages of the card, and how right-to-left text is shown among left-to-right text.
//!
//! The Arabic and Kurdish wordings await review by native speakers of the authority; programs read [`Verdict::word`], never these.

use inspection::Verdict;

/// First strong isolate.
const FSI: char = '\u{2068}';
/// Pop directional isolate.
const PDI: char = '\u{2069}';

/// A verdict in Arabic.
pub const fn arabic(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::GenuineValid => "البطاقة أصلية",
        Verdict::GenuineStatusUnknown => "البطاقة أصلية، وحالتها غير معروفة",
        Verdict::GenuineExpired => "البطاقة أصلية، لكنها منتهية",
        Verdict::GenuineRevoked => "البطاقة أصلية، لكنها ملغاة",
        Verdict::Unreadable => "تعذر التحقق من البطاقة",
        Verdict::CloneSuspect => "يشتبه في أن البطاقة نسخة",
        Verdict::UntrustedIssuer => "جهة الإصدار غير معتمدة هنا",
        Verdict::NotGenuine => "البطاقة غير أصلية",
    }
}

/// A verdict in Kurdish (Sorani).
pub const fn kurdish(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::GenuineValid => "کارتەکە ڕەسەنە",
        Verdict::GenuineStatusUnknown => "کارتەکە ڕەسەنە، دۆخی نەزانراوە",
        Verdict::GenuineExpired => "کارتەکە ڕەسەنە، بەڵام بەسەرچووە",
        Verdict::GenuineRevoked => "کارتەکە ڕەسەنە، بەڵام هەڵوەشێنراوەتەوە",
        Verdict::Unreadable => "پشتڕاستکردنەوەی کارتەکە نەکرا",
        Verdict::CloneSuspect => "گومان هەیە کە کارتەکە لەبەرگیراوە بێت",
        Verdict::UntrustedIssuer => "لایەنی دەرچوون لێرە متمانەپێکراو نییە",
        Verdict::NotGenuine => "کارتەکە ڕەسەن نییە",
    }
}

/// `text` in isolates when it holds anything but ASCII, so that it cannot reorder its neighbours; control characters become
/// visible, and the text's own bidirectional controls are taken out.
pub fn isolated(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !is_bidi_control(*c)).map(visible).collect();
    if clean.is_ascii() { clean } else { format!("{FSI}{clean}{PDI}") }
}

/// A stand-in for a control character; a terminal must not obey what a chip says.
fn visible(c: char) -> char {
    if c.is_control() { '\u{FFFD}' } else { c }
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arabic_is_isolated_and_hostile_controls_are_gone() {
        assert_eq!(isolated("ZZ0000017"), "ZZ0000017");
        assert_eq!(isolated("زينب"), "\u{2068}زينب\u{2069}");
        assert_eq!(isolated("a\u{202E}b\u{1b}[31m"), "\u{2068}ab\u{FFFD}[31m\u{2069}");
    }
}
