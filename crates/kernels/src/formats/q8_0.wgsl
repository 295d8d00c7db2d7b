// Q8_0: w = d · q with signed bytes.
struct Raw { a: vec4<u32>, b: vec4<u32>, d: f32 }

fn load(index: u32) -> Raw {
    return Raw(weights4[index * 2u], weights4[index * 2u + 1u], second_half(index));
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    if quad < 4u {
        return signed_bytes(raw.a[quad & 3u]);
    }
    return signed_bytes(raw.b[quad & 3u]);
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    return vec4<f32>(raw.d, raw.d, 0.0, 0.0);
}

fn run(item: u32, half: u32) -> u32 {
    return item * 8u + half * 4u;
}
