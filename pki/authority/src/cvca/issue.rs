//! Making, handing over and certifying keys.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trust::cvc::chain::{self, TrustPoint};
use trust::cvc::{
    Chat, CvBody, CvCertificate, CvPublicKey, CvRequest, CvRequestBody, Level, Reference, TerminalType, VerificationKey,
};
use trust::lint::{self, Kind};

use super::lifetime::{CvPeriod, last_day};
use super::record::Record;
use super::{
    AUTHORITY_FILE, CERTIFICATE_FILE, CHAIN_FILE, CvError, CvHolder, CvStore, LINK_FILE, REQUEST_FILE, key, rights,
};
use crate::acts::Act;
use crate::files::{self, Mode};
use crate::key_store::{Algorithm, FreshKey, KeyPlace, Signer};
use crate::passphrase::Passphrase;

/// A CVCA to be set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCvca {
    /// Two-letter country of the references.
    pub country: String,
    /// Mnemonic of the references, up to nine letters and digits.
    pub mnemonic: String,
    /// Which kind of terminals it is for.
    pub terminal_type: TerminalType,
    /// Rights by name; all when none are named.
    pub rights: Option<Vec<String>>,
    /// What all keys of its chains sign with.
    pub algorithm: Algorithm,
    /// Lifetime; the longest that is allowed when not given.
    pub period: Option<CvPeriod>,
}

/// What an issuer grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CvGrant {
    /// The level of the certificate.
    pub level: Level,
    /// Rights by name; all that the issuer has when none are named.
    pub rights: Option<Vec<String>>,
    /// Lifetime; the longest that is allowed when not given.
    pub period: Option<CvPeriod>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct CvMade {
    /// Its holder.
    pub holder: String,
    /// The folder of the new key.
    pub directory: PathBuf,
    /// The certificate.
    pub certificate: CvCertificate,
    /// The certificate by the key before it, after a rollover.
    pub link: Option<CvCertificate>,
}

impl CvStore {
    /// Sets up a CVCA: its first key and the certificate about itself. The secret is the passphrase of the key's file or the
    /// PIN of its token.
    ///
    /// # Errors
    /// When the name is taken, or a right or lifetime is not allowed.
    pub fn create_cvca(&self, new: &NewCvca, secret: &Passphrase, now: Timestamp) -> Result<CvMade, CvError> {
        let _lock = self.lock()?;
        let today = day(now);
        let all = Chat::all(new.terminal_type, Level::Cvca);
        let chat = rights(all, Level::Cvca, new.rights.as_deref())?;
        let expires = last_day(Level::Cvca, today, new.period, None)?;
        let place = self.next_place(&[new.country.as_str(), &new.mnemonic].concat())?;
        place.accepts(secret)?;
        let mut holder = self.create_holder(&new.country, &new.mnemonic)?;
        self.new_cvca_key(&mut holder, None, chat, new.algorithm, (now, expires), (&place, secret))
    }

    /// The next key of a CVCA, with the certificate about itself and the link by which the old key hands over. The secrets are
    /// those of the current key and of the next one.
    ///
    /// # Errors
    /// When the holder is no CVCA, a secret is wrong or the lifetime not allowed.
    pub fn roll_over(
        &self,
        name: &str,
        algorithm: Option<Algorithm>,
        period: Option<CvPeriod>,
        (secret, next_secret): (&Passphrase, &Passphrase),
        now: Timestamp,
    ) -> Result<CvMade, CvError> {
        let _lock = self.lock()?;
        let today = day(now);
        let mut holder = self.holder(name)?;
        let (generation, old) = holder.certified()?;
        let (chat, reference) = (old.body().chat, old.body().holder.clone());
        if chat.level() != Level::Cvca {
            return Err(CvError::NotACvca(holder.name()));
        }
        let expires = last_day(Level::Cvca, today, period, None)?;
        let old_key = generation.key(secret)?;
        let algorithm = algorithm.unwrap_or(old_key.algorithm());
        let place = self.next_place(name)?;
        place.accepts(next_secret)?;
        let old = Some((&old_key as &dyn Signer, reference));
        self.new_cvca_key(&mut holder, old, chat, algorithm, (now, expires), (&place, next_secret))
    }

    /// A new key for a holder below, made and certified here: the first of a new holder, or the next of an old one. The secrets
    /// are those of the issuer's key and of the new one.
    ///
    /// # Errors
    /// When the issuer may not certify it, a secret is wrong, or a right or lifetime is not allowed.
    pub fn certify(
        &self,
        issuer: &str,
        (country, mnemonic): (&str, &str),
        grant: &CvGrant,
        secret: &Passphrase,
        holder_secret: &Passphrase,
        now: Timestamp,
    ) -> Result<CvMade, CvError> {
        let _lock = self.lock()?;
        let today = day(now);
        let issuer = self.holder(issuer)?;
        let (generation, own) = issuer.certified()?;
        // What may not be granted is told before a passphrase is tried.
        let terms = terms(own, grant, today)?;
        let issuer_key = generation.key(secret)?;
        let place = self.next_place(&[country, mnemonic].concat())?;
        place.accepts(holder_secret)?;
        let mut holder = self.holder_or_new(country, mnemonic)?;
        let (sequence, reference) = holder.record.next(&holder.directory)?;
        let mut fresh = new_key(&place, issuer_key.algorithm(), &reference, holder_secret)?;
        let body = CvBody {
            authority: own.body().holder.clone(),
            public_key: key::public_key(&fresh.key)?.without_domain(),
            holder: reference.clone(),
            chat: terms.chat,
            effective: today,
            expires: terms.expires,
            extensions: Vec::new(),
        };
        let certificate = signed(&body, &issuer_key, &verification_key(&issuer_key)?)?;
        let chain = [chain_of(&issuer)?, certificate.bytes().to_vec()].concat();
        // What was issued is on record first: a certificate that nobody knows of must not leave.
        self.record(now, &[act("cv-certificate", &certificate)])?;
        keep_issued(&issuer, &certificate)?;
        let directory = generation_path(&holder.directory, sequence);
        let created = files::create_directory(&directory, |folder| {
            fresh.write(folder)?;
            files::write(&folder.join(CHAIN_FILE), &chain, Mode::Public)?;
            files::write(&folder.join(CERTIFICATE_FILE), certificate.bytes(), Mode::Public)
        });
        fresh.keep_in(&directory);
        created?;
        Ok(CvMade { holder: holder.name(), directory, certificate, link: None })
    }

    /// A new key of a holder whose issuer is elsewhere, and the request for its certificate; signed by the holder's current key
    /// too, when there is one.
    ///
    /// `authority` is the certificate of the key that is expected to sign, which decides what the new key signs with. That of a
    /// CVCA about itself is kept: the answer must lead to it ([`CvStore::accept`]). The secrets are those of the current key, if
    /// there is one, and of the new one. A current key whose certificate has expired vouches for nothing any more: the request
    /// is then like a first one.
    ///
    /// # Errors
    /// When a secret is wrong, the name is none, or the authority's certificate did not sign itself.
    pub fn request(
        &self,
        (country, mnemonic): (&str, &str),
        authority: Option<&CvCertificate>,
        algorithm: Algorithm,
        (secret, new_secret): (&Passphrase, &Passphrase),
        now: Timestamp,
    ) -> Result<(PathBuf, CvRequest), CvError> {
        let _lock = self.lock()?;
        let today = day(now);
        let trusted = authority.filter(|certificate| certificate.is_self_signed()).cloned();
        let trusted = trusted.map(TrustPoint::new).transpose()?;
        let place = self.next_place(&[country, mnemonic].concat())?;
        place.accepts(new_secret)?;
        let mut holder = self.holder_or_new(country, mnemonic)?;
        let current = match holder.current().filter(|(_, certificate)| today <= certificate.body().expires) {
            Some((generation, certificate)) => Some((generation.key(secret)?, certificate.body().holder.clone())),
            None => None,
        };
        let (sequence, reference) = holder.record.next(&holder.directory)?;
        let mut fresh = new_key(&place, algorithm, &reference, new_secret)?;
        let body = CvRequestBody {
            authority: authority.map(|certificate| certificate.body().holder.clone()),
            public_key: key::public_key(&fresh.key)?,
            holder: reference,
            extensions: Vec::new(),
        };
        let encoded = body.encode();
        let mut bytes = CvCertificate::assemble(&encoded, &key::sign(&fresh.key, &encoded)?);
        if let Some((old_key, old)) = &current {
            let message = CvRequest::to_authenticate(&bytes, old);
            bytes = CvRequest::assemble_authenticated(&message, &key::sign(old_key, &message)?);
        }
        let request = CvRequest::from_bytes(&bytes).map_err(|_| CvError::NotVerified)?;
        request.verify_inner().map_err(|_| CvError::NotVerified)?;
        self.record(now, &[Act::new("cv-request", request.body().holder.to_string()).product(&bytes)])?;
        let directory = generation_path(&holder.directory, sequence);
        let created = files::create_directory(&directory, |folder| {
            fresh.write(folder)?;
            if let Some(point) = &trusted {
                files::write(&folder.join(AUTHORITY_FILE), point.certificate().bytes(), Mode::Public)?;
            }
            files::write(&folder.join(REQUEST_FILE), &bytes, Mode::Public)
        });
        fresh.keep_in(&directory);
        created?;
        Ok((directory.join(REQUEST_FILE), request))
    }

    /// Certifies the key of a request. `voucher` is a CVCA certificate believed by other means, whose key may authenticate a first request.
    ///
    /// # Errors
    /// When a signature of the request is missing or wrong, or something is not allowed.
    pub fn issue(
        &self,
        issuer: &str,
        request: &CvRequest,
        voucher: Option<&TrustPoint>,
        grant: &CvGrant,
        secret: &Passphrase,
        now: Timestamp,
    ) -> Result<CvCertificate, CvError> {
        let _lock = self.lock()?;
        let today = day(now);
        let issuer = self.holder(issuer)?;
        let (generation, own) = issuer.certified()?;
        let terms = terms(own, grant, today)?;
        let reference = &request.body().holder;
        if reference.parts().is_none() {
            return Err(CvError::Reference(trust::cvc::ReferenceError::Mnemonic(reference.to_string())));
        }
        request.verify_inner()?;
        authenticate(&issuer, request, voucher, today)?;
        if issuer.issued(reference)?.is_some() || issuer.name() == name_of(reference) {
            return Err(CvError::AlreadyIssued(reference.clone()));
        }
        let issuer_key = generation.key(secret)?;
        let own_key = verification_key(&issuer_key)?;
        let asked = request.body().public_key.resolve(None)?;
        if (asked.algorithm(), asked.kind()) != (own_key.algorithm(), own_key.kind()) {
            return Err(CvError::KeyKind(own.body().holder.clone()));
        }
        let body = CvBody {
            authority: own.body().holder.clone(),
            public_key: request.body().public_key.without_domain(),
            holder: reference.clone(),
            chat: terms.chat,
            effective: today,
            expires: terms.expires,
            // What a requester writes there is the issuer's to decide: none is taken over.
            extensions: Vec::new(),
        };
        let certificate = signed(&body, &issuer_key, &own_key)?;
        self.record(now, &[act("cv-certificate", &certificate)])?;
        keep_issued(&issuer, &certificate)?;
        Ok(certificate)
    }

    /// Stores the answer to a request: the certificates that lead to it (links, document verifier) and last its own. They are
    /// judged as a card would judge them, from a CVCA that is believed: one of `trusted`, or one that a request of this holder
    /// named. What stands before the first certificate that such a CVCA issued is left away.
    ///
    /// # Errors
    /// When it is for no key that waits, or does not lead to a CVCA that is believed.
    pub fn accept(
        &self,
        name: &str,
        answer: &[CvCertificate],
        trusted: &[TrustPoint],
        now: Timestamp,
    ) -> Result<CvMade, CvError> {
        let _lock = self.lock()?;
        let holder = self.holder(name)?;
        let certificate = answer.last().ok_or_else(|| CvError::NoCertificate(holder.name()))?;
        let reference = &certificate.body().holder;
        let awaited = holder.generations.iter().find(|generation| {
            let request = generation.request.as_ref().map(CvRequest::body);
            generation.certificate.is_none()
                && request.is_some_and(|body| {
                    body.holder == *reference && same_key(&body.public_key, &certificate.body().public_key)
                })
        });
        let generation = awaited.ok_or_else(|| CvError::NotAwaited(reference.clone()))?;
        let mut points = trusted.to_vec();
        for kept in holder.generations.iter().filter_map(|generation| generation.authority.clone()) {
            points.push(TrustPoint::new(kept)?);
        }
        let path = below(answer, &points);
        chain::verify(&points, path, day(now))?;
        self.record(now, &[act("cv-accepted", certificate)])?;
        let chain: Vec<u8> = path.iter().flat_map(|certificate| certificate.bytes().to_vec()).collect();
        // The certificate last: with it the key counts as certified.
        files::replace(&generation.directory.join(CHAIN_FILE), &chain, Mode::Public)?;
        files::replace(&generation.directory.join(CERTIFICATE_FILE), certificate.bytes(), Mode::Public)?;
        Ok(CvMade {
            holder: holder.name(),
            directory: generation.directory.clone(),
            certificate: certificate.clone(),
            link: None,
        })
    }

    fn new_cvca_key(
        &self,
        holder: &mut CvHolder,
        old: Option<(&dyn Signer, Reference)>,
        chat: Chat,
        algorithm: Algorithm,
        (now, expires): (Timestamp, Date),
        (place, secret): (&KeyPlace, &Passphrase),
    ) -> Result<CvMade, CvError> {
        let (sequence, reference) = holder.record.next(&holder.directory)?;
        let mut fresh = new_key(place, algorithm, &reference, secret)?;
        let body = CvBody {
            authority: reference.clone(),
            public_key: key::public_key(&fresh.key)?,
            holder: reference,
            chat,
            effective: day(now),
            expires,
            extensions: Vec::new(),
        };
        let certificate = signed(&body, &fresh.key, &verification_key(&fresh.key)?)?;
        let link = match old {
            Some((old_key, authority)) => {
                Some(signed(&CvBody { authority, ..body }, old_key, &verification_key(old_key)?)?)
            }
            None => None,
        };
        let acts = [Some(act("cvca", &certificate)), link.as_ref().map(|link| act("cv-link", link))];
        self.record(now, &acts.into_iter().flatten().collect::<Vec<_>>())?;
        let directory = generation_path(&holder.directory, sequence);
        let created = files::create_directory(&directory, |folder| {
            fresh.write(folder)?;
            if let Some(link) = &link {
                files::write(&folder.join(LINK_FILE), link.bytes(), Mode::Public)?;
            }
            files::write(&folder.join(CERTIFICATE_FILE), certificate.bytes(), Mode::Public)
        });
        fresh.keep_in(&directory);
        created?;
        Ok(CvMade { holder: holder.name(), directory, certificate, link })
    }

    fn create_holder(&self, country: &str, mnemonic: &str) -> Result<CvHolder, CvError> {
        Reference::new(country, mnemonic, "00000")?;
        let name = [country, mnemonic].concat();
        let directory = self.directory.join(&name);
        if directory.exists() {
            // A holder without a key is what an interrupted set-up leaves: it goes on from there.
            let holder = self.holder(&name)?;
            return if holder.generations.is_empty() { Ok(holder) } else { Err(CvError::HolderExists(name)) };
        }
        files::create_directory(&directory, |folder| {
            files::directory(&folder.join("generations"))?;
            files::directory(&folder.join("issued"))?;
            Record::new(country, mnemonic).write(folder)
        })?;
        self.holder(&name)
    }

    fn holder_or_new(&self, country: &str, mnemonic: &str) -> Result<CvHolder, CvError> {
        match self.holder(&[country, mnemonic].concat()) {
            Err(CvError::NoSuchHolder(_)) => self.create_holder(country, mnemonic),
            other => other,
        }
    }
}

/// What a certificate will say of rights and dates.
struct Terms {
    chat: Chat,
    expires: Date,
}

fn terms(issuer: &CvCertificate, grant: &CvGrant, today: Date) -> Result<Terms, CvError> {
    let body = issuer.body();
    if !body.chat.level().may_certify(grant.level) || grant.level == Level::Cvca {
        return Err(CvError::WrongLevel { issuer: body.chat.level(), level: grant.level });
    }
    if today > body.expires {
        return Err(CvError::IssuerExpired { holder: body.holder.clone(), expired: body.expires });
    }
    let chat = rights(body.chat, grant.level, grant.rights.as_deref())?;
    let held = chat.under(body.chat).right_names();
    if let Some(right) = chat.right_names().into_iter().find(|right| !held.contains(right)) {
        return Err(CvError::RightNotHeld { issuer: body.holder.clone(), right });
    }
    let expires = last_day(grant.level, today, grant.period, Some(body.expires))?;
    Ok(Terms { chat, expires })
}

/// The certificates from the first one on that one of these CVCAs issued; all of them when none did.
fn below<'a>(certificates: &'a [CvCertificate], points: &[TrustPoint]) -> &'a [CvCertificate] {
    let known = |certificate: &CvCertificate| {
        points.iter().any(|point| point.certificate().body().holder == certificate.body().authority)
    };
    let from = certificates.iter().position(known).unwrap_or(0);
    certificates.get(from..).unwrap_or_default()
}

/// A holder with a certificate in force signs with a key that the issuer certified; another one may be vouched for by its own
/// CVCA. Who vouches must be in force on the day of issuing.
fn authenticate(
    issuer: &CvHolder,
    request: &CvRequest,
    voucher: Option<&TrustPoint>,
    today: Date,
) -> Result<(), CvError> {
    let reference = &request.body().holder;
    let known = issuer.certified_on(reference, today)?;
    let Some(signer) = request.authenticated_by() else {
        return if known { Err(CvError::NotAuthenticated(reference.clone())) } else { Ok(()) };
    };
    if let Some(voucher) = voucher.filter(|point| point.certificate().body().holder == *signer && !known) {
        in_force(voucher.certificate(), today)?;
        return Ok(request.verify_outer(voucher.key())?);
    }
    let certificate = issuer.issued(signer)?.filter(|_| name_of(signer) == name_of(reference));
    let certificate = certificate.ok_or_else(|| CvError::UnknownAuthenticator(signer.clone()))?;
    let key = certificate.key(issuer.curve_of(&certificate.body().authority))?;
    request.verify_outer(&key)?;
    in_force(&certificate, today)
}

fn in_force(certificate: &CvCertificate, today: Date) -> Result<(), CvError> {
    let body = certificate.body();
    if today <= body.expires {
        return Ok(());
    }
    Err(CvError::AuthenticatorExpired { holder: body.holder.clone(), expired: body.expires })
}

/// Country and mnemonic of a reference; all of it when it has another form.
fn name_of(reference: &Reference) -> String {
    match reference.parts() {
        Some((country, mnemonic, _)) => [country, mnemonic].concat(),
        None => reference.to_string(),
    }
}

/// A new key, named in a token by the reference that its certificate will have.
fn new_key(
    place: &KeyPlace,
    algorithm: Algorithm,
    reference: &Reference,
    secret: &Passphrase,
) -> Result<FreshKey, CvError> {
    Ok(FreshKey::generate(place, algorithm, &format!("bitaqa-{reference}"), None, secret)?)
}

fn verification_key(key: &dyn Signer) -> Result<VerificationKey, CvError> {
    Ok(key::public_key(key)?.resolve(None)?)
}

/// A certificate, read back as a verifier would before it goes anywhere.
fn signed(body: &CvBody, key: &dyn Signer, own: &VerificationKey) -> Result<CvCertificate, CvError> {
    let encoded = body.encode()?;
    let bytes = CvCertificate::assemble(&encoded, &key::sign(key, &encoded)?);
    lint::accept(&bytes, Kind::CvCertificate)?;
    let certificate = CvCertificate::from_bytes(&bytes).map_err(|_| CvError::NotVerified)?;
    certificate.verify(own).map_err(|_| CvError::NotVerified)?;
    if certificate.body() == body && certificate.is_strict() { Ok(certificate) } else { Err(CvError::NotVerified) }
}

fn act(kind: &str, certificate: &CvCertificate) -> Act {
    let body = certificate.body();
    let note = format!("issued by {}, good until {}", body.authority, body.expires);
    Act::new(kind, body.holder.to_string()).product(certificate.bytes()).note(note)
}

/// The day in UTC, which is what certificates are dated in.
fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn keep_issued(issuer: &CvHolder, certificate: &CvCertificate) -> Result<(), CvError> {
    let path = issuer.issued_path(&certificate.body().holder);
    Ok(files::replace(&path, certificate.bytes(), Mode::Public)?)
}

/// What a card needs before a certificate of this issuer: the links of a CVCA, or the chain of a document verifier.
fn chain_of(issuer: &CvHolder) -> Result<Vec<u8>, CvError> {
    let (generation, own) = issuer.certified()?;
    if own.body().chat.level() == Level::Cvca {
        let links = issuer.generations.iter().filter_map(|generation| generation.link.as_ref());
        return Ok(links.flat_map(|link| link.bytes().to_vec()).collect());
    }
    Ok(generation.chain()?.iter().flat_map(|certificate| certificate.bytes().to_vec()).collect())
}

fn generation_path(holder: &Path, sequence: u32) -> PathBuf {
    holder.join("generations").join(format!("{sequence:05}"))
}

/// The same key, with or without domain parameters.
fn same_key(one: &CvPublicKey, other: &CvPublicKey) -> bool {
    one.without_domain() == other.without_domain()
}
