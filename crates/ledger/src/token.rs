//! Ed25519 keys on a PKCS#11 token: a security module, a smart card, or SoftHSM.
//!
//! The private half is made on the token and never leaves it. What lies in the home is a description of three
//! lines, `module`, `token` and `object`, beside where a key file would lie; the passphrase is the user PIN.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use cascade_receipt::digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

use crate::fault::{At as _, OpenError};
use crate::keys::Passphrase;
use crate::reader::lock;
use crate::{files, random};

/// The curve's name as tokens know it: the PrintableString `edwards25519`, DER.
const EDWARDS25519: &[u8] = b"\x13\x0cedwards25519";

/// Which token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenPlace {
    /// The PKCS#11 module, a shared library.
    pub module: PathBuf,
    /// Label of the token.
    pub label: String,
}

/// A key on a token, with a session that may use it.
pub(crate) struct TokenKey {
    session: Mutex<Session>,
    private: ObjectHandle,
    /// `CKA_ID` of both halves.
    object: Vec<u8>,
    place: TokenPlace,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("place", &self.place).finish_non_exhaustive()
    }
}

impl TokenKey {
    /// Makes a key on the token. Gives also its public half.
    pub(crate) fn generate(place: &TokenPlace, pin: &Passphrase) -> Result<(Self, [u8; 32]), OpenError> {
        let object = random::bytes::<16>()?.to_vec();
        let session = place.login(pin)?;
        let named =
            [Attribute::Token(true), Attribute::Id(object.clone()), Attribute::Label(b"cascade".to_vec())];
        let public =
            [named.as_slice(), &[Attribute::EcParams(EDWARDS25519.to_vec()), Attribute::Verify(true)]];
        let private = [
            named.as_slice(),
            &[Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)],
            &[Attribute::Sign(true)],
        ];
        session
            .generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public.concat(), &private.concat())
            .map_err(|error| place.fault(&error))?;
        Self::find(place.clone(), session, object)
    }

    /// Opens the key that a description names.
    pub(crate) fn load(path: &Path, pin: Option<&Passphrase>) -> Result<(Self, [u8; 32]), OpenError> {
        let text = std::fs::read_to_string(path).at(path)?;
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let mismatch = || OpenError::KeyMismatch(path.to_owned());
        let place = TokenPlace {
            module: line("module").ok_or_else(mismatch)?.into(),
            label: line("token").ok_or_else(mismatch)?.to_owned(),
        };
        let object: [u8; 16] = line("object").and_then(digest::from_hex).ok_or_else(mismatch)?;
        let session = place.login(pin.ok_or(OpenError::PassphraseNeeded)?)?;
        Self::find(place, session, object.to_vec())
    }

    fn find(place: TokenPlace, session: Session, object: Vec<u8>) -> Result<(Self, [u8; 32]), OpenError> {
        let missing = || place.refused("the key is not on the token");
        let one = |class: ObjectClass| {
            let template = [
                Attribute::Class(class),
                Attribute::KeyType(KeyType::EC_EDWARDS),
                Attribute::Id(object.clone()),
            ];
            let found = session.find_objects(&template).map_err(|error| place.fault(&error))?;
            found.first().copied().ok_or_else(missing)
        };
        let (public, private) = (one(ObjectClass::PUBLIC_KEY)?, one(ObjectClass::PRIVATE_KEY)?);
        let point = session
            .get_attributes(public, &[AttributeType::EcPoint])
            .map_err(|error| place.fault(&error))?
            .into_iter()
            .find_map(|attribute| if let Attribute::EcPoint(point) = attribute { Some(point) } else { None });
        let raw = point.as_deref().and_then(raw_point).ok_or_else(missing)?;
        Ok((Self { session: Mutex::new(session), private, object, place }, raw))
    }

    /// Writes the description that [`TokenKey::load`] reads.
    pub(crate) fn write_new(&self, path: &Path) -> Result<(), OpenError> {
        let text = format!(
            "module {}\ntoken {}\nobject {}\n",
            self.place.module.display(),
            self.place.label,
            digest::to_hex(&self.object)
        );
        Ok(files::write_new(path, text.as_bytes())?)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        lock(&self.session).sign(&mechanism, self.private, message).ok()?.try_into().ok()
    }
}

/// `CKA_EC_POINT` is the 32 bytes within an OCTET STRING, or bare on some tokens.
fn raw_point(point: &[u8]) -> Option<[u8; 32]> {
    point.strip_prefix(&[0x04, 0x20]).unwrap_or(point).try_into().ok()
}

impl TokenPlace {
    fn login(&self, pin: &Passphrase) -> Result<Session, OpenError> {
        if self.label.contains('\n') || self.module.to_str().is_none_or(|path| path.contains('\n')) {
            return Err(self.refused("names with line feeds are not supported"));
        }
        let module = module(&self.module).map_err(|error| self.fault(&error))?;
        let slots = module.get_slots_with_token().map_err(|error| self.fault(&error))?;
        let labelled = |slot: &cryptoki::slot::Slot| {
            module.get_token_info(*slot).is_ok_and(|info| info.label() == self.label)
        };
        let slot = slots.into_iter().find(labelled).ok_or_else(|| self.refused("there is no such token"))?;
        // A key is made in the same session, so it may write.
        let session = module.open_rw_session(slot).map_err(|error| self.fault(&error))?;
        let pin = String::from_utf8(pin.bytes().to_vec()).map_err(|_| OpenError::WrongPassphrase)?;
        match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
            // A login counts for the whole program.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
                Err(OpenError::WrongPassphrase)
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn fault(&self, error: &Error) -> OpenError {
        self.refused(&error.to_string())
    }

    fn refused(&self, detail: &str) -> OpenError {
        OpenError::Token { token: self.label.clone(), detail: detail.to_owned() }
    }
}

/// A module may be initialised once in a program, whoever asks.
fn module(path: &Path) -> Result<Pkcs11, Error> {
    static MODULES: OnceLock<Mutex<BTreeMap<PathBuf, Pkcs11>>> = OnceLock::new();
    let mut modules = lock(MODULES.get_or_init(Mutex::default));
    if let Some(known) = modules.get(path) {
        return Ok(known.clone());
    }
    let module = Pkcs11::new(path)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}
