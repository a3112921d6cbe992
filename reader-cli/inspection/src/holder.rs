//! Whom the document names: the data groups that the security object vouches for, in plain terms.

use std::collections::BTreeMap;

use jiff::civil;
use lds::date::Date;
use lds::dg::ReadError;
use lds::dg::dg01::Dg1;
use lds::dg::dg02::{Dg2, ImageFormat};
use lds::dg::dg05::{Dg5, DisplayedImage};
use lds::dg::dg07::Dg7;
use lds::dg::dg11::Dg11;
use lds::dg::dg12::Dg12;
use lds::dg::dg13::{Dg13, Field};
use lds::dg::dg16::{Dg16, Person};
use lds::mrz::{Format, Sex};
use serde::Serialize;

/// Whom the document names. Absent fields are `null` or empty; dates are ISO 8601, shortened where the day or the month is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// True when the security object is authentic; false when the fields only agree with an object that nobody trusted vouches for.
    pub authentic: bool,
    /// Size of the MRZ: `TD1` a card, `TD2`, `TD3` a passport.
    pub mrz_format: Option<&'static str>,
    /// Document code of the MRZ: `ID`.
    pub document_code: Option<String>,
    /// Issuing State of the MRZ: `IRQ`.
    pub issuing_state: Option<String>,
    /// Document number.
    pub document_number: Option<String>,
    /// Full name in the holder's script.
    pub name: Option<String>,
    /// Mother and maternal grandfather: the first other name of a document with the national DG13, which is none of the holder's.
    pub mother: Option<String>,
    /// Other names of the holder. In a document with the national DG13 whose first one does not say that it is of mother and
    /// maternal grandfather, it can be the mother's.
    pub other_names: Vec<String>,
    /// Primary identifier of the MRZ.
    pub mrz_primary: Option<String>,
    /// Secondary identifier of the MRZ.
    pub mrz_secondary: Option<String>,
    /// National number.
    pub national_number: Option<String>,
    /// Nationality.
    pub nationality: Option<String>,
    /// `male`, `female` or `unspecified`.
    pub sex: Option<&'static str>,
    /// Date of birth.
    pub date_of_birth: Option<String>,
    /// Place of birth, from the town upwards.
    pub place_of_birth: Vec<String>,
    /// Permanent address in parts.
    pub address: Vec<String>,
    /// Telephone number.
    pub telephone: Option<String>,
    /// Profession.
    pub profession: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Personal summary.
    pub summary: Option<String>,
    /// Numbers of other valid travel documents.
    pub other_documents: Vec<String>,
    /// Custody information.
    pub custody: Option<String>,
    /// Issuing authority.
    pub authority: Option<String>,
    /// Date of issue.
    pub date_of_issue: Option<String>,
    /// Date of expiry.
    pub date_of_expiry: Option<String>,
    /// Other persons in the document.
    pub other_persons: Vec<String>,
    /// Endorsements and observations.
    pub endorsements: Option<String>,
    /// Tax or exit requirements.
    pub exit_requirements: Option<String>,
    /// Persons to notify in an emergency.
    pub persons_to_notify: Vec<PersonToNotify>,
    /// Fields of the national profile (DG13) that may be shown.
    pub national: BTreeMap<&'static str, String>,
}

/// One entry of DG16.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PersonToNotify {
    /// The name as it is said.
    pub name: Option<String>,
    /// Telephone number.
    pub telephone: Option<String>,
    /// Address in parts.
    pub address: Vec<String>,
    /// When the entry was recorded.
    pub recorded: Option<String>,
}

impl From<&Person> for PersonToNotify {
    fn from(person: &Person) -> Self {
        PersonToNotify {
            name: person.name.as_deref().map(spoken),
            telephone: person.telephone.clone(),
            address: person.address.clone(),
            recorded: person.recorded.map(|date| date.to_string()),
        }
    }
}

/// The holder's portrait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portrait {
    /// Media type: `image/jpeg` or `image/jp2`.
    pub media_type: &'static str,
    /// The picture, as it stands in DG2.
    pub image: Vec<u8>,
}

/// A picture that the issuer put there to be looked at: the displayed portrait (DG5), the signature or usual mark (DG7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DisplayedPicture {
    /// The data group: 5 or 7.
    pub data_group: u8,
    /// Media type: `image/jpeg` or `image/jp2`.
    pub media_type: &'static str,
    /// Width in pixels, as the picture says.
    pub width: u32,
    /// Height in pixels, as the picture says.
    pub height: u32,
    /// The picture, as it stands in the data group.
    #[serde(skip)]
    pub image: Vec<u8>,
}

/// One data group: absent (or not as listed), or parsed, or not what it should be.
type Group<T> = Option<Result<T, ReadError>>;

/// Data groups whose hash is the listed one, parsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub dg1: Group<Dg1>,
    pub dg2: Option<Vec<u8>>,
    pub dg5: Option<Vec<u8>>,
    pub dg7: Option<Vec<u8>>,
    pub dg11: Group<Dg11>,
    pub dg12: Group<Dg12>,
    pub dg13: Group<Dg13>,
    pub dg16: Group<Dg16>,
}

impl Contents {
    /// Parses what `bytes` gives for a data group number.
    pub fn parse<'a>(bytes: impl Fn(u8) -> Option<&'a [u8]>) -> Self {
        Contents {
            dg1: bytes(1).map(Dg1::parse),
            dg2: bytes(2).map(<[u8]>::to_vec),
            dg5: bytes(5).map(<[u8]>::to_vec),
            dg7: bytes(7).map(<[u8]>::to_vec),
            dg11: bytes(11).map(Dg11::parse),
            dg12: bytes(12).map(Dg12::parse),
            dg13: bytes(13).map(Dg13::parse),
            dg16: bytes(16).map(Dg16::parse),
        }
    }

    pub fn mrz(&self) -> Option<&lds::mrz::Mrz> {
        Some(&self.dg1.as_ref()?.as_ref().ok()?.mrz)
    }

    pub fn personal(&self) -> Option<&Dg11> {
        self.dg11.as_ref()?.as_ref().ok()
    }

    pub fn details(&self) -> Option<&Dg12> {
        self.dg12.as_ref()?.as_ref().ok()
    }

    fn persons_to_notify(&self) -> Vec<PersonToNotify> {
        let dg16 = self.dg16.as_ref().and_then(|dg16| dg16.as_ref().ok());
        dg16.into_iter().flat_map(|dg16| dg16.persons()).map(PersonToNotify::from).collect()
    }

    pub fn document_code(&self) -> Option<String> {
        self.mrz().map(|mrz| mrz.document_code().to_owned())
    }

    pub fn issuing_state(&self) -> Option<String> {
        self.mrz().map(|mrz| mrz.issuing_state().to_owned())
    }

    pub fn document_number(&self) -> Option<String> {
        self.mrz().map(|mrz| mrz.document_number())
    }

    pub fn date_of_issue(&self) -> Option<civil::Date> {
        whole(self.details()?.issue_date?)
    }

    /// The date of expiry; the date of issue settles the century where it is known, else `today` does.
    pub fn date_of_expiry(&self, today: civil::Date) -> Option<civil::Date> {
        let reference = partial(self.date_of_issue().unwrap_or(today))?;
        whole(self.mrz()?.expiry().ok()?.expiry_date(reference).ok()?)
    }

    /// What DG13 says, without the fields that are never shown.
    fn national(&self) -> BTreeMap<&'static str, String> {
        let dg13 = self.dg13.as_ref().and_then(|dg13| dg13.as_ref().ok());
        let fields = dg13.into_iter().flat_map(|dg13| dg13.shown());
        fields.filter_map(|(field, value)| Some((national_key(field)?, value.to_owned()))).collect()
    }

    /// The other names of DG11. In the national profile the first is mother`<`maternal grandfather; the holder's own come after it.
    fn mother_and_other_names(&self) -> (Option<String>, Vec<String>) {
        let names = self.personal().map(|personal| personal.other_names.as_slice()).unwrap_or_default();
        let national = matches!(self.dg13, Some(Ok(_)));
        match names.split_first() {
            Some((first, own)) if national && first.contains('<') && !first.contains("<<") => {
                (Some(spoken(first)), own.iter().map(|name| spoken(name)).collect())
            }
            _ => (None, names.iter().map(|name| spoken(name)).collect()),
        }
    }

    /// The date of birth: from DG11, which has its century, else from the MRZ.
    fn date_of_birth(&self, today: civil::Date) -> Option<Date> {
        let recorded = self.personal().and_then(|personal| personal.birth_date);
        recorded.or_else(|| self.mrz()?.birth().ok()?.birth_date(partial(today)?).ok())
    }
}

fn whole(date: Date) -> Option<civil::Date> {
    let (year, month, day) = (date.year()?, date.month()?, date.day()?);
    civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn partial(date: civil::Date) -> Option<Date> {
    let part = |number: i8| u8::try_from(number).ok();
    Date::new(u16::try_from(date.year()).ok()?, part(date.month())?, part(date.day())?).ok()
}

impl Holder {
    /// `None` when no data group with personal data is as listed.
    pub(crate) fn of(contents: &Contents, authentic: bool, today: civil::Date) -> Option<Self> {
        let (mrz, personal, details) = (contents.mrz(), contents.personal(), contents.details());
        let persons_to_notify = contents.persons_to_notify();
        if mrz.is_none() && personal.is_none() && details.is_none() && persons_to_notify.is_empty() {
            return None;
        }
        let text = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(|text| text.replace('<', " "));
        let (primary, secondary) = mrz.map(|mrz| mrz.identifiers()).unzip();
        let national = personal.and_then(|personal| personal.personal_number.as_deref());
        let (mother, other_names) = contents.mother_and_other_names();
        Some(Holder {
            authentic,
            mrz_format: mrz.map(|mrz| mrz_format(mrz.format())),
            document_code: contents.document_code(),
            issuing_state: contents.issuing_state(),
            document_number: contents.document_number(),
            name: personal.and_then(|personal| personal.full_name.as_deref()).map(spoken),
            mother,
            other_names,
            mrz_primary: text(primary),
            mrz_secondary: text(secondary),
            national_number: text(national.or(mrz.map(|mrz| mrz.optional_1()))),
            nationality: text(mrz.map(|mrz| mrz.nationality())),
            sex: mrz.and_then(|mrz| mrz.sex()).map(sex),
            date_of_birth: contents.date_of_birth(today).map(|date| date.to_string()),
            place_of_birth: personal.map(|personal| personal.birth_place.clone()).unwrap_or_default(),
            address: personal.map(|personal| personal.address.clone()).unwrap_or_default(),
            telephone: text(personal.and_then(|personal| personal.telephone.as_deref())),
            profession: text(personal.and_then(|personal| personal.profession.as_deref())),
            title: text(personal.and_then(|personal| personal.title.as_deref())),
            summary: text(personal.and_then(|personal| personal.summary.as_deref())),
            other_documents: personal.map(|personal| personal.other_documents.clone()).unwrap_or_default(),
            custody: text(personal.and_then(|personal| personal.custody.as_deref())),
            authority: details.and_then(|details| details.authority.clone()),
            date_of_issue: details.and_then(|details| details.issue_date).map(|date| date.to_string()),
            date_of_expiry: contents.date_of_expiry(today).map(|date| date.to_string()),
            other_persons: details
                .map(|details| details.other_persons.iter().map(|name| spoken(name)).collect())
                .unwrap_or_default(),
            endorsements: text(details.and_then(|details| details.endorsements.as_deref())),
            exit_requirements: text(details.and_then(|details| details.exit_requirements.as_deref())),
            persons_to_notify,
            national: contents.national(),
        })
    }
}

/// A name as it is said: the components in their order, the primary identifier of `primary<<secondary` last.
fn spoken(name: &str) -> String {
    let name = match name.split_once("<<") {
        Some((primary, secondary)) => format!("{secondary} {primary}"),
        None => name.to_owned(),
    };
    name.replace('<', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The key of a national field in reports; `None` for what is never shown.
fn national_key(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::Office => "civil_status_office",
        Field::Register => "register",
        Field::Page => "page",
        Field::FamilyNumber => "family_number",
        Field::BirthFamilyNumber => "family_number_at_birth",
        Field::BloodGroup => "blood_group",
        Field::NationalityClause => "nationality_clause",
        Field::FatherBirthPlace => "father_place_of_birth",
        Field::FatherNationality => "father_nationality",
        Field::MotherBirthPlace => "mother_place_of_birth",
        Field::MotherNationality => "mother_nationality",
        Field::Religion | Field::Ethnicity => return None,
    })
}

fn mrz_format(format: Format) -> &'static str {
    match format {
        Format::Td1 => "TD1",
        Format::Td2 => "TD2",
        Format::Td3 => "TD3",
    }
}

fn media_type(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "image/jpeg",
        ImageFormat::Jpeg2000 => "image/jp2",
    }
}

fn sex(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Unspecified => "unspecified",
    }
}

impl Portrait {
    pub(crate) fn of(contents: &Contents) -> Option<Self> {
        Self::from_dg2(contents.dg2.as_deref()?)
    }

    /// The first face of a DG2 file; nothing is verified here.
    pub fn from_dg2(file: &[u8]) -> Option<Self> {
        let face = Dg2::parse(file).ok()?.faces.into_iter().next()?;
        Some(Portrait { media_type: media_type(face.format()), image: face.image().to_vec() })
    }
}

impl DisplayedPicture {
    pub(crate) fn of(contents: &Contents) -> Vec<Self> {
        Self::from_files(contents.dg5.as_deref(), contents.dg7.as_deref())
    }

    /// The pictures of a DG5 and a DG7 file, those of a known format; nothing is verified here.
    pub fn from_files(dg5: Option<&[u8]>, dg7: Option<&[u8]>) -> Vec<Self> {
        let portraits = dg5.and_then(|file| Dg5::parse(file).ok()).map(|dg5| dg5.portraits).unwrap_or_default();
        let signatures = dg7.and_then(|file| Dg7::parse(file).ok()).map(|dg7| dg7.signatures).unwrap_or_default();
        let portraits = portraits.iter().filter_map(|image| Self::new(5, image));
        portraits.chain(signatures.iter().filter_map(|image| Self::new(7, image))).collect()
    }

    fn new(data_group: u8, image: &DisplayedImage) -> Option<Self> {
        let picture = image.picture().ok()?;
        let (width, height) = (picture.width, picture.height);
        let media_type = media_type(picture.format);
        Some(DisplayedPicture { data_group, media_type, width, height, image: image.image().to_vec() })
    }
}
