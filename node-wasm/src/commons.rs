//! What belongs to the person rather than to the tab: identity, agreements, swarms, sites; one door for the page.
//! It asks nobody: whoever calls has the person's word.

use std::rc::Rc;

use crate::config::Storage;
use crate::consents::{ConsentInfo, Consents};
use crate::error::Error;
use crate::handle::Handle;
use crate::identity_card::IdentityCard;
use crate::keys::KeyPair;
use crate::sealed::Unlock;
use crate::sites::{Loader, SiteGave, SiteInfo, Sites};
use crate::swarms::{Attempt, PolicyInfo, SwarmCard, Swarms, encode};

/// The person's things.
pub(crate) struct Commons {
    card: Rc<IdentityCard>,
    consents: Consents,
    swarms: Rc<Swarms>,
    sites: Sites,
}

impl Commons {
    pub(crate) fn new(storage: Storage, origin: String) -> Commons {
        let card = Rc::new(IdentityCard::new(storage));
        Commons {
            consents: Consents::new(storage, Rc::clone(&card)),
            swarms: Rc::new(Swarms::new(storage, Rc::clone(&card))),
            sites: Sites::new(storage, origin),
            card,
        }
    }
}

impl Commons {
    /// This browser's key, if there is one.
    pub(crate) async fn find_key(&self) -> Result<Option<KeyPair>, Error> {
        self.card.find().await
    }

    /// The same, made if there is none.
    pub(crate) async fn need_key(&self) -> Result<KeyPair, Error> {
        self.card.need().await
    }

    pub(crate) fn kept_swarms(&self) -> &Swarms {
        &self.swarms
    }

    /// What the node is to know of: the identity and the swarms.
    pub(crate) fn roll(&self) -> (Rc<IdentityCard>, Rc<Swarms>) {
        (Rc::clone(&self.card), Rc::clone(&self.swarms))
    }
}

impl Handle {
    /// Who this browser is, if it has an identity yet. Makes none.
    pub async fn identity(&self) -> Result<Option<String>, Error> {
        let found = self.commons().card.find().await;
        self.show_identity();
        Ok(found?.map(|pair| pair.node_id().to_string()))
    }

    /// Makes an identity, unless there is one.
    pub async fn create_identity(&self) -> Result<String, Error> {
        let pair = self.commons().card.need().await?;
        self.identity_changed().await?;
        Ok(pair.node_id().to_string())
    }

    /// The identity as a file, sealed under a passphrase or by a passkey.
    pub async fn export_identity(&self, unlock: &Unlock) -> Result<String, Error> {
        let file = self.commons().card.export(unlock).await?;
        self.identity().await?;
        Ok(file)
    }

    /// Takes an identity in from such a file, and looks for its swarms in the DHT meanwhile. A broken file changes
    /// nothing.
    pub async fn import_identity(&self, file: &str, unlock: &Unlock) -> Result<(), Error> {
        self.commons().card.import(file, unlock).await?;
        self.identity_changed().await?;
        let roll = self.roll();
        wasm_bindgen_futures::spawn_local(async move {
            if let Err(error) = roll.recover().await {
                tracing::warn!(%error, "the swarms of the identity were not found again");
            }
        });
        Ok(())
    }

    /// Looks in the DHT for the swarms of this identity. Says how many there are.
    pub async fn recover_swarms(&self) -> Result<usize, Error> {
        self.roll().recover().await
    }

    /// Forgets the identity. The caller has asked the person twice.
    pub async fn reset_identity(&self) -> Result<(), Error> {
        self.commons().card.forget().await?;
        self.identity_changed().await
    }

    /// Agreements of this identity, oldest first, those taken back too.
    pub async fn consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        self.commons().consents.list().await
    }

    /// Writes down that the person agreed: the identity signs it, and is made for it where there is none.
    pub async fn agree(&self, purpose: u16, terms: u32) -> Result<(), Error> {
        self.commons().consents.agree(purpose, terms).await?;
        self.identity_changed().await
    }

    /// Takes an agreement back.
    pub async fn withdraw(&self, purpose: u16) -> Result<(), Error> {
        self.commons().consents.withdraw(purpose).await
    }

    /// The swarms that this browser follows.
    pub async fn swarms(&self) -> Result<Vec<SwarmCard>, Error> {
        self.commons().swarms.list().await
    }

    /// Founds a swarm; the identity is made for it where there is none.
    pub async fn create_swarm(&self, name: &str) -> Result<SwarmCard, Error> {
        let card = self.commons().swarms.create(name).await?;
        self.identity_changed().await?;
        self.roll().changed(&card.id).await;
        Ok(card)
    }

    /// Tries to change a swarm's registry.
    pub async fn attempt(&self, swarm: &str, attempt: Attempt) -> Result<SwarmCard, Error> {
        let card = self.commons().swarms.attempt(swarm, attempt).await?;
        self.roll().changed(swarm).await;
        Ok(card)
    }

    /// Changes the terms of work in a swarm on this device, for what is lent to it already too.
    pub async fn set_policy(&self, swarm: &str, policy: &PolicyInfo) -> Result<SwarmCard, Error> {
        let card = self.commons().swarms.set_policy(swarm, policy).await?;
        self.roll().terms_changed(swarm).await;
        Ok(card)
    }

    /// A secret that gives a role to whoever takes it up first.
    pub async fn invite_to_swarm(&self, swarm: &str, role: &str) -> Result<String, Error> {
        let token = self.commons().swarms.invite(swarm, role).await?;
        self.roll().changed(swarm).await;
        Ok(token)
    }

    /// A swarm's registry as text.
    pub async fn share_swarm(&self, swarm: &str) -> Result<String, Error> {
        self.commons().swarms.share(swarm).await
    }

    /// Takes an invite or a shared registry in.
    pub async fn join_swarm(&self, token: &str) -> Result<SwarmCard, Error> {
        let card = self.commons().swarms.join(token).await?;
        self.identity_changed().await?;
        self.roll().changed(&card.id).await;
        Ok(card)
    }

    /// Forgets a swarm on this device.
    pub async fn leave_swarm(&self, swarm: &str) -> Result<(), Error> {
        self.commons().swarms.leave(swarm).await?;
        self.roll().changed(swarm).await;
        Ok(())
    }

    /// The person's sites.
    pub async fn sites(&self) -> Result<Vec<SiteInfo>, Error> {
        self.commons().sites.list().await
    }

    /// Makes a site's key and publishes its pages.
    pub async fn create_site(&self, origins: Vec<String>) -> Result<SiteInfo, Error> {
        self.commons().sites.create(origins).await
    }

    /// Publishes other pages for a site.
    pub async fn set_site_origins(&self, key: &str, origins: Vec<String>) -> Result<SiteInfo, Error> {
        self.commons().sites.set_origins(key, origins).await
    }

    /// What a site's visitors gave, as the relay counted and signed it.
    pub async fn site_counts(&self, key: &str) -> Result<SiteGave, Error> {
        self.commons().sites.counts(key).await
    }

    /// The loader to name in a page, with its hash.
    pub async fn site_loader(&self) -> Result<Loader, Error> {
        self.commons().sites.loader().await
    }

    /// Takes a site back and forgets its key.
    pub async fn forget_site(&self, key: &str) -> Result<(), Error> {
        self.commons().sites.forget(key).await
    }

    pub(crate) async fn identity_changed(&self) -> Result<(), Error> {
        self.identity().await?;
        self.roll().identity_changed().await;
        Ok(())
    }

    fn show_identity(&self) {
        let card = &self.commons().card;
        let public = card.public();
        let backup = card.backup();
        self.change_snapshot(|snapshot| {
            snapshot.node_id = public.map(|key| key.node_id().to_string());
            snapshot.public_key = public.map(|key| format!("p_{}", encode(&key.to_bytes())));
            snapshot.backup = backup;
        });
    }
}
