//! What the person of this browser agreed to: each agreement signed by their key, kept, listed, taken back.
//! It asks nobody: the screen does, before it comes here.

use std::rc::Rc;
use std::time::Duration;

use futures::lock::Mutex;
use identity::{Signed, Timestamp};
use js_sys::Uint8Array;
use registry::{Consent, Purpose};

use crate::config::Storage;
use crate::error::Error;
use crate::identity_card::IdentityCard;
use crate::kept::{Drawer, Place};

const PLACE: Place = Place {
    database: "manyhands-consents",
    store: "consents",
};
/// Agreements that are listed; older ones are dropped first. Each is signed anew at most every few seconds by a person.
const MAX_CONSENTS: usize = 64;

/// One agreement, as the screen shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentInfo {
    /// 0: lending, 1: strangers' devices.
    pub purpose: u16,
    pub terms: u32,
    pub agreed_ms: f64,
    pub expires_ms: f64,
    pub withdrawn_ms: Option<f64>,
    /// Who signed it.
    pub signer: String,
}

pub(crate) struct Consents {
    drawer: Drawer,
    card: Rc<IdentityCard>,
    /// An agreement that is taken back while it is being signed must not outlive that.
    turn: Mutex<()>,
}

impl Consents {
    pub(crate) fn new(storage: Storage, card: Rc<IdentityCard>) -> Consents {
        Consents {
            drawer: Drawer::new(PLACE, storage),
            card,
            turn: Mutex::new(()),
        }
    }

    /// Every agreement of this identity whose signature holds, oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<ConsentInfo>, Error> {
        let Some(pair) = self.card.find().await? else {
            return Ok(Vec::new());
        };
        let signer = pair.node_id();
        let mut listed: Vec<ConsentInfo> = self
            .drawer
            .all()
            .await?
            .into_iter()
            .filter_map(|bytes| {
                // Whatever was changed in storage is no agreement of ours.
                let signed = Signed::<Consent>::from_bytes(&Uint8Array::new(&bytes).to_vec()).ok()?;
                let verified = signed.verify().ok()?;
                (verified.signer_id() == signer).then(|| info(*verified, &signer.to_string()))
            })
            .collect();
        listed.sort_by(|a, b| a.agreed_ms.total_cmp(&b.agreed_ms));
        Ok(listed)
    }

    /// Writes an agreement down. The identity is made now, if there is none: this is the first thing it says.
    pub(crate) async fn agree(&self, purpose: u16, terms: u32) -> Result<(), Error> {
        self.agreed(Consent::new(Purpose(purpose), terms, now())).await
    }

    async fn agreed(&self, consent: Consent) -> Result<(), Error> {
        let _in_turn = self.turn.lock().await;
        self.keep(consent).await?;
        let listed = self.list().await?;
        for old in listed.iter().take(listed.len().saturating_sub(MAX_CONSENTS)) {
            self.drawer
                .remove(&name(old.purpose, old.agreed_ms as u64))
                .await?;
        }
        Ok(())
    }

    /// Takes back every agreement to `purpose`.
    pub(crate) async fn withdraw(&self, purpose: u16) -> Result<(), Error> {
        let _in_turn = self.turn.lock().await;
        for given in self.list().await? {
            if given.purpose == purpose && given.withdrawn_ms.is_none() {
                let consent = Consent {
                    purpose: Purpose(given.purpose),
                    terms: given.terms,
                    agreed_at: Timestamp::from_ms(given.agreed_ms as u64),
                    expires_at: Timestamp::from_ms(given.expires_ms as u64),
                    withdrawn_at: None,
                };
                self.keep(consent.withdrawn(now())).await?;
            }
        }
        Ok(())
    }

    async fn keep(&self, consent: Consent) -> Result<(), Error> {
        let pair = self.card.need().await?;
        let signed = pair.sign(&consent).await?;
        let bytes = Uint8Array::from(signed.to_bytes().as_slice());
        let name = name(consent.purpose.0, consent.agreed_at.as_ms());
        self.drawer.put(&name, &bytes).await
    }
}

/// Signs and keeps an agreement that the person gave on a page of ours where no node is kept: it says so for at most
/// `lasting`. Where the browser keeps nothing there is no receipt, and the error says that.
pub async fn keep_receipt(purpose: u16, terms: u32, lasting: Duration) -> Result<(), Error> {
    let card = Rc::new(IdentityCard::new(Storage::Persistent));
    let consents = Consents::new(Storage::Persistent, card);
    let consent = Consent::new(Purpose(purpose), terms, now());
    consents
        .agreed(Consent {
            expires_at: consent.expires_at.min(consent.agreed_at.plus(lasting)),
            ..consent
        })
        .await
}

fn name(purpose: u16, agreed_ms: u64) -> String {
    format!("{agreed_ms:016}-{purpose}")
}

fn info(consent: Consent, signer: &str) -> ConsentInfo {
    let ms = |at: Timestamp| at.as_ms() as f64;
    ConsentInfo {
        purpose: consent.purpose.0,
        terms: consent.terms,
        agreed_ms: ms(consent.agreed_at),
        expires_ms: ms(consent.expires_at),
        withdrawn_ms: consent.withdrawn_at.map(ms),
        signer: signer.to_owned(),
    }
}

/// By this device's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_ms(js_sys::Date::now().max(0.0) as u64)
}
