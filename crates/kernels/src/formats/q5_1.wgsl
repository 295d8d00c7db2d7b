// Q5_1: w = d · q + m; the fifth bit of weight i is bit i of a word.
struct Raw { q: vec4<u32>, fifth: u32, dm: vec2<f32> }

fn load(index: u32) -> Raw {
    let at = shape.second + index * 2u;
    return Raw(weights4[index], weights1[at + 1u], unpack2x16float(weights1[at]));
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    let upper = vec4<f32>(four_bits(raw.fifth, quad) << vec4<u32>(4u));
    return nibbles(raw.q[quad & 3u] >> (quad & 4u)) + upper;
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    return raw.dm.xxyy;
}

fn run(item: u32, half: u32) -> u32 {
    return item * 8u + half * 4u;
}
