//! How a stage says no: what kind of no, on what ground exactly, and in words for a person.
//! It does not say what follows: the node that asked looks elsewhere, or tells its user.

use crate::{Blob, MAX_OPAQUE_BYTES, Text, open_enum::open_enum};

/// A sentence for a person.
const MAX_DETAIL_BYTES: usize = 200;

open_enum! {
    /// Why a stage does not take part: whoever asked knows by it whether to ask again.
    pub enum Refusal {
        /// Its terms say no.
        Policy = 0,
        /// Too many sessions just now: not a fault, ask again later.
        Busy = 1,
        /// It does not hold this stage of this model.
        Model = 2,
        /// No room for so many positions.
        WontFit = 3,
        /// The delegation or the authorization is no longer good.
        Expired = 4,
        /// It cannot reach the next stage.
        Unreachable = 5,
        /// The request makes no sense.
        Invalid = 6,
        /// An Owner has halted all work of the swarm.
        Halted = 7,
    }
}

open_enum! {
    /// Which of the terms it was, so that a screen can say it in its reader's language. A number that this version
    /// does not know leaves the [`Refusal`] as it is.
    pub enum Ground {
        /// An Owner has halted all work of the swarm.
        Halted = 0,
        /// Who asks is kept out of the swarm.
        Blocked = 1,
        /// The terms name others: members, or certain keys.
        NotForYou = 2,
        /// Who asks stands too far away for their text to be seen.
        TooPrivate = 3,
        /// Not this kind of work.
        Kind = 4,
        /// Not with this model.
        Model = 5,
        /// What the asker's role may spend is spent.
        Budget = 6,
        /// No more sessions in this hour.
        SessionsPerHour = 7,
        /// The terms allow no session of so many positions.
        Positions = 8,
        /// Even the queue is full.
        QueueFull = 9,
        /// The device works for another swarm.
        OtherSwarm = 10,
        /// The asker has as many sessions here as one peer may have.
        SessionsAtOnce = 11,
    }
}

/// A stage will not take part.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Refused {
    /// Why.
    #[n(0)]
    pub why: Refusal,
    /// In words, for a person.
    #[n(1)]
    pub detail: Text<MAX_DETAIL_BYTES>,
    /// On what terms it would; opaque here.
    #[n(2)]
    pub quote: Option<Blob<MAX_OPAQUE_BYTES>>,
    /// Which of its terms; none where there is nothing finer to say, and from those that knew no such field.
    #[n(3)]
    pub ground: Option<Ground>,
}
