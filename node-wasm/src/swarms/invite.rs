//! A registry as text that one person gives another, with or without the key of a role that waits for them.
//! Whoever has an invite has the role: it is a secret, and it serves once.

use identity::{Authority, CoSigned, LocalKey, RecordHash, SigningKey, Timestamp};
use registry::{Action, PARCEL_PREFIX, Parcel, Record, Refusal, Registry, Role, SwarmId};

use super::kept::found;
use super::{decode, encode, refused, terms};
use crate::consents::now;
use crate::crypto;
use crate::error::Error;
use crate::keys::KeyPair;

/// Longest text that is read: a swarm of some thousand records.
const MAX_TOKEN_CHARS: usize = 2_000_000;

/// A text that was read.
pub(super) struct Token(Parcel);

/// Grants `role` to a key made for this, and wraps the key up.
pub(super) async fn make(registry: &mut Registry, pair: &KeyPair, role: Role) -> Result<String, Error> {
    let secret = crypto::random::<32>()?;
    let guest =
        LocalKey::es256(&secret).map_err(|_| Error::internal("the dice fell badly: invite once more"))?;
    let grant = Action::Grant {
        holder: guest.public_key().into(),
        terms: terms(role),
    };
    let record = registry.next(pair.node_id(), now(), grant);
    let signed = super::sign(&record, &[pair]).await?;
    registry.apply(signed, now()).map_err(|e| refused(&e))?;
    Ok(write(&Parcel {
        secret: Some(secret.into()),
        ..Parcel::of(registry)
    }))
}

/// The registry alone.
pub(super) fn share(registry: &Registry) -> String {
    write(&Parcel::of(registry))
}

impl Token {
    pub(super) fn read(text: &str) -> Result<Token, Error> {
        let bad = |why: &str| {
            Error::because(
                "bad_request",
                "unsound",
                format!("this is neither an invite nor a register: {why}"),
            )
        };
        // A whole link is as good as its fragment.
        let text = text.trim();
        let text = text.rsplit_once('#').map_or(text, |(_, fragment)| fragment);
        if text.len() > MAX_TOKEN_CHARS {
            return Err(bad("it is too long"));
        }
        let bytes = text
            .strip_prefix(PARCEL_PREFIX)
            .and_then(decode)
            .ok_or_else(|| bad("it does not begin like one"))?;
        Parcel::from_bytes(&bytes)
            .map(Token)
            .map_err(|e| bad(&e.to_string()))
    }

    /// The swarm that it is about.
    pub(super) fn swarm(&self) -> Result<SwarmId, Error> {
        Ok(self.found()?.id())
    }

    pub(super) fn found(&self) -> Result<Registry, Error> {
        found(&self.0)
    }

    /// As text, what `registry` has beyond this; nothing where that is nothing.
    pub(super) fn lacks(&self, registry: &Registry) -> Option<String> {
        let news = Parcel::of(registry).beyond(&self.0);
        let any = !news.records.is_empty() || !news.statements.is_empty();
        any.then(|| write(&news))
    }

    pub(super) fn is_invite(&self) -> bool {
        self.0.secret.is_some()
    }

    pub(super) fn merge(&self, registry: &mut Registry, now: Timestamp) {
        let taken = self.0.merge(registry, now);
        tracing::debug!(taken, "a register was read");
    }

    /// Accepts the role with the guest's key, and passes it on to `pair`, which signs too.
    pub(super) async fn take_up(&self, registry: &mut Registry, pair: &KeyPair) -> Result<(), Error> {
        let Some(secret) = self.0.secret else {
            return Ok(());
        };
        let guest = LocalKey::es256(&secret).map_err(|e| Error::new("bad_request", e.to_string()))?;
        let guest_id = Authority::Key(guest.public_key()).id();
        let used = || {
            Error::because(
                "not_allowed",
                "used",
                "this invite was used or taken back".to_owned(),
            )
        };
        let member = registry.state().member(guest_id).ok_or_else(used)?;
        let offer: Option<RecordHash> = member.offered.as_ref().map(|offered| offered.record);
        if let Some(offer) = offer {
            let accept = registry.next(guest_id, now(), Action::Accept { offer });
            let signed = sign_as_guest(&accept, &guest)?;
            registry.apply(signed, now()).map_err(|e| refused(&e))?;
        }
        let handover = registry.next(guest_id, now(), Action::Handover { to: pair.authority() });
        let mut signed = sign_as_guest(&handover, &guest)?;
        pair.cosign(&mut signed).await?;
        registry.apply(signed, now()).map_err(|refusal| match refusal {
            Refusal::NotAMember(_) => used(),
            other => refused(&other),
        })?;
        Ok(())
    }
}

fn sign_as_guest(record: &Record, guest: &LocalKey) -> Result<CoSigned<Record>, Error> {
    let keys: [&dyn SigningKey; 1] = [guest];
    CoSigned::sign(record, &keys).map_err(|e| Error::internal(format!("an invite cannot sign: {e}")))
}

fn write(parcel: &Parcel) -> String {
    format!("{PARCEL_PREFIX}{}", encode(&parcel.to_bytes()))
}
