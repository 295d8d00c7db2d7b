// Shared by all formats. `weights4` is the first region read 16 bytes at a time, `weights1` the same buffer in
// words, `shape.second` the word at which the second region begins.

// Half-precision number `index` of the second region.
fn second_half(index: u32) -> f32 {
    let pair = unpack2x16float(weights1[shape.second + index / 2u]);
    return select(pair.x, pair.y, (index & 1u) == 1u);
}

// The low nibbles of four bytes.
fn nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

// The low two bits of four bytes.
fn crumbs(word: u32) -> vec4<u32> {
    return (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(3u);
}

// Bits 4·quad … 4·quad + 3 of a word.
fn four_bits(word: u32, quad: u32) -> vec4<u32> {
    return (vec4<u32>(word >> (4u * quad)) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
}

// Four signed bytes.
fn signed_bytes(word: u32) -> vec4<f32> {
    let raised = vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u);
    return vec4<f32>(raised >> vec4<u32>(24u));
}

// Byte `index` of a vector.
fn byte_of(words: vec4<u32>, index: u32) -> u32 {
    return (words[(index >> 2u) & 3u] >> (8u * (index & 3u))) & 255u;
}

// Numbers `unit` of the eight 6-bit scales and minima of Q4_K and Q5_K, times their own scales. Of the header's
// words, x holds the two half-precision scales; y and z the first four scales and minima in their low six
// bits and the upper two bits of the last four; w the low nibbles of those.
fn scale_and_least(header: vec4<u32>, unit: u32) -> vec2<f32> {
    let at = 8u * (unit & 3u);
    let s = header.y >> at;
    let m = header.z >> at;
    let low = header.w >> at;
    let early = vec2<u32>(s & 63u, m & 63u);
    let late = vec2<u32>((low & 15u) | ((s >> 2u) & 48u), ((low >> 4u) & 15u) | ((m >> 2u) & 48u));
    return unpack2x16float(header.x) * vec2<f32>(select(early, late, unit >= 4u));
}
