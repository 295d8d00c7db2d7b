//! Whether a model fits a device, from what browsers tell.
//! Measures nothing: browsers round memory down and cap it, so the middle is wide.

/// WebAssembly counts bytes in 32 bits: what a processor computes with has to fit in there, what a GPU does has not.
const WORKER_MOST_BYTES: u64 = 1 << 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Yes,
    Tight,
    No,
    Unknown,
}

/// The most that the page's process needs at once, computing on the processor; `specs/memory.spec.ts` compares.
/// Measured with weights of 20, 64 and 253 MB: 200, 352 and 573 MB.
pub fn memory_bytes(model_bytes: u64) -> u64 {
    /// The app, the engine, and the caches of a short conversation.
    const BASE_BYTES: u64 = 130_000_000;
    /// Chunks that were taken over already stay until the browser collects them: it waits for about so many.
    const MOST_TRANSIT_BYTES: u64 = 160_000_000;
    let transit = (model_bytes / 10).saturating_mul(23).min(MOST_TRANSIT_BYTES);
    BASE_BYTES
        .saturating_add(worker_bytes(model_bytes))
        .saturating_add(transit)
}

/// The weights as the engine has them in the worker's memory, and the part that it is taking over.
fn worker_bytes(model_bytes: u64) -> u64 {
    (model_bytes / 100).saturating_mul(115)
}

/// `device_gib` is `navigator.deviceMemory`: a power of two, capped at 8 by most browsers.
pub fn fit(model_bytes: u64, device_gib: Option<f64>, phone: bool) -> Fit {
    let Some(device_gib) = device_gib.filter(|gib| gib.is_finite() && *gib > 0.0) else {
        return Fit::Unknown;
    };
    let device = (device_gib * 1_073_741_824.0) as u64;
    // A page gets a part of the memory; phones end pages long before.
    let share = if phone { device / 4 } else { device / 2 };
    let need = memory_bytes(model_bytes);
    if need <= share && worker_bytes(model_bytes) <= WORKER_MOST_BYTES {
        Fit::Yes
    } else if need <= share.saturating_add(share / 2) {
        Fit::Tight
    } else {
        Fit::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_need_and_share() {
        let check = |megabytes: u64, gib, phone, expect| {
            assert_eq!(fit(megabytes * 1_000_000, gib, phone), expect, "{megabytes} MB");
        };
        check(1, Some(8.0), false, Fit::Yes);
        check(800, Some(8.0), true, Fit::Yes);
        check(2000, Some(8.0), true, Fit::Tight);
        check(3000, Some(8.0), true, Fit::No);
        check(3000, Some(8.0), false, Fit::Yes);
        check(4000, Some(8.0), false, Fit::Tight);
        check(6000, Some(8.0), false, Fit::No);
        check(5000, Some(32.0), false, Fit::Tight);
        check(800, Some(2.0), true, Fit::No);
        check(800, None, false, Fit::Unknown);
        check(800, Some(f64::NAN), false, Fit::Unknown);
    }

    #[test]
    fn the_need_is_what_was_measured() {
        for (model, measured) in [(20, 200), (64, 352), (253, 573)] {
            let need = memory_bytes(model * 1_000_000);
            let (low, high) = (measured * 850_000, measured * 1_150_000);
            assert!(
                (low..=high).contains(&need),
                "{model} MB: {need} bytes, not {measured} MB"
            );
        }
    }

    #[test]
    fn a_size_from_a_lying_relay_does_not_overflow() {
        assert_eq!(fit(u64::MAX, Some(8.0), false), Fit::No);
    }
}
