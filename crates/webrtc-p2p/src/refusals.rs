//! Counts of what was refused to peers, by the limit or rule that refused it.
//! It refuses nothing itself, names no peer and grows by no peer's doing: one number for each reason.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;
use crate::stream::StreamError;

macro_rules! refusals {
    ($( $(#[doc = $doc:literal])+ $variant:ident: $name:literal, )+) => {
        /// Why something was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Refusal {
            $( $(#[doc = $doc])+ $variant, )+
        }

        const NAMES: [&str; [$($name),+].len()] = [$($name),+];
        static COUNTS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];
    };
}

refusals! {
    /// An upgrade, while we do not listen on `/webrtc`.
    NotListening: "not_listening",
    /// An upgrade of a peer that has its direct connections.
    HasConnections: "has_connections",
    /// An upgrade beyond those that may be under way at once.
    TooManyUpgrades: "too_many_upgrades",
    /// An upgrade whose signalling broke the protocol.
    BadSignaling: "bad_signaling",
    /// An upgrade that did not end in time.
    UpgradeTimeout: "upgrade_timeout",
    /// A stream beyond those that a connection may have, or that wait to be accepted.
    TooManyStreams: "too_many_streams",
    /// A connection whose peer goes on opening streams that are refused.
    StreamFlood: "stream_flood",
    /// A stream whose peer sends more than anybody reads.
    Unread: "unread",
    /// A stream whose bytes are no frames.
    BadFrame: "bad_frame",
    /// A stream whose end the peer never acknowledged.
    NoFinAck: "no_fin_ack",
}

/// How often each refusal happened since the program started, by name.
pub fn counts() -> impl Iterator<Item = (&'static str, u64)> {
    let counts = COUNTS.iter().map(|count| count.load(Ordering::Relaxed));
    NAMES.into_iter().zip(counts)
}

impl Refusal {
    /// Its name, for metrics.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// How often it happened since the program started.
    pub fn count(self) -> u64 {
        COUNTS[self as usize].load(Ordering::Relaxed)
    }

    /// It happened.
    pub(crate) fn happened(self) {
        COUNTS[self as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The refusal that ended an upgrade, where it was one and not the network's doing.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        expect(dead_code, reason = "upgrades happen in browsers only")
    )]
    pub(crate) fn of_upgrade(error: &Error) -> Option<Refusal> {
        match error {
            Error::Signaling(_) => Some(Refusal::BadSignaling),
            Error::Timeout { .. } => Some(Refusal::UpgradeTimeout),
            _ => None,
        }
    }

    /// The refusal that ended a stream, where it was one.
    pub(crate) fn of_stream(error: &StreamError) -> Option<Refusal> {
        match error {
            StreamError::ReceiveBufferFull { .. } => Some(Refusal::Unread),
            StreamError::Frame(_) => Some(Refusal::BadFrame),
            StreamError::FinAckTimeout => Some(Refusal::NoFinAck),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Substream;

    #[test]
    fn a_stream_that_is_refused_is_counted_once_by_its_reason() {
        let before = (Refusal::Unread.count(), Refusal::BadFrame.count());
        let mut flooded = Substream::new(4);
        for _ in 0..3 {
            flooded.receive(&[7, 18, 5, 1, 2, 3, 4, 5]);
        }
        Substream::new(4).receive_text();
        // Other tests of this program refuse streams too.
        assert!(Refusal::Unread.count() > before.0);
        assert!(Refusal::BadFrame.count() > before.1);
        assert!(counts().any(|(name, count)| name == Refusal::Unread.name() && count > before.0));
    }
}
