//! The relay's links: one makes its opener the owner of the relay's swarm, one gives a role or shows the way.
//! The relay checks secrets and signs; what it hands over is checked here before anything is kept.

use identity::{MAX_PUBLISHER, NodeId, PublicKey, PublisherDelegation, Validity};
use registry::Joining;
use sha2::{Digest as _, Sha256};
use wasm_bindgen::JsValue;

use crate::consents::now;
use crate::error::Error;
use crate::handle::Handle;
use crate::relay_desk::{get, need, part, post, text};
use crate::snapshot::SwarmInfo;
use crate::swarms::{Attempt, SwarmCard, decode, encode};

const CLAIM: &str = "/api/v1/claim";
const INVITE: &str = "/api/v1/invite";
/// Somebody else may sign at the same moment: the register decides, and whoever lost signs again.
const TRIES: usize = 4;

/// What a link opens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkInfo {
    pub swarm: SwarmInfo,
    /// The role that it gives, in lower case; nothing: it only shows the way.
    pub role: Option<String>,
    /// When an invite ends.
    pub until_ms: f64,
    /// This browser's key owns the swarm already.
    pub is_mine: bool,
}

impl Handle {
    /// What a link opens: a claim's, or an invite's. Makes no key and keeps nothing; a claim's secret is told to nobody.
    pub async fn read_link(&self, is_claim: bool, secret: &str) -> Result<LinkInfo, Error> {
        let (answer, is_mine) = if is_claim {
            self.claimable(secret).await?
        } else {
            (self.asked(secret).await?, false)
        };
        let swarm = part(&answer, "swarm");
        Ok(LinkInfo {
            swarm: SwarmInfo {
                id: need(&swarm, "id")?,
                name: need(&swarm, "name")?,
            },
            role: text(&answer, "role").map(|role| role.to_lowercase()),
            until_ms: part(&answer, "expires").as_f64().unwrap_or_default() * 1000.0,
            is_mine,
        })
    }

    /// Takes what a link gives. The person has agreed; a key is made where there is none. Again by the same key it
    /// fetches what the first time brought.
    pub async fn take_link(&self, is_claim: bool, secret: &str) -> Result<SwarmCard, Error> {
        let unsound = || Error::because("bad_request", "unsound", "the relay grants no role".to_owned());
        let (asked, is_mine) = if is_claim {
            self.claimable(secret).await?
        } else {
            (self.asked(secret).await?, false)
        };
        let pair = self.commons().need_key().await?;
        let secret = checked(secret)?;
        let (path, signed) = if is_claim {
            let publisher = unhex(&need(&asked, "publisher")?)
                .and_then(|bytes| PublicKey::from_bytes(&bytes).ok())
                .ok_or_else(|| Error::relay("the relay names no key to delegate to"))?;
            let delegation = PublisherDelegation {
                publisher,
                validity: Validity::starting(now(), MAX_PUBLISHER),
            };
            (CLAIM, ("delegation", pair.sign(&delegation).await?.to_bytes()))
        } else {
            let swarm = need(&asked, "register")?.parse().map_err(|_| unsound())?;
            let joining = Joining::new(swarm, &decode(&secret).unwrap_or_default());
            (INVITE, ("joining", pair.sign(&joining).await?.to_bytes()))
        };
        let answer = if is_mine {
            asked.clone()
        } else {
            let body = [("secret", secret.as_str()), (signed.0, &encode(&signed.1))];
            post(self.relay_origin(), path, &body).await?
        };
        self.identity_changed().await?;
        if is_claim {
            return match text(&answer, "register") {
                Some(register) => self.settle(register, None, pair.node_id()).await,
                // A relay that keeps no register.
                None => Ok(SwarmCard::default()),
            };
        }
        let grant = text(&answer, "grant").ok_or_else(unsound)?;
        self.settle(grant, text(&asked, "register"), pair.node_id()).await
    }

    /// The secret of an invite that gives no role, for a link to this relay.
    pub async fn open_invite(&self) -> Result<String, Error> {
        let minted = post(self.relay_origin(), "/api/v1/invite/mint", &[]).await?;
        checked(&need(&minted, "secret")?)
    }

    async fn asked(&self, secret: &str) -> Result<JsValue, Error> {
        post(self.relay_origin(), INVITE, &[("secret", &checked(secret)?)]).await
    }

    /// What the relay says of its swarm, where the link is good; and whether this browser's key owns it already.
    async fn claimable(&self, secret: &str) -> Result<(JsValue, bool), Error> {
        let asked = get(self.relay_origin(), CLAIM).await?;
        if let Some(owner) = text(&asked, "owner") {
            let me = self.commons().find_key().await?;
            if me.is_some_and(|pair| pair.node_id().to_string() == owner) {
                return Ok((asked, true));
            }
            let message = format!("the owner is {owner}");
            return Err(Error::because("not_allowed", "claimed", message));
        }
        let hash = Sha256::digest(decode(secret).unwrap_or_default());
        // A relay that names no hash says so itself when it is asked.
        match text(&asked, "claim").map(|good| unhex(&good)) {
            Some(good) if good.as_deref() != Some(hash.as_slice()) => {
                let message = "this is not the secret of the claim link".to_owned();
                Err(Error::because("not_allowed", "claim_secret", message))
            }
            _ => Ok((asked, false)),
        }
    }

    /// Keeps the relay's register, accepts in it what was offered to this key, and tells the relay.
    async fn settle(
        &self,
        mut register: String,
        swarm: Option<String>,
        me: NodeId,
    ) -> Result<SwarmCard, Error> {
        let swarms = self.commons().kept_swarms();
        let mut card = SwarmCard::default();
        for _ in 0..TRIES {
            swarms.check(&register, swarm.as_deref(), me)?;
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
                break;
            };
            let told = post(self.relay_origin(), "/api/v1/register", &[("register", &news)]).await;
            match told.ok().and_then(|answer| text(&answer, "register")) {
                Some(now) => register = now,
                // It stands here, and members hear of it from each other.
                None => break,
            }
        }
        Ok(card)
    }
}

/// A secret as links carry it.
fn checked(secret: &str) -> Result<String, Error> {
    let bytes = decode(secret).filter(|bytes| bytes.len() == 16);
    bytes.map(|bytes| encode(&bytes)).ok_or_else(|| {
        let message = "a link's secret has 16 bytes".to_owned();
        Error::because("bad_request", "invite_unknown", message)
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(byte).collect()
}
