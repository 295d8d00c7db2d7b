//! The relay's links: one makes its opener the owner of the relay's swarm, one gives a role or shows the way.
//! The relay checks secrets and signs; what it hands over is checked here before anything is kept.

use identity::{MAX_PUBLISHER, NodeId, PublicKey, PublisherDelegation, Validity};
use registry::Joining;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::consents::now;
use crate::error::Error;
use crate::handle::Handle;
use crate::relay_desk::{get, post};
use crate::snapshot::SwarmInfo;
use crate::swarms::{Attempt, SwarmCard, decode, encode};

const CLAIM: &str = "/api/v1/claim";
const INVITE: &str = "/api/v1/invite";
/// Somebody else may sign at the same moment: the register decides, and whoever lost signs again.
const TRIES: usize = 4;

/// A claim link that can be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimOffer {
    pub swarm: SwarmInfo,
    /// This browser's key owns the swarm already.
    pub is_mine: bool,
}

/// What an invite holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct InviteInfo {
    pub swarm: SwarmInfo,
    /// The role that it gives; nothing: it only shows the way.
    pub role: Option<String>,
    /// Seconds since 1970.
    pub expires: f64,
    /// The register in which the role is to stand.
    #[serde(default)]
    register: Option<String>,
    #[serde(default)]
    grant: Option<String>,
}

#[derive(Deserialize)]
struct Claimable {
    swarm: SwarmInfo,
    publisher: String,
    owner: Option<String>,
    /// SHA-256 of the secret that is good.
    #[serde(default)]
    claim: Option<String>,
    #[serde(default)]
    register: Option<String>,
}

/// What the relay's register says now.
#[derive(Deserialize)]
struct Registered {
    #[serde(default)]
    register: Option<String>,
}

#[derive(Deserialize)]
struct Minted {
    secret: String,
}

impl Handle {
    /// Whether a claim link's secret is good. Makes no key, changes nothing, and tells the secret to nobody.
    pub async fn claim_offer(&self, secret: &str) -> Result<ClaimOffer, Error> {
        let (at, is_mine) = self.claimable().await?;
        let hash: [u8; 32] = Sha256::digest(decode(secret).unwrap_or_default()).into();
        // A relay that names no hash says so itself when it is asked.
        if !is_mine
            && at
                .claim
                .and_then(|good| unhex(&good))
                .is_some_and(|good| good != hash)
        {
            let message = "this is not the secret of the claim link";
            return Err(Error::because("not_allowed", "claim_secret", message.to_owned()));
        }
        Ok(ClaimOffer {
            swarm: at.swarm,
            is_mine,
        })
    }

    /// Makes this browser's key the owner of the relay's swarm. The person has agreed; a key is made where there is
    /// none. Again by the same key it fetches what the first time brought.
    pub async fn claim(&self, secret: &str) -> Result<Option<SwarmCard>, Error> {
        let (at, is_mine) = self.claimable().await?;
        let pair = self.commons().need_key().await?;
        let mut register = at.register;
        if !is_mine {
            let publisher = unhex(&at.publisher)
                .and_then(|bytes| PublicKey::from_bytes(&bytes).ok())
                .ok_or_else(|| Error::relay("the relay names no key to delegate to"))?;
            let delegation = PublisherDelegation {
                publisher,
                validity: Validity::starting(now(), MAX_PUBLISHER),
            };
            let signed = pair.sign(&delegation).await?;
            let body = json!({ "secret": secret, "delegation": encode(&signed.to_bytes()) });
            let answer: Registered = post(self.relay_origin(), CLAIM, &body).await?;
            register = answer.register;
        }
        self.identity_changed().await?;
        match register {
            Some(register) => self.settle(register, None, pair.node_id()).await.map(Some),
            // A relay that keeps no register.
            None => Ok(None),
        }
    }

    /// The secret of an invite that gives no role, for a link to this relay.
    pub async fn open_invite(&self) -> Result<String, Error> {
        let minted: Minted = post(self.relay_origin(), "/api/v1/invite/mint", &json!({})).await?;
        match decode(&minted.secret) {
            Some(secret) if secret.len() == 16 => Ok(minted.secret),
            _ => Err(Error::relay("the relay makes invites of another kind")),
        }
    }

    /// What an invite holds. Keeps nothing.
    pub async fn read_invite(&self, secret: &str) -> Result<InviteInfo, Error> {
        post(self.relay_origin(), INVITE, &json!({ "secret": secret })).await
    }

    /// Takes the role that an invite promises. The person has agreed; a key is made where there is none.
    pub async fn take_invite(&self, secret: &str) -> Result<SwarmCard, Error> {
        let unsound = || Error::because("bad_request", "unsound", "the relay grants no role".to_owned());
        let invite = self.read_invite(secret).await?;
        let register = invite.register.ok_or_else(unsound)?;
        let swarm = register.parse().map_err(|_| unsound())?;
        let pair = self.commons().need_key().await?;
        let joining = Joining::new(swarm, &decode(secret).unwrap_or_default());
        let signed = pair.sign(&joining).await?;
        let body = json!({ "secret": secret, "joining": encode(&signed.to_bytes()) });
        let answer: InviteInfo = post(self.relay_origin(), INVITE, &body).await?;
        self.identity_changed().await?;
        let grant = answer.grant.ok_or_else(unsound)?;
        self.settle(grant, Some(&register), pair.node_id()).await
    }

    async fn claimable(&self) -> Result<(Claimable, bool), Error> {
        let at: Claimable = get(self.relay_origin(), CLAIM).await?;
        let me = self
            .commons()
            .find_key()
            .await?
            .map(|pair| pair.node_id().to_string());
        match &at.owner {
            Some(owner) if Some(owner) != me.as_ref() => {
                let message = format!("the owner is {owner}");
                Err(Error::because("not_allowed", "claimed", message))
            }
            owner => {
                let is_mine = owner.is_some();
                Ok((at, is_mine))
            }
        }
    }

    /// Keeps the relay's register, accepts in it what was offered to this key, and tells the relay.
    async fn settle(
        &self,
        mut register: String,
        swarm: Option<&str>,
        me: NodeId,
    ) -> Result<SwarmCard, Error> {
        let swarms = self.commons().kept_swarms();
        let mut card = SwarmCard::default();
        for _ in 0..TRIES {
            swarms.check(&register, swarm, me)?;
            card = self.join_swarm(&register).await?;
            if card.offered.is_some() {
                card = self.attempt(&card.id, Attempt::Accept).await?;
            }
            // Whoever owns the swarm needs the founder no more, whose key the relay has forgotten.
            if card.role == Some("owner")
                && let Some(member) = swarms.founder(&card.id).await?
                && card.members.iter().any(|other| !other.me && other.id == member)
            {
                card = self.attempt(&card.id, Attempt::Kick { member }).await?;
            }
            let Some(news) = swarms.beyond(&card.id, &register).await? else {
                return Ok(card);
            };
            let body = json!({ "register": news });
            match post::<Registered>(self.relay_origin(), "/api/v1/register", &body).await {
                Ok(Registered { register: Some(now) }) => register = now,
                // It stands here, and members hear of it from each other.
                _ => return Ok(card),
            }
        }
        Ok(card)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(byte).collect()
}
