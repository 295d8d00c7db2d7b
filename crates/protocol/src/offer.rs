//! What a worker announces: what it would do, with what, on which terms; signed by its session or its owner.
//! It chooses nobody: the route does.

use identity::{Credential, MAX_CLOCK_SKEW, PublicKey, Record, Signed, Timestamp};

use crate::exchange::RegistryHead;
use crate::message::{JobKind, MAX_POSITIONS, SwarmId};
use crate::open_enum::open_enum;
use crate::{Addresses, LayerRange, List, ModelId, PeerId, ProtocolError, model_codec};

/// Gossip carries at most 64 KiB; an offer with all its addresses and links stays under 8.
pub const MAX_OFFER_BYTES: usize = 8 * 1_024;
/// Neighbours a worker has measured; the nearest ones matter.
const MAX_LINKS: usize = 16;
/// A minute without news and a worker is not counted on; an hour is already generous.
const MAX_LIFETIME_S: u32 = 3_600;

open_enum! {
    /// What computes.
    pub enum Backend {
        /// WebGPU or native graphics.
        Gpu = 0,
        /// The processor.
        Cpu = 1,
    }
}

open_enum! {
    /// What feeds the device.
    pub enum Power {
        /// Nobody knows.
        Unknown = 0,
        /// The wall.
        Mains = 1,
        /// A battery.
        Battery = 2,
        /// A battery that is nearly empty.
        Low = 3,
    }
}

open_enum! {
    /// Who may ask.
    pub enum Terms {
        /// Anybody.
        Anybody = 0,
        /// Members of the swarm.
        Members = 1,
        /// Peers of the same owner.
        Mine = 2,
        /// Those whom it has listed.
        Listed = 3,
    }
}

/// A worker's word about itself.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Offer {
    /// Where it works.
    #[n(0)]
    pub swarm: SwarmId,
    /// Who it is; must be the peer that the gossip comes from.
    #[n(1)]
    pub peer: PeerId,
    /// Where to dial it.
    #[n(2)]
    pub addresses: Addresses,
    /// What kinds of work it takes.
    #[n(3)]
    pub kinds: List<JobKind, 8>,
    /// What it holds; `None`: it only announces that it is here.
    #[n(4)]
    pub work: Option<Work>,
    /// Free memory that it would give.
    #[n(5)]
    pub memory_bytes: u64,
    /// State of others that it would keep.
    #[n(6)]
    pub keep_bytes: u64,
    /// What computes the layers on offer.
    #[n(7)]
    pub backend: Backend,
    /// What feeds it.
    #[n(8)]
    pub power: Power,
    /// Whether the tab is out of sight, where browsers slow it down.
    #[n(9)]
    pub background: bool,
    /// Who may ask.
    #[n(10)]
    pub terms: Terms,
    /// Counts up: an older offer never replaces a newer one.
    #[n(11)]
    pub sequence: u64,
    /// How long after its arrival it holds without being repeated, in seconds.
    #[n(12)]
    pub lifetime_s: u32,
    /// Measured delays to others.
    #[n(13)]
    pub links: List<Link, MAX_LINKS>,
    /// When it was signed, by the worker's clock: an offer from a shelf is not taken for news.
    #[n(14)]
    pub issued_at: Timestamp,
    /// Whose device it is, where the worker says so.
    #[n(15)]
    pub credential: Option<Credential>,
    /// The newest record that it knows of the swarm's registry.
    #[n(16)]
    pub registry: Option<RegistryHead>,
}

impl Record for Offer {
    const CONTEXT: &'static str = "offer/1";
    const MAX_BYTES: usize = MAX_OFFER_BYTES;
}

/// An offer whose signature was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// What is offered.
    pub offer: Offer,
    /// Whose device it is, where the offer shows it.
    pub owner: Option<PublicKey>,
}

/// Layers of a model, ready to compute.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Work {
    /// Which model.
    #[cbor(n(0), with = "model_codec::id")]
    pub model: ModelId,
    /// Which layers.
    #[cbor(n(1), with = "model_codec::layers")]
    pub layers: LayerRange,
    /// Layers of the whole model.
    #[n(2)]
    pub model_layers: u32,
    /// Measured: one token through these layers, one after the other. At least 1.
    #[n(3)]
    pub us_per_token: u32,
    /// Sessions that it would still take.
    #[n(4)]
    pub sessions: u32,
    /// Positions that it has room for.
    #[n(5)]
    pub positions: u32,
    /// It computes all of these layers or none; else any contiguous part of them can be asked for.
    #[n(6)]
    pub whole: bool,
    /// Whether a row came out with the same bits alone and among others when the device was tried; `None`: it does
    /// not say. Where it did not, the worker computes one row after the other, so that its answers do not depend on
    /// where prompts and replays are cut either: nobody has to remember the cuts, but both take it longer. Nothing
    /// else is said of a device: the name of its GPU would tell strangers more about its owner than about its work.
    #[n(7)]
    pub batch_invariant: Option<bool>,
}

/// How far another peer is.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Link {
    /// To whom.
    #[n(0)]
    pub peer: PeerId,
    /// One way; `u32::MAX`: it cannot be reached from here.
    #[n(1)]
    pub one_way_ms: u32,
}

impl Offer {
    /// Opens a signed offer at `now`: by the session key that its peer id is, or by the identity behind that peer.
    ///
    /// # Errors
    /// Whatever keeps it from being this peer's word of just now.
    pub fn open(bytes: &[u8], now: Timestamp) -> Result<Heard, ProtocolError> {
        let verified = Signed::<Offer>::from_bytes(bytes)?.verify()?;
        verified.check()?;
        verified.check_time(now)?;
        let peer = verified.peer.to_bytes().ok_or(ProtocolError::Value("peer id"))?;
        let signer = verified.signer();
        let owner = verified
            .credential
            .as_ref()
            .map(|credential| credential.verify(&peer, now))
            .transpose()?;
        if PublicKey::of_peer_id(&peer) != Some(signer) && owner != Some(signer) {
            return Err(ProtocolError::NotTheSigner);
        }
        Ok(Heard {
            offer: verified.into_value(),
            owner,
        })
    }

    /// Signed just now, as far as clocks can tell.
    fn check_time(&self, now: Timestamp) -> Result<(), ProtocolError> {
        let until = self
            .issued_at
            .plus(core::time::Duration::from_secs(self.lifetime_s.into()))
            .plus(MAX_CLOCK_SKEW);
        if self.issued_at > now.plus(MAX_CLOCK_SKEW) {
            return Err(ProtocolError::Value("an offer of the future"));
        }
        if until <= now {
            return Err(ProtocolError::Value("an offer of the past"));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ProtocolError> {
        if !(1..=MAX_LIFETIME_S).contains(&self.lifetime_s) {
            return Err(ProtocolError::Value("lifetime of an offer"));
        }
        let Some(work) = &self.work else { return Ok(()) };
        if work.us_per_token == 0 {
            return Err(ProtocolError::Value("a token in no time"));
        }
        if work.model_layers > model_codec::MAX_LAYERS || work.layers.end() > work.model_layers {
            return Err(ProtocolError::Value("layers beyond the model"));
        }
        if work.positions > MAX_POSITIONS {
            return Err(ProtocolError::Value("position beyond the longest context"));
        }
        Ok(())
    }
}
