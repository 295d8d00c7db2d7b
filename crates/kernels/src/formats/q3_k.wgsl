// Q3_K: w = d · (s − 32) · (q − 4), s of 6 bits to each 16. Seven vectors: two of upper bits, four of lower
// ones, then the scales with d behind them. An item takes two neighbouring crumbs of 16 bytes.
struct Raw { q: vec4<u32>, upper: vec4<u32>, header: vec4<u32> }

fn load(index: u32) -> Raw {
    let block = (index / 8u) * 7u;
    let part = index & 7u;
    let q = weights4[block + 2u + (part / 4u) * 2u + (part & 1u)];
    let upper = weights4[block + (part & 1u)];
    let unit = (part / 4u) * 4u + (part & 2u);
    return Raw(q >> vec4<u32>((part & 2u) * 2u), upper >> vec4<u32>(unit), weights4[block + 6u]);
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    let half = quad / 4u;
    let upper = crumbs(raw.upper[quad & 3u] >> half) & vec4<u32>(1u);
    return vec4<f32>(crumbs(raw.q[quad & 3u] >> (2u * half)) | (upper << vec4<u32>(2u)));
}

// Of each s the low four bits lie in the nibbles of the first eight bytes, the upper two in the last four.
fn six_bits(header: vec4<u32>, index: u32) -> f32 {
    let at = 8u * (index & 3u);
    let low = select(header.x, header.y, (index & 4u) == 4u) >> (at + (index / 8u) * 4u);
    let high = header.z >> (at + (index / 4u) * 2u);
    return f32(i32((low & 15u) | ((high & 3u) << 4u)) - 32);
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    let part = item & 7u;
    let at = (part / 4u) * 8u + (part & 2u) * 2u + (part & 1u);
    let d = unpack2x16float(raw.header.w).x;
    let s = d * vec2<f32>(six_bits(raw.header, at), six_bits(raw.header, at + 2u));
    return vec4<f32>(s, -4.0 * s);
}

fn run(item: u32, half: u32) -> u32 {
    let part = item & 7u;
    return (item / 8u) * 64u + (part / 4u) * 32u + (part & 2u) * 8u + (part & 1u) * 4u + half * 8u;
}
