//! Reports for people: text for a terminal, a page for the screen.

pub mod html;
pub mod human;

use inspection::holder::Holder;

/// The holder's fields with their labels (English, Arabic), those that are present.
pub fn fields(holder: &Holder) -> Vec<(&'static str, &'static str, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let names = [text(&holder.mrz_primary), text(&holder.mrz_secondary)].join(" ").trim().to_owned();
    let all = [
        ("Name", "الاسم", text(&holder.name)),
        ("Name in the MRZ", "الاسم باللاتينية", names),
        ("Other names", "أسماء أخرى", holder.other_names.join(", ")),
        ("National number", "الرقم الوطني", text(&holder.national_number)),
        ("Document number", "رقم البطاقة", text(&holder.document_number)),
        ("Nationality", "الجنسية", text(&holder.nationality)),
        ("Sex", "الجنس", holder.sex.unwrap_or_default().to_owned()),
        ("Date of birth", "تاريخ الولادة", text(&holder.date_of_birth)),
        ("Place of birth", "محل الولادة", holder.place_of_birth.join(" – ")),
        ("Issuing State", "دولة الإصدار", text(&holder.issuing_state)),
        ("Issuing authority", "جهة الاصدار", text(&holder.authority)),
        ("Date of issue", "تأريخ الاصدار", text(&holder.date_of_issue)),
        ("Date of expiry", "تأريخ النفاذ", text(&holder.date_of_expiry)),
    ];
    let national =
        NATIONAL.iter().filter_map(|(key, label, arabic)| Some((*label, *arabic, holder.national.get(key)?.clone())));
    all.into_iter().chain(national).filter(|(_, _, value)| !value.is_empty()).collect()
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
