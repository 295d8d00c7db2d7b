//! The time of day, as this computer's clock has it.
//! It keeps no time between two moments: `Instant` does.

use std::time::{SystemTime, UNIX_EPOCH};

use identity::Timestamp;

/// What is signed now is signed at this moment, and what is shown now checked against it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_ms(unix_ms())
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds since 1970.
pub(crate) fn unix_s() -> u64 {
    unix_ms() / 1000
}
