// binary32: 32 weights in a row, without scales.
struct Raw { at: u32 }

fn load(index: u32) -> Raw {
    return Raw(index);
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(weights4[raw.at * 8u + quad]);
}

fn run(item: u32, half: u32) -> u32 {
    return item * 8u + half * 4u;
}
