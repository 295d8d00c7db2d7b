//! Who this node is: its session's key, its owner's, and the delegations that tie the two together.
//! It signs nothing itself: the shell holds the keys, and answers when it has signed.

use core::time::Duration;

use identity::{
    Credential, Draft, MAX_SESSION, NodeId, PublicKey, Scheme, SessionDelegation, Signature, Signed, Validity,
};

use crate::desk::Desk;
use crate::io::{Effect, EffectId, Identity, Now, Signer};

/// A delegation is made anew this long after the last one, which is good for a day: an open session outlives it.
const RENEW_MS: u64 = 12 * 60 * 60 * 1_000;
/// Where it could not be made, it is tried again after this.
const RETRY_MS: u64 = 30_000;

/// See the file's head.
pub(crate) struct Myself {
    session: PublicKey,
    identity: Option<Identity>,
    /// By the session's own key: for those who need not know whose it is.
    nameless: Paper,
    /// By the owner's.
    named: Paper,
}

/// A delegation, or the way to it.
#[derive(Default)]
struct Paper {
    credential: Option<Credential>,
    asked: Option<(EffectId, Draft<SessionDelegation>)>,
    renew_at: Now,
}

impl Myself {
    pub(crate) fn new(session: PublicKey) -> Myself {
        Myself {
            session,
            identity: None,
            nameless: Paper::default(),
            named: Paper::default(),
        }
    }

    /// Somebody owns this node, somebody else does, or nobody.
    pub(crate) fn become_somebody(&mut self, identity: Option<Identity>) {
        if self.identity != identity {
            self.identity = identity;
            self.named = Paper::default();
        }
    }

    /// Who stands behind this node.
    pub(crate) fn id(&self) -> NodeId {
        self.key().node_id()
    }

    /// The owner, where there is one.
    pub(crate) fn owner(&self) -> Option<NodeId> {
        Some(self.identity.as_ref()?.key.node_id())
    }

    /// The session's key, and how to ask for its signature.
    pub(crate) fn session(&self) -> (PublicKey, Signer) {
        (self.session, Signer::Session)
    }

    /// The key that receipts are signed with, if its delegation is here. A device's key has no name of its own in a
    /// receipt: there the session signs.
    pub(crate) fn accountable(&self) -> Option<(PublicKey, Signer, &Credential)> {
        let by_owner = self
            .identity
            .as_ref()
            .filter(|identity| identity.device.is_none());
        match (by_owner, &self.named.credential) {
            (Some(identity), Some(credential)) => Some((identity.key, Signer::Identity, credential)),
            _ => Some((self.session, Signer::Session, self.nameless.credential.as_ref()?)),
        }
    }

    /// The session's own delegation: for those who need not know whose it is.
    pub(crate) fn nameless(&self) -> Option<&Credential> {
        self.nameless.credential.as_ref()
    }

    /// The owner's delegation.
    pub(crate) fn owned(&self) -> Option<&Credential> {
        self.named.credential.as_ref()
    }

    /// A signature came. `true` where it was one of these.
    pub(crate) fn signed(&mut self, effect: EffectId, signature: Option<&Signature>, now: Now) -> bool {
        let device = self
            .identity
            .as_ref()
            .and_then(|identity| identity.device.clone());
        for (paper, device) in [(&mut self.nameless, None), (&mut self.named, device)] {
            let Some((_, draft)) = paper.asked.take_if(|(asked, _)| *asked == effect) else {
                continue;
            };
            let session = signature
                .cloned()
                .and_then(|signature| draft.assemble(signature).ok());
            if let Some(session) = session {
                paper.credential = Some(Credential { session, device });
                paper.renew_at = now.plus_ms(RENEW_MS);
            } else {
                tracing::warn!("a delegation could not be signed");
            }
            return true;
        }
        false
    }

    /// Asks for what is lacking or about to end. Answers when to look again.
    pub(crate) fn tick(&mut self, desk: &mut Desk) -> Option<Now> {
        let nameless = (self.session, Signer::Session);
        let named = self.identity.as_ref().map(|identity| {
            let device = identity.device.as_ref().and_then(|device| device.verify().ok());
            let key = device.map_or(identity.key, |device| device.device);
            (key, Signer::Identity)
        });
        let session = self.session;
        let again = self.nameless.tick(&session, nameless, desk);
        Some(match named {
            Some(named) => again.min(self.named.tick(&session, named, desk)),
            None => again,
        })
    }

    fn key(&self) -> PublicKey {
        self.identity
            .as_ref()
            .map_or(self.session, |identity| identity.key)
    }
}

impl Paper {
    fn tick(&mut self, session: &PublicKey, (key, signer): (PublicKey, Signer), desk: &mut Desk) -> Now {
        if desk.now < self.renew_at {
            return self.renew_at;
        }
        self.renew_at = desk.now.plus_ms(RETRY_MS);
        let delegation = SessionDelegation {
            peer_id: session.peer_id().unwrap_or_default(),
            validity: Validity::starting(desk.wall(), MAX_SESSION.min(Duration::from_millis(2 * RENEW_MS))),
        };
        if let Ok(draft) = Signed::draft(&delegation, key, Scheme::plain(key.alg())) {
            let message = draft.to_be_signed().to_vec();
            let effect = desk.effect(Effect::Sign { key: signer, message });
            self.asked = Some((effect, draft));
        }
        self.renew_at
    }
}
