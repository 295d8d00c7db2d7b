//! The swarms of this browser: their registries, kept, read and changed by records that the identity signs.
//! What is allowed is the registry's word alone; this neither judges nor sends.

mod invite;
mod kept;
mod view;

use std::rc::Rc;

use identity::{CoSigned, NodeId, PublicKey};
use js_sys::Uint8Array;
use registry::policy::{Privacy, SwarmPolicy, Who};
use registry::{Action, Caveats, Genesis, Parcel, Record, Refusal, Registry, Role, Said, Statement, Terms};
use wasm_bindgen::JsValue;

use crate::config::Storage;
use crate::consents::now;
use crate::crypto;
use crate::error::Error;
use crate::identity_card::IdentityCard;
use crate::kept::{Drawer, Place};
use crate::keys::KeyPair;
use crate::locks;

pub use view::{MemberInfo, PolicyInfo, SwarmCard};

use kept::Kept;

const PLACE: Place = Place {
    database: "manyhands-swarms",
    store: "swarms",
};

/// What a member may try.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// Offer a role to the holder of a public key, for so many days or without end.
    Grant {
        key: String,
        role: String,
        days: Option<u32>,
    },
    Promote {
        member: String,
        role: String,
    },
    Demote {
        member: String,
        role: String,
    },
    Revoke {
        member: String,
    },
    Kick {
        member: String,
    },
    Block {
        member: String,
    },
    Unblock {
        member: String,
    },
    /// Take up what was offered to this identity.
    Accept,
    Resign,
    Halt {
        reason: String,
    },
    Lift,
}

pub(crate) struct Swarms {
    drawer: Drawer,
    card: Rc<IdentityCard>,
}

impl Swarms {
    pub(crate) fn new(storage: Storage, card: Rc<IdentityCard>) -> Swarms {
        Swarms {
            drawer: Drawer::new(PLACE, storage),
            card,
        }
    }

    /// Every swarm, by name. What storage damaged is left where it is and not shown.
    pub(crate) async fn list(&self) -> Result<Vec<SwarmCard>, Error> {
        if !self.drawer.is_made().await {
            return Ok(Vec::new());
        }
        let me = self.card.find_quietly().await?.map(|pair| pair.node_id());
        let mut cards: Vec<SwarmCard> = self
            .drawer
            .all()
            .await?
            .iter()
            .filter_map(|bytes| Kept::read(&Uint8Array::new(bytes).to_vec()).ok())
            .map(|kept| view::card(&kept, me, now()))
            .collect();
        cards.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(cards)
    }

    /// Every register that is kept, where to look must leave nothing behind.
    pub(crate) async fn registries(&self) -> Result<Vec<Registry>, Error> {
        if !self.drawer.is_made().await {
            return Ok(Vec::new());
        }
        let kept = self.drawer.all().await?;
        let read = |bytes: &JsValue| Kept::read(&Uint8Array::new(bytes).to_vec()).ok();
        Ok(kept.iter().filter_map(read).map(|kept| kept.registry).collect())
    }

    /// One register, if it is kept.
    pub(crate) async fn registry(&self, swarm: &str) -> Result<Option<Registry>, Error> {
        Ok(self.load(swarm).await?.map(|kept| kept.registry))
    }

    /// The terms of work in a swarm on this device.
    pub(crate) async fn policy(&self, swarm: &str) -> Result<SwarmPolicy, Error> {
        Ok(self.open(swarm).await?.policy)
    }

    /// Keeps what is new in a register that is kept already. What does not hold is left out.
    pub(crate) async fn take_in(
        &self,
        swarm: &str,
        records: Vec<CoSigned<Record>>,
        statements: Vec<CoSigned<Statement>>,
    ) -> Result<(), Error> {
        let _alone = locks::hold(locks::REGISTERS).await;
        // Left on this device while the news was on its way.
        let Some(mut kept) = self.load(swarm).await? else {
            return Ok(());
        };
        for record in records {
            if let Err(refusal) = kept.registry.apply(record, now()) {
                tracing::debug!(%refusal, "a record was left out");
            }
        }
        for statement in statements {
            if let Err(refusal) = kept.registry.hear(statement) {
                tracing::debug!(%refusal, "a statement was left out");
            }
        }
        self.keep(&kept).await.map(|_| ())
    }

    /// Keeps a register that was found again, or what is new in it.
    pub(crate) async fn take(&self, registry: Registry) -> Result<(), Error> {
        let _alone = locks::hold(locks::REGISTERS).await;
        let kept = match self.load(&registry.id().to_string()).await? {
            Some(mut kept) => {
                Parcel::of(&registry).merge(&mut kept.registry, now());
                kept
            }
            None => {
                self.check_room().await?;
                Kept {
                    registry,
                    policy: own_terms(),
                }
            }
        };
        self.keep(&kept).await.map(|_| ())
    }

    async fn check_room(&self) -> Result<(), Error> {
        if self.drawer.all().await?.len() >= registry::MAX_SWARMS {
            return Err(refused(&Refusal::Full {
                what: "swarms",
                max: registry::MAX_SWARMS,
            }));
        }
        Ok(())
    }

    /// Founds a swarm; this identity is its first Owner.
    pub(crate) async fn create(&self, name: &str) -> Result<SwarmCard, Error> {
        let name = name.trim();
        if name.is_empty() {
            return Err(Error::new("bad_request", "a swarm needs a name"));
        }
        self.check_room().await?;
        let pair = self.card.need().await?;
        let genesis = Record {
            swarm: None,
            sequence: 0,
            previous: None,
            author: pair.node_id(),
            issued_at: now(),
            action: Action::Genesis(Genesis {
                name: name.to_owned(),
                owner: pair.authority(),
                parent: None,
                salt: crypto::random()?,
            }),
        };
        let signed = sign(&genesis, &[&pair]).await?;
        let registry = Registry::found(signed).map_err(|e| refused(&e))?;
        self.keep(&Kept {
            registry,
            policy: own_terms(),
        })
        .await
    }

    /// Signs one more record, if the registry allows it.
    pub(crate) async fn attempt(&self, swarm: &str, attempt: Attempt) -> Result<SwarmCard, Error> {
        let _alone = locks::hold(locks::REGISTERS).await;
        let mut kept = self.open(swarm).await?;
        let pair = self.card.need().await?;
        let me = pair.node_id();
        // A Worker who was offered more accepts that, on the chain.
        let offered = kept
            .registry
            .state()
            .member(me)
            .is_some_and(|member| member.offered.is_some());
        if let Attempt::Accept | Attempt::Resign = attempt
            && !(offered && matches!(attempt, Attempt::Accept))
            && let Some(grant) = worker_grant(&kept.registry, me)
        {
            // Workers say so beside the chain.
            let said = match attempt {
                Attempt::Accept => Said::Accept,
                _ => Said::Resign,
            };
            let statement = Statement {
                swarm: kept.registry.id(),
                grant,
                holder: pair.authority(),
                said,
            };
            let signed = sign(&statement, &[&pair]).await?;
            kept.registry.hear(signed).map_err(|e| refused(&e))?;
            return self.keep(&kept).await;
        }
        let action = action(attempt, &kept.registry, me)?;
        let record = kept.registry.next(me, now(), action);
        let signed = sign(&record, &[&pair]).await?;
        kept.registry.apply(signed, now()).map_err(|e| refused(&e))?;
        self.keep(&kept).await
    }

    /// Changes the terms on which this swarm's work is done here.
    pub(crate) async fn set_policy(&self, swarm: &str, policy: &PolicyInfo) -> Result<SwarmCard, Error> {
        let _alone = locks::hold(locks::REGISTERS).await;
        let mut kept = self.open(swarm).await?;
        kept.policy = view::policy(policy, kept.policy)?;
        self.keep(&kept).await
    }

    /// A secret that gives a role to whoever has it first: the role is granted to a key made for this, and handed over.
    pub(crate) async fn invite(&self, swarm: &str, role: &str) -> Result<String, Error> {
        let _alone = locks::hold(locks::REGISTERS).await;
        let mut kept = self.open(swarm).await?;
        let pair = self.card.need().await?;
        let token = invite::make(&mut kept.registry, &pair, self::role(role)?).await?;
        self.keep(&kept).await?;
        Ok(token)
    }

    /// The registry as text, for another device or member.
    pub(crate) async fn share(&self, swarm: &str) -> Result<String, Error> {
        Ok(invite::share(&self.open(swarm).await?.registry))
    }

    /// Takes an invite or a shared registry in.
    pub(crate) async fn join(&self, token: &str) -> Result<SwarmCard, Error> {
        let token = invite::Token::read(token)?;
        let id = token.swarm()?;
        let _alone = locks::hold(locks::REGISTERS).await;
        let mut kept = match self.load(&id.to_string()).await? {
            Some(kept) => kept,
            None => {
                self.check_room().await?;
                Kept {
                    registry: token.found()?,
                    policy: own_terms(),
                }
            }
        };
        token.merge(&mut kept.registry, now());
        if token.is_invite() {
            let pair = self.card.need().await?;
            token.take_up(&mut kept.registry, &pair).await?;
        }
        self.keep(&kept).await
    }

    /// Whether a register that somebody hands over is `swarm`'s, where that is known, and gives `who` a role or offers
    /// one. Keeps nothing.
    pub(crate) fn check(&self, token: &str, swarm: Option<&str>, who: NodeId) -> Result<(), Error> {
        let token = invite::Token::read(token)?;
        let mut registry = token.found()?;
        token.merge(&mut registry, now());
        let named = swarm.is_none_or(|swarm| registry.id().to_string() == swarm);
        if named && registry.state().member(who).is_some() {
            return Ok(());
        }
        let message = "this register is another one, or says nothing about this key";
        Err(Error::because("bad_request", "unsound", message.to_owned()))
    }

    /// As text, what is kept of a swarm here and not in `token`.
    pub(crate) async fn beyond(&self, swarm: &str, token: &str) -> Result<Option<String>, Error> {
        let token = invite::Token::read(token)?;
        Ok(token.lacks(&self.open(swarm).await?.registry))
    }

    /// Who founded a swarm that is kept here.
    pub(crate) async fn founder(&self, swarm: &str) -> Result<Option<String>, Error> {
        let registry = self.open(swarm).await?.registry;
        Ok(registry.genesis().map(|genesis| genesis.owner.id().to_string()))
    }

    /// Forgets a swarm here; it goes on elsewhere.
    pub(crate) async fn leave(&self, swarm: &str) -> Result<(), Error> {
        self.drawer.remove(swarm).await
    }

    async fn open(&self, swarm: &str) -> Result<Kept, Error> {
        self.load(swarm)
            .await?
            .ok_or_else(|| Error::new("bad_request", format!("no swarm {swarm} is kept here")))
    }

    async fn load(&self, swarm: &str) -> Result<Option<Kept>, Error> {
        let Some(bytes) = self.drawer.get(swarm).await? else {
            return Ok(None);
        };
        Kept::read(&Uint8Array::new(&bytes).to_vec()).map(Some)
    }

    async fn keep(&self, kept: &Kept) -> Result<SwarmCard, Error> {
        let bytes = Uint8Array::from(kept.to_bytes()?.as_slice());
        self.drawer.put(&kept.registry.id().to_string(), &bytes).await?;
        let me = self.card.find().await?.map(|pair| pair.node_id());
        Ok(view::card(kept, me, now()))
    }
}

/// The terms in a swarm of one's own, until its members choose others: for members, as long as there is room, and as
/// often as somebody who types without a pause may need.
fn own_terms() -> SwarmPolicy {
    SwarmPolicy {
        who: Who::Members,
        privacy: Privacy::Members,
        sessions_per_hour: 1_200,
        ..SwarmPolicy::default()
    }
}

/// A record with the signatures of these keys.
pub(crate) async fn sign<T: identity::Record>(record: &T, keys: &[&KeyPair]) -> Result<CoSigned<T>, Error> {
    let mut signed = CoSigned::unsigned(record).map_err(|e| Error::new("bad_request", e.to_string()))?;
    for key in keys {
        key.cosign(&mut signed).await?;
    }
    Ok(signed)
}

/// Why the registry said no: a word for the screen, and the registry's own sentence.
pub(crate) fn refused(refusal: &Refusal) -> Error {
    use Refusal as R;
    let reason = match refusal {
        R::LastOwner => "last_owner",
        R::NotAllowed { .. } => "rank",
        R::NotAMember(_) => "not_a_member",
        R::AlreadyAMember(_) => "already_a_member",
        R::Blocked(_) => "blocked",
        R::OnOneself => "on_oneself",
        R::WiderThanOwn | R::OwnerWithLimits => "wider",
        R::WrongDirection { .. } => "direction",
        R::NoSuchOffer => "no_offer",
        R::NothingToDo => "nothing_to_do",
        R::TooLong { .. } => "too_long",
        R::Full { .. } => "full",
        R::Expired { .. } => "expired",
        R::FromTheFuture { .. } | R::Backdated { .. } => "clock",
        _ => "unsound",
    };
    Error::because("not_allowed", reason, refusal.to_string())
}

fn action(attempt: Attempt, registry: &Registry, me: NodeId) -> Result<Action, Error> {
    Ok(match attempt {
        Attempt::Grant { key, role, days } => {
            let role = self::role(&role)?;
            let terms = match days {
                Some(days) if role != Role::Owner => Terms {
                    until: Some(now().plus(core::time::Duration::from_secs(u64::from(days) * 86_400))),
                    ..Terms::plain(role)
                },
                _ => terms(role),
            };
            Action::Grant {
                holder: public_key(&key)?.into(),
                terms,
            }
        }
        Attempt::Promote { member, role } => Action::Promote {
            member: node_id(&member)?,
            terms: terms(self::role(&role)?),
        },
        Attempt::Demote { member, role } => Action::Demote {
            member: node_id(&member)?,
            terms: terms(self::role(&role)?),
        },
        Attempt::Revoke { member } => Action::Revoke {
            member: node_id(&member)?,
        },
        Attempt::Kick { member } => Action::Kick {
            member: node_id(&member)?,
        },
        Attempt::Block { member } => Action::Block {
            member: node_id(&member)?,
        },
        Attempt::Unblock { member } => Action::Unblock {
            member: node_id(&member)?,
        },
        Attempt::Accept => Action::Accept {
            offer: registry
                .state()
                .member(me)
                .and_then(|member| member.offered.as_ref())
                .map(|offered| offered.record)
                .ok_or_else(|| refused(&Refusal::NoSuchOffer))?,
        },
        Attempt::Resign => Action::Resign,
        Attempt::Halt { reason } => Action::Halt { reason },
        Attempt::Lift => Action::Lift,
    })
}

/// The record that made somebody a Worker, where a statement has to answer it.
fn worker_grant(registry: &Registry, who: NodeId) -> Option<identity::RecordHash> {
    let held = registry.state().member(who)?.held.as_ref()?;
    (held.terms.role == Role::Worker).then_some(held.record)
}

fn terms(role: Role) -> Terms {
    match role {
        Role::Owner => Terms {
            role,
            caveats: Caveats::NONE,
            until: None,
        },
        role => Terms::plain(role),
    }
}

/// A role by its name in the contract's spelling.
pub(crate) fn role(name: &str) -> Result<Role, Error> {
    Role::of_word(name).ok_or_else(|| Error::new("bad_request", format!("{name:?} is no role")))
}

fn node_id(text: &str) -> Result<NodeId, Error> {
    text.trim()
        .parse()
        .map_err(|e: identity::IdentityError| Error::new("bad_request", e.to_string()))
}

/// A public key as it is shown on the keys page.
fn public_key(text: &str) -> Result<PublicKey, Error> {
    let bad = || {
        Error::new(
            "bad_request",
            "this is no public key: it begins with p_ and is shown on the keys page of whoever has it",
        )
    };
    let bytes = text.trim().strip_prefix("p_").and_then(decode).ok_or_else(bad)?;
    PublicKey::from_bytes(&bytes).map_err(|_| bad())
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(text).ok()
}
