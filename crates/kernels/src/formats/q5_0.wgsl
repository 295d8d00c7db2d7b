// Q5_0: w = d · (q − 16); the fifth bit of weight i is bit i of a word. In the second region, three halves to
// a block: the word, which may begin in the middle of one of ours, then d.
struct Raw { q: vec4<u32>, fifth: u32, d: f32 }

fn load(index: u32) -> Raw {
    let at = shape.second + (index * 3u) / 2u;
    let a = weights1[at];
    let b = weights1[at + 1u];
    if (index & 1u) == 0u {
        return Raw(weights4[index], a, unpack2x16float(b).x);
    }
    return Raw(weights4[index], (a >> 16u) | (b << 16u), unpack2x16float(b).y);
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    let upper = vec4<f32>(four_bits(raw.fifth, quad) << vec4<u32>(4u));
    return nibbles(raw.q[quad & 3u] >> (quad & 4u)) + upper;
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    return vec4<f32>(raw.d, raw.d, -16.0 * raw.d, -16.0 * raw.d);
}

fn run(item: u32, half: u32) -> u32 {
    return item * 8u + half * 4u;
}
