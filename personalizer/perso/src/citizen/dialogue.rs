//! The dialogue with the citizen application: as its issuer inside the secure channel, and as any computer outside it.

use channel::random::Random;
use channel::scp03::{self, Channel, InitializeUpdateInfo, KeySet, Options, Scp03Error};
use eid::Application;
use eid::authentication::{Template, agree, sign};
use eid::keys::{Algorithm, KeyReference, Purpose, generate};
use eid::objects::{Access as Reading, Object};
use eid::pin::{PinError, change_pin, set_puk, set_transport_pin, verify};
use iso7816::{Aid, Card, Chained, Command, Limits, MAX_NE, Status};

use super::request::CardKey;
use super::{KeyProof, TransportCodes};
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

/// A key that was made on the card, and how it was proved.
pub(crate) struct Proof {
    pub(crate) key: KeyReference,
    pub(crate) identifier: Vec<u8>,
    pub(crate) proof: KeyProof,
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

    /// Makes a key pair.
    fn generate(&mut self, key: KeyReference, algorithm: Algorithm) -> Result<CardKey, DialogueError> {
        // Inside the channel long answers come in one piece.
        let command = generate(key, algorithm);
        let command = if algorithm.is_rsa() { command.with_ne(MAX_NE) } else { command };
        let answer = accepted(&mut self.card, &command)?;
        public_key(algorithm, &answer.data)
    }

    /// What the application says to a command in the channel.
    pub(crate) fn transmit(&mut self, command: &Command) -> Result<Status, DialogueError> {
        Ok(self.card.transmit(command)?.status)
    }

    /// Writes an object. One that nobody but the holder reads is read again here; the others are read as any computer does.
    pub(crate) fn put(&mut self, object: &Object, content: &[u8]) -> Result<(), DialogueError> {
        accepted(&mut self.card, &object.put(content))?;
        if object.read == Reading::Free {
            return Ok(());
        }
        let answer = accepted(&mut self.card, &object.get().with_ne(MAX_NE))?;
        if object.decode(&answer.data) == Ok(content) {
            Ok(())
        } else {
            Err(nonsense("an object is not as it was written"))
        }
    }

    pub(crate) fn set_codes(&mut self, codes: &TransportCodes) -> Result<(), DialogueError> {
        accepted(&mut self.card, &set_puk(&codes.puk()?))?;
        accepted(&mut self.card, &set_transport_pin(&codes.pin()?)).map(drop)
    }
}

/// Makes key pairs, and has each prove itself under a PIN that is then forgotten.
pub(crate) fn make_keys<C: Card>(
    card: C,
    keys: &[(KeyReference, Algorithm)],
    access: Access<'_>,
    random: &mut dyn Random,
) -> Result<(C, Vec<Proof>), DialogueError> {
    let mut issuer = IssuerView::open(card, Application::Piv, access, random)?;
    let mut made = Vec::new();
    for (key, algorithm) in keys {
        made.push((*key, issuer.generate(*key, *algorithm)?));
    }
    let first = TransportCodes::draw(random).map_err(Scp03Error::from)?;
    let mut own = first.pin()?;
    while own == first.pin()? {
        own = TransportCodes::draw(random).map_err(Scp03Error::from)?.pin()?;
    }
    issuer.set_codes(&first)?;
    let mut card = Chained::new(issuer.into_card(), Limits::SHORT);
    select(&mut card, &Application::Piv.aid())?;
    accepted(&mut card, &change_pin(&first.pin()?, &own))?;
    let mut proofs = Vec::new();
    for (key, public) in made {
        accepted(&mut card, &verify(&own))?;
        let proof = prove(&mut card, key, &public)?;
        proofs.push(Proof { key, identifier: public.identifier().to_vec(), proof });
    }
    Ok((card.into_inner(), proofs))
}

/// A key as GENERATE answers it.
pub(crate) fn public_key(algorithm: Algorithm, answer: &[u8]) -> Result<CardKey, DialogueError> {
    let public = CardKey::parse(algorithm, answer).map_err(Scp03Error::from)?;
    public.ok_or_else(|| nonsense("the public key is none of its algorithm"))
}

/// Has the card use a key that it made: to sign a request, or, where the key only agrees, to agree with a key of ours.
pub(crate) fn prove(card: &mut dyn Card, key: KeyReference, public: &CardKey) -> Result<KeyProof, DialogueError> {
    let algorithm = public.key().algorithm();
    let mut ask = |command: &Command| -> Result<Vec<u8>, DialogueError> {
        let answer = accepted(card, command)?;
        let response = Template::parse(&answer.data).ok().and_then(|template| template.response.map(<[u8]>::to_vec));
        Ok(response.unwrap_or_default())
    };
    if key.purpose() == Purpose::Agree && !algorithm.is_rsa() {
        let agreement = public.key().agreement().map_err(Scp03Error::from)?;
        let answer = ask(&agree(key, algorithm, agreement.point()))?;
        return match agreement.proves(public.key(), &answer).map_err(Scp03Error::from)? {
            true => Ok(KeyProof::Agreed(public.spki().to_vec())),
            false => Err(nonsense("it came to another secret than the key just made does")),
        };
    }
    let request = public.request();
    let signature = ask(&sign(key, algorithm, &request.input(public)))?;
    let signed = request.signed(public, &signature).map_err(Scp03Error::from)?;
    signed.map(KeyProof::Request).ok_or_else(|| nonsense("a signature does not verify with the key just made"))
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
    // Cards of others have no national file set, and no object in it.
    if of(Application::National).next().is_some() {
        issuer = IssuerView::open(issuer.into_card(), Application::National, access, random)?;
    }
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

/// What a key of the selected application says to whoever has no PIN.
pub(crate) fn without_pin(
    card: &mut dyn Card,
    key: KeyReference,
    algorithm: Algorithm,
) -> Result<Status, DialogueError> {
    Ok(card.transmit(&sign(key, algorithm, &[0; 32]))?.status)
}
