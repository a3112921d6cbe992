//! Reports for people: text for a terminal, a page for the screen.

pub mod citizen;
pub mod contents;
pub mod html;
pub mod human;

use inspection::Report;
use inspection::holder::{DisplayedPicture, Holder, PersonToNotify};
use inspection::procedure::Rung;

/// The one field of which a Latin reader would think that it is the holder's own name.
const MOTHER: &str = "Mother and her father";

/// The label in Kurdish, for those fields that have one.
pub fn kurdish_label(label: &str) -> Option<&'static str> {
    (label == MOTHER).then_some("ناوی دایک و باوکی دایک")
}

/// The holder's fields with their labels (English, Arabic), those that are present.
pub fn fields(holder: &Holder) -> Vec<(&'static str, &'static str, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let names = [text(&holder.mrz_primary), text(&holder.mrz_secondary)].join(" ").trim().to_owned();
    let all = [
        ("Name", "الاسم", text(&holder.name)),
        ("Name in the MRZ", "الاسم باللاتينية", names),
        (MOTHER, "اسم الأم وأبيها", text(&holder.mother)),
        ("Other names", "أسماء أخرى", holder.other_names.join(", ")),
        ("National number", "الرقم الوطني", text(&holder.national_number)),
        ("Document number", "رقم البطاقة", text(&holder.document_number)),
        ("Nationality", "الجنسية", text(&holder.nationality)),
        ("Sex", "الجنس", holder.sex.unwrap_or_default().to_owned()),
        ("Date of birth", "تاريخ الولادة", text(&holder.date_of_birth)),
        ("Place of birth", "محل الولادة", holder.place_of_birth.join(" – ")),
        ("Title", "اللقب", text(&holder.title)),
        ("Profession", "المهنة", text(&holder.profession)),
        ("Address", "العنوان", holder.address.join(" – ")),
        ("Telephone", "رقم الهاتف", text(&holder.telephone)),
        ("Summary", "نبذة", text(&holder.summary)),
        ("Other documents", "وثائق أخرى", holder.other_documents.join(", ")),
        ("Custody", "الحضانة", text(&holder.custody)),
        ("Issuing State", "دولة الإصدار", text(&holder.issuing_state)),
        ("Issuing authority", "جهة الاصدار", text(&holder.authority)),
        ("Date of issue", "تأريخ الاصدار", text(&holder.date_of_issue)),
        ("Date of expiry", "تأريخ النفاذ", text(&holder.date_of_expiry)),
        ("Other persons", "أشخاص آخرون", holder.other_persons.join(", ")),
        ("Endorsements", "ملاحظات", text(&holder.endorsements)),
        ("Exit requirements", "متطلبات الخروج", text(&holder.exit_requirements)),
    ];
    let national =
        NATIONAL.iter().filter_map(|(key, label, arabic)| Some((*label, *arabic, holder.national.get(key)?.clone())));
    let notify = holder.persons_to_notify.iter().map(|person| ("Notify", "يُبلَّغ", notify(person)));
    all.into_iter().chain(national).chain(notify).filter(|(_, _, value)| !value.is_empty()).collect()
}

/// What stands behind the data that are shown of the holder.
pub const fn standing(report: &Report) -> &'static str {
    if report.authentic { "from authentic data" } else { "NOT AUTHENTIC: nobody trusted vouches for these data" }
}

/// Why fields are missing that the document has, in one line; nothing where none is.
pub fn not_shown(report: &Report) -> Option<String> {
    let verb = if report.altered.len() == 1 { "was" } else { "were" };
    (!report.altered.is_empty()).then(|| format!("not shown: {}, which {verb} altered", report.altered.join(", ")))
}

/// What was tried to get access and to read, as rung of the ladder and words; nothing where all went as the first attempt would have it.
pub fn attempts(report: &Report) -> Vec<(&'static str, String)> {
    let all = &report.access_attempts;
    let smooth = all.iter().all(|attempt| attempt.error.is_none()) && all.len() < 2;
    if smooth && report.quirks.is_empty() && report.restarted.is_none() {
        return Vec::new();
    }
    let access = all.iter().map(|attempt| (attempt.rung.map_or("-", |rung| rung.name()), attempt.to_string()));
    let restart = report.restarted.as_ref().map(|restart| (Rung::SmallSteps.name(), restart.to_string()));
    let quirks = report.quirks.iter().map(|quirk| {
        let what = quirk.rung.step().map(|step| step.what).unwrap_or_default();
        (quirk.rung.name(), format!("{what}: {}", quirk.file))
    });
    access.chain(restart).chain(quirks).collect()
}

/// A person to notify in one line.
fn notify(person: &PersonToNotify) -> String {
    let parts = [person.name.clone(), person.telephone.clone(), Some(person.address.join(" – "))];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    match &person.recorded {
        Some(recorded) => format!("{} (recorded {recorded})", parts.join(", ")),
        None => parts.join(", "),
    }
}

/// What a displayed picture shows.
pub fn caption(picture: &DisplayedPicture) -> (&'static str, &'static str) {
    match picture.data_group {
        5 => ("Displayed portrait", "الصورة المعروضة"),
        _ => ("Signature or usual mark", "التوقيع أو العلامة"),
    }
}

/// Fields of the national profile: key in the report, labels.
const NATIONAL: &[(&str, &str, &str)] = &[
    ("civil_status_office", "Civil-status office", "دائرة الاحوال المدنية"),
    ("register", "Register", "رقم السجل"),
    ("page", "Page", "رقم الصحيفة"),
    ("family_number", "Family number", "الرقم العائلي الحالي"),
    ("family_number_at_birth", "Family number at birth", "الرقم العائلي الولادي"),
    ("blood_group", "Blood group", "فئة الدم"),
    ("nationality_clause", "Nationality clause", "البند القانوني"),
    ("father_place_of_birth", "Father's place of birth", "محل ولادة الاب"),
    ("father_nationality", "Father's nationality", "جنسية الاب"),
    ("mother_place_of_birth", "Mother's place of birth", "محل ولادة الام"),
    ("mother_nationality", "Mother's nationality", "جنسية الام"),
];
