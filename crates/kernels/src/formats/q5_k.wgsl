// Q5_K: w = d · s · q − dmin · m, s and m of 6 bits to each 32. Eleven vectors as in the file: a header, two of
// fifth bits, then quants. An item takes both nibbles of 16 bytes: weights 32 apart.
struct Raw { q: vec4<u32>, fifth: vec4<u32>, header: vec4<u32> }

fn load(index: u32) -> Raw {
    let block = (index / 8u) * 11u;
    let part = index & 7u;
    let fifth = weights4[block + 1u + (part & 1u)] >> vec4<u32>(part & 6u);
    return Raw(weights4[block + 3u + part], fifth, weights4[block]);
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    let upper = crumbs(raw.fifth[quad & 3u] >> (quad / 4u)) & vec4<u32>(1u);
    return nibbles(raw.q[quad & 3u] >> (quad & 4u)) + vec4<f32>(upper << vec4<u32>(4u));
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    let unit = item & 6u;
    let a = scale_and_least(raw.header, unit);
    let b = scale_and_least(raw.header, unit + 1u);
    return vec4<f32>(a.x, b.x, -a.y, -b.y);
}

fn run(item: u32, half: u32) -> u32 {
    return (item / 8u) * 64u + (item & 6u) * 8u + (item & 1u) * 4u + half * 8u;
}
