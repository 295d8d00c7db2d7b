//! Whether a model fits a device, from what browsers tell.
//! Measures nothing: browsers round memory down and cap it, so the middle is wide.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Yes,
    Tight,
    No,
    Unknown,
}

/// Memory beside the weights: cache, activations, buffers of the graphics processor.
pub fn memory_bytes(model_bytes: u64) -> u64 {
    const BASE_BYTES: u64 = 96_000_000;
    model_bytes
        .saturating_add(model_bytes / 8)
        .saturating_add(BASE_BYTES)
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
    if need <= share {
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
        check(4000, Some(8.0), false, Fit::Tight);
        check(9000, Some(8.0), false, Fit::No);
        check(800, Some(2.0), true, Fit::No);
        check(800, None, false, Fit::Unknown);
        check(800, Some(f64::NAN), false, Fit::Unknown);
    }

    #[test]
    fn a_size_from_a_lying_relay_does_not_overflow() {
        assert_eq!(fit(u64::MAX, Some(8.0), false), Fit::No);
    }
}
