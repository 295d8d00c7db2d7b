//! Why other devices' terms say no, as a word that a screen has a sentence for.
//! It reads no sentences: what a device writes for people is in one language, and anybody may write it.

use protocol::Ground;

/// The word for a ground; none where a plain no is all there is to say.
pub(crate) fn word(ground: Ground) -> Option<&'static str> {
    Some(match ground {
        Ground::Halted => "barred_halted",
        Ground::Blocked => "barred_blocked",
        Ground::NotForYou => "barred_members",
        Ground::TooPrivate => "barred_privacy",
        Ground::Kind | Ground::Model => "barred_kind",
        Ground::Budget => "barred_budget",
        Ground::SessionsPerHour => "barred_rate",
        Ground::Positions => "barred_length",
        // Whose swarm it is, the screen knows better; how busy a device is passes; what is newer than this is a no.
        Ground::OtherSwarm | Ground::QueueFull | Ground::SessionsAtOnce | Ground::Other(_) => return None,
    })
}
