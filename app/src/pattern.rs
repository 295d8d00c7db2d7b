//! An id as a picture: a symmetric grid that two people can compare at a glance.
//! Not a proof: whoever must be sure compares the id itself.

/// Cells per side.
pub const SIDE: usize = 7;

/// Which cells are filled, row by row; mirrored at the middle column.
pub fn cells(id: &str) -> [[bool; SIDE]; SIDE] {
    let mut state = fnv(id);
    let mut grid = [[false; SIDE]; SIDE];
    for row in &mut grid {
        for column in 0..SIDE.div_ceil(2) {
            state = mix(state);
            let filled = state >> 63 == 1;
            row[column] = filled;
            row[SIDE - 1 - column] = filled;
        }
    }
    grid
}

/// A hue in degrees.
pub fn hue(id: &str) -> u32 {
    (mix(fnv(id)) % 360) as u32
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of splitmix64: neighbouring states give unlike bits.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_mirrored_and_depends_on_every_letter() {
        let grid = cells("12D3KooW");
        for row in grid {
            for column in 0..SIDE {
                assert_eq!(row[column], row[SIDE - 1 - column]);
            }
        }
        assert_eq!(grid, cells("12D3KooW"));
        assert_ne!(grid, cells("12D3KooX"));
        assert!(hue("a") < 360);
    }
}
