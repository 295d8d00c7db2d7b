// A whole number that is larger for larger floats; what is not a number counts as minus infinity. WGSL may
// assume that no float is infinite or NaN, but not of bits.
fn order(bits: u32) -> u32 {
    if (bits & 0x7fffffffu) > 0x7f800000u {
        return 0x007fffffu;
    }
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}
