//! The handful of 128-bit operations that the quantised products need, by platform.
//! Does not decide anything: integers are exact and floats are added in the order written, so every
//! platform gives the same bits.
//!
//! An `Int` is eight 16-bit or four 32-bit lanes, a `Float` four f32 lanes. Loads are safe casts of
//! arrays.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[path = "wasm.rs"]
mod platform;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[path = "x86.rs"]
mod platform;

#[cfg(not(any(
    all(target_arch = "wasm32", target_feature = "simd128"),
    all(target_arch = "x86_64", target_feature = "sse2")
)))]
#[path = "portable.rs"]
mod platform;

// Compiled for its tests everywhere: it says what the others must do.
#[cfg(all(test, any(target_arch = "wasm32", target_arch = "x86_64")))]
mod portable;

pub(crate) use platform::*;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::{platform, portable};

    /// Runs the same expression on the platform and on arrays, and compares the lanes.
    macro_rules! same {
        ($lanes:ident, $p:ident, $expression:expr) => {{
            let found = {
                use platform as $p;
                $p::$lanes($expression)
            };
            let wanted = {
                use portable as $p;
                $p::$lanes($expression)
            };
            assert_eq!(found, wanted, stringify!($expression));
        }};
    }

    #[test]
    fn the_platform_does_what_the_arrays_do() {
        let bytes: [u8; 16] = std::array::from_fn(|i| (i * 37 + 11) as u8);
        let a: [i16; 8] = std::array::from_fn(|i| (i as i16 - 3) * 4_001);
        let b: [i16; 8] = std::array::from_fn(|i| 4_095 - 1_170 * i as i16);
        same!(int_lanes, p, p::load(&bytes));
        same!(int_lanes, p, p::load_i16(&a));
        same!(int_lanes, p, p::and(p::load(&bytes), p::splat_u16(0x0f0f)));
        same!(int_lanes, p, p::or(p::load(&bytes), p::load_i16(&a)));
        same!(int_lanes, p, p::shift_right::<4>(p::load_i16(&a)));
        same!(int_lanes, p, p::shift_left::<8>(p::load_i16(&a)));
        same!(int_lanes, p, p::shift_right_signed::<8>(p::load_i16(&a)));
        same!(int_lanes, p, p::dot(p::load_i16(&a), p::load_i16(&b)));
        same!(
            int_lanes,
            p,
            p::add(p::dot(p::load(&bytes), p::load_i16(&b)), p::load_i16(&a))
        );
        same!(
            float_lanes,
            p,
            p::to_float(p::dot(p::load_i16(&a), p::load_i16(&b)))
        );
        same!(
            float_lanes,
            p,
            p::add_float(
                p::splat(0.1),
                p::mul_float(p::splat(0.7), p::to_float(p::load_i16(&a)))
            )
        );
    }
}
