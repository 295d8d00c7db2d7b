// Q6_K: w = d · s · (q − 32), s a signed byte to each 16. Thirteen vectors: eight of lower nibbles, four of
// upper crumbs, one of scales. An item takes both nibbles of 16 bytes: weights 64 apart.
struct Raw { q: vec4<u32>, upper: vec4<u32>, header: vec4<u32>, d: f32 }

fn load(index: u32) -> Raw {
    let number = index / 8u;
    let block = number * 13u;
    let part = index & 7u;
    let upper = weights4[block + 8u + (part / 4u) * 2u + (part & 1u)] >> vec4<u32>(part & 2u);
    return Raw(weights4[block + part], upper, weights4[block + 12u], second_half(number));
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    let upper = crumbs(raw.upper[quad & 3u] >> (quad & 4u));
    return nibbles(raw.q[quad & 3u] >> (quad & 4u)) + vec4<f32>(upper << vec4<u32>(4u));
}

fn signed_byte(header: vec4<u32>, index: u32) -> f32 {
    return f32(bitcast<i32>(byte_of(header, index) << 24u) >> 24u);
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    let part = item & 7u;
    let at = (part / 4u) * 8u + (part & 2u) + (part & 1u);
    let s = raw.d * vec2<f32>(signed_byte(raw.header, at), signed_byte(raw.header, at + 4u));
    return vec4<f32>(s, -32.0 * s);
}

fn run(item: u32, half: u32) -> u32 {
    let part = item & 7u;
    return (item / 8u) * 64u + (part / 4u) * 32u + (part & 2u) * 4u + (part & 1u) * 4u + half * 16u;
}
