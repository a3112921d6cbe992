//! The dialogue with the citizen application: as its issuer inside the secure channel, and as any computer outside it.

use channel::random::Random;
use channel::scp03::{self, Channel, InitializeUpdateInfo, KeySet, Options, Scp03Error};
use eid::Application;
use eid::authentication::{Template, sign};
use eid::keys::{Algorithm, KeyReference, PublicKey, generate};
use eid::objects::Object;
use eid::pin::{PinError, change_pin, set_puk, set_transport_pin, verify};
use iso7816::{Aid, Card, Chained, Command, Limits, Status};

use super::TransportCodes;
use super::request::Request;
use crate::issuer::{DialogueError, accepted};
use crate::rotation::CardKeys;

const INS_SELECT: u8 = 0xA4;

/// How the issuer's channel is opened on an application.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) version: u8,
    pub(crate) keys: &'a dyn CardKeys,
    pub(crate) options: Options,
    /// Data bytes in one link of a command.
    pub(crate) link: usize,
}

/// A key that was made on the card, and a request that the card signed with it.
pub(crate) struct Proof {
    pub(crate) key: KeyReference,
    pub(crate) identifier: Vec<u8>,
    pub(crate) request: Vec<u8>,
}

/// The application in the issuer's channel.
pub(crate) struct IssuerView<C> {
    card: Chained<Channel<C>>,
}

fn nonsense(what: &'static str) -> DialogueError {
    DialogueError::Citizen { what }
}

impl From<PinError> for DialogueError {
    fn from(_: PinError) -> Self {
        nonsense("a PIN or PUK of another form was drawn")
    }
}

pub(crate) fn select(card: &mut dyn Card, aid: &Aid) -> Result<(), DialogueError> {
    let select = Command::new(0x00, INS_SELECT, 0x04, 0x00).with_data(aid.as_bytes()).with_ne(256);
    accepted(card, &select).map(drop)
}

impl<C: Card> IssuerView<C> {
    pub(crate) fn open(
        mut card: C,
        application: Application,
        access: Access<'_>,
        random: &mut dyn Random,
    ) -> Result<Self, DialogueError> {
        select(&mut card, &application.aid())?;
        let keys = |info: &InitializeUpdateInfo| -> Result<KeySet, DialogueError> {
            Ok(access.keys.of_chip(&info.diversification)?)
        };
        let channel = scp03::open_derived(card, access.version, keys, access.options, random)?;
        // Links are protected one by one.
        let limits = Limits { command_data: access.link, ..Limits::SHORT };
        Ok(IssuerView { card: Chained::new(channel, limits) })
    }

    /// The card, outside the channel.
    pub(crate) fn into_card(self) -> C {
        self.card.into_inner().into_inner()
    }

    /// Makes a key pair; the request that it is to sign.
    fn generate(&mut self, key: KeyReference) -> Result<Request, DialogueError> {
        let answer = accepted(&mut self.card, &generate(key, Algorithm::P256))?;
        let public = PublicKey::parse(Algorithm::P256, &answer.data);
        let Ok(PublicKey::Point(point)) = public else { return Err(nonsense("no public key came")) };
        let request = Request::new(&point).map_err(Scp03Error::from)?;
        request.ok_or_else(|| nonsense("the public key is no point on its curve"))
    }

    pub(crate) fn put(&mut self, object: &Object, content: &[u8]) -> Result<(), DialogueError> {
        accepted(&mut self.card, &object.put(content)).map(drop)
    }

    pub(crate) fn set_codes(&mut self, codes: &TransportCodes) -> Result<(), DialogueError> {
        accepted(&mut self.card, &set_puk(&codes.puk()?))?;
        accepted(&mut self.card, &set_transport_pin(&codes.pin()?)).map(drop)
    }
}

/// Makes key pairs, and has each sign its request under a PIN that is then forgotten.
pub(crate) fn make_keys<C: Card>(
    card: C,
    keys: &[KeyReference],
    access: Access<'_>,
    random: &mut dyn Random,
) -> Result<(C, Vec<Proof>), DialogueError> {
    let mut issuer = IssuerView::open(card, Application::Piv, access, random)?;
    let mut requests = Vec::new();
    for key in keys {
        requests.push((*key, issuer.generate(*key)?));
    }
    let first = TransportCodes::draw(random).map_err(Scp03Error::from)?;
    let mut own = first.pin()?;
    while own == first.pin()? {
        own = TransportCodes::draw(random).map_err(Scp03Error::from)?.pin()?;
    }
    issuer.set_codes(&first)?;
    let mut card = issuer.into_card();
    select(&mut card, &Application::Piv.aid())?;
    accepted(&mut card, &change_pin(&first.pin()?, &own))?;
    let mut proofs = Vec::new();
    for (key, request) in requests {
        accepted(&mut card, &verify(&own))?;
        let answer = accepted(&mut card, &sign(key, Algorithm::P256, &request.digest()))?;
        let signature = Template::parse(&answer.data).ok().and_then(|template| template.response);
        let signed = request.signed(signature.unwrap_or_default()).map_err(Scp03Error::from)?;
        let request_bytes = signed.ok_or_else(|| nonsense("a signature does not verify with the key just made"))?;
        proofs.push(Proof { key, identifier: request.identifier().to_vec(), request: request_bytes });
    }
    Ok((card, proofs))
}

/// Writes objects, each into its application; no key works any more until there are new codes.
pub(crate) fn write<C: Card>(
    card: C,
    objects: &[(&Object, Vec<u8>)],
    access: Access<'_>,
    random: &mut dyn Random,
) -> Result<C, DialogueError> {
    let mut issuer = IssuerView::open(card, Application::Piv, access, random)?;
    issuer.set_codes(&TransportCodes::draw(random).map_err(Scp03Error::from)?)?;
    let of = |application| objects.iter().filter(move |(object, _)| object.application == application);
    for (object, content) in of(Application::Piv) {
        issuer.put(object, content)?;
    }
    let mut issuer = IssuerView::open(issuer.into_card(), Application::National, access, random)?;
    for (object, content) in of(Application::National) {
        issuer.put(object, content)?;
    }
    Ok(issuer.into_card())
}

/// The contents of objects as any computer reads them.
pub(crate) fn read(
    card: &mut dyn Card,
    application: Application,
    objects: &[&'static Object],
) -> Result<Vec<(&'static Object, Vec<u8>)>, DialogueError> {
    let mut card = Chained::new(card, Limits::SHORT);
    select(&mut card, &application.aid())?;
    let mut contents = Vec::new();
    for object in objects {
        let answer = accepted(&mut card, &object.get())?;
        let content = object.decode(&answer.data).map_err(|_| nonsense("an object is none"))?;
        contents.push((*object, content.to_vec()));
    }
    Ok(contents)
}

/// True when a key of the selected application works for nobody yet.
pub(crate) fn is_locked(card: &mut dyn Card, key: KeyReference) -> Result<bool, DialogueError> {
    let answer = card.transmit(&sign(key, Algorithm::P256, &[0; 32]))?;
    Ok(answer.status == Status::CONDITIONS_NOT_SATISFIED)
}
