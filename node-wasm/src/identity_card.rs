//! Who this browser is: one key pair, made when it is first needed, backed up, taken in, forgotten.
//! Nothing is made before somebody agreed to something or pressed the button.

use std::cell::{Cell, RefCell};

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;

use crate::config::Storage;
use crate::error::Error;
use crate::kept::{Drawer, Place};
use crate::keys::KeyPair;
use crate::sealed::{self, Unlock};
use crate::snapshot::Backup;

const PLACE: Place = Place {
    database: "manyhands-keys",
    store: "keys",
};
/// The one identity of this browser.
const IDENTITY: &str = "identity";
/// Its backup, sealed, as it was exported or imported.
const SEALED: &str = "sealed";

/// The identity and its backup.
pub(crate) struct IdentityCard {
    drawer: Drawer,
    pair: RefCell<Option<KeyPair>>,
    /// The private half of a key that this page made, until it is sealed or the page is closed.
    copy: RefCell<Option<Uint8Array>>,
    /// The backup that was made, as it stands for the page.
    made: Cell<Option<Backup>>,
}

impl IdentityCard {
    pub(crate) fn new(storage: Storage) -> IdentityCard {
        IdentityCard {
            drawer: Drawer::new(PLACE, storage),
            pair: RefCell::default(),
            copy: RefCell::default(),
            made: Cell::default(),
        }
    }

    /// The identity, if this browser has one. Makes none.
    pub(crate) async fn find(&self) -> Result<Option<KeyPair>, Error> {
        if let Some(pair) = self.pair.borrow().clone() {
            return Ok(Some(pair));
        }
        let Some(stored) = self.drawer.get(IDENTITY).await? else {
            return Ok(None);
        };
        let pair = KeyPair::from_stored(&stored)
            .await
            .map_err(|error| Error::because("aborted", "key_damaged", error.message))?;
        let sealed = self.drawer.get(SEALED).await?.and_then(|kept| kept.as_string());
        self.made.set(sealed.as_deref().map(made));
        *self.pair.borrow_mut() = Some(pair.clone());
        Ok(Some(pair))
    }

    /// The same, where to look must leave nothing behind.
    pub(crate) async fn find_quietly(&self) -> Result<Option<KeyPair>, Error> {
        if self.pair.borrow().is_none() && !self.drawer.is_made().await {
            return Ok(None);
        }
        self.find().await
    }

    /// Another tab of this browser made, took in or forgot the identity.
    pub(crate) async fn look_again(&self) -> Result<Option<KeyPair>, Error> {
        *self.pair.borrow_mut() = None;
        self.find().await
    }

    /// The identity, made if there is none.
    pub(crate) async fn need(&self) -> Result<KeyPair, Error> {
        if let Some(pair) = self.find().await? {
            return Ok(pair);
        }
        let (pair, copy) = KeyPair::with_copy().await?;
        if self.drawer.add(IDENTITY, &pair.to_stored()?).await? {
            *self.copy.borrow_mut() = Some(copy);
            *self.pair.borrow_mut() = Some(pair.clone());
            return Ok(pair);
        }
        // Another tab of this browser was faster: there is one identity, and it is that one.
        self.find()
            .await?
            .ok_or_else(|| Error::new("storage_full", "the browser did not keep the new key"))
    }

    /// The public key, as far as this page has looked for it.
    pub(crate) fn public(&self) -> Option<identity::PublicKey> {
        self.pair.borrow().as_ref().map(KeyPair::public)
    }

    /// Whether a backup can be made, or was.
    pub(crate) fn backup(&self) -> Backup {
        if self.pair.borrow().is_none() {
            Backup::None
        } else if let Some(made) = self.made.get() {
            made
        } else if self.copy.borrow().is_some() {
            Backup::Possible
        } else {
            Backup::Impossible
        }
    }

    /// The backup, sealed as `unlock` says. Once made, it is the same file that opens in the same way.
    pub(crate) async fn export(&self, unlock: &Unlock) -> Result<String, Error> {
        let pair = self
            .find()
            .await?
            .ok_or_else(|| Error::new("bad_request", "there is no key to export"))?;
        if let Some(kept) = self.drawer.get(SEALED).await?.and_then(|kept| kept.as_string()) {
            // Whoever exports it should know now, not when it is needed, that they can open it.
            sealed::open(&kept, unlock).await?;
            return Ok(kept);
        }
        let copy = self.copy.borrow().clone();
        let copy = copy.ok_or_else(|| {
            Error::new(
                "not_allowed",
                "this key was made on an earlier visit without a backup, and the browser does not give it out any more",
            )
        })?;
        let file = sealed::seal(&pair, &copy, unlock).await?;
        self.drawer.put(SEALED, &JsValue::from_str(&file)).await?;
        self.made.set(Some(made(&file)));
        forget(&self.copy);
        Ok(file)
    }

    /// Takes an identity in from a backup. Refused while there is one: it would be lost.
    pub(crate) async fn import(&self, file: &str, unlock: &Unlock) -> Result<(), Error> {
        let taken = "this browser has a key already: export it if you need it, and forget it first";
        if self.find().await?.is_some() {
            return Err(Error::new("not_allowed", taken));
        }
        let pair = sealed::open(file, unlock).await?;
        if !self.drawer.add(IDENTITY, &pair.to_stored()?).await? {
            return Err(Error::new("not_allowed", taken));
        }
        if let Err(error) = self.drawer.put(SEALED, &JsValue::from_str(file)).await {
            // Both or neither.
            self.drawer.remove(IDENTITY).await?;
            return Err(error);
        }
        self.made.set(Some(made(file)));
        *self.pair.borrow_mut() = Some(pair);
        Ok(())
    }

    /// Forgets the identity. The caller has asked the person twice.
    pub(crate) async fn forget(&self) -> Result<(), Error> {
        self.drawer.remove(IDENTITY).await?;
        self.drawer.remove(SEALED).await?;
        *self.pair.borrow_mut() = None;
        self.made.set(None);
        forget(&self.copy);
        Ok(())
    }
}

fn made(file: &str) -> Backup {
    if sealed::opens_with_passkey(file) {
        Backup::MadeWithPasskey
    } else {
        Backup::Made
    }
}

/// Overwrites the bytes before the engine collects them.
fn forget(copy: &RefCell<Option<Uint8Array>>) {
    if let Some(copy) = copy.borrow_mut().take() {
        copy.fill(0, 0, copy.length());
    }
}
