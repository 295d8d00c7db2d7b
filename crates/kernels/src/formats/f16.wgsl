// binary16: 32 weights in a row, without scales.
struct Raw { at: u32 }

fn load(index: u32) -> Raw {
    return Raw(index);
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    let words = weights4[raw.at * 4u + quad / 2u];
    let pair = select(words.xy, words.zw, (quad & 1u) == 1u);
    return vec4<f32>(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

fn run(item: u32, half: u32) -> u32 {
    return item * 8u + half * 4u;
}
