// Q4_0: w = d · (q − 8). Low nibbles are weights 0 to 15, high ones 16 to 31.
struct Raw { q: vec4<u32>, d: f32 }

fn load(index: u32) -> Raw {
    return Raw(weights4[index], second_half(index));
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    return nibbles(raw.q[quad & 3u] >> (quad & 4u));
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    return vec4<f32>(raw.d, raw.d, -8.0 * raw.d, -8.0 * raw.d);
}

fn run(item: u32, half: u32) -> u32 {
    return item * 8u + half * 4u;
}
