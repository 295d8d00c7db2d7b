// Q2_K: w = d · s · q − dmin · m, s and m of 4 bits to each 16. Five vectors: scales, then quants. An item takes
// two neighbouring crumbs of the 16 bytes of a vector: weights 32 apart.
struct Raw { q: vec4<u32>, header: vec4<u32>, dm: vec2<f32> }

fn load(index: u32) -> Raw {
    let block = index / 8u;
    let part = index & 7u;
    let q = weights4[block * 5u + 1u + (part / 4u) * 2u + (part & 1u)];
    return Raw(
        q >> vec4<u32>((part & 2u) * 2u),
        weights4[block * 5u],
        unpack2x16float(weights1[shape.second + block])
    );
}

fn quants(raw: Raw, quad: u32) -> vec4<f32> {
    return vec4<f32>(crumbs(raw.q[quad & 3u] >> ((quad & 4u) / 2u)));
}

fn scales(raw: Raw, item: u32) -> vec4<f32> {
    let part = item & 7u;
    let at = (part / 4u) * 8u + (part & 2u) * 2u + (part & 1u);
    let a = byte_of(raw.header, at);
    let b = byte_of(raw.header, at + 2u);
    let s = vec2<f32>(f32(a & 15u), f32(b & 15u)) * raw.dm.x;
    let m = vec2<f32>(f32(a >> 4u), f32(b >> 4u)) * -raw.dm.y;
    return vec4<f32>(s, m);
}

fn run(item: u32, half: u32) -> u32 {
    let part = item & 7u;
    return (item / 8u) * 64u + (part / 4u) * 32u + (part & 2u) * 8u + (part & 1u) * 4u + half * 8u;
}
