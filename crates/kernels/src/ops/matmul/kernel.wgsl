// out (n, rows) = x (n, cols) · Wᵀ, with the norm of x before it and what belongs to the result after it.
//
// A workgroup takes GROUPS times 4 rows of W and TILE rows of x. LANES threads share a group of 4 rows: each
// takes every LANES-th item of them. The order of a sum depends on the row of W alone.

struct Shape {
    rows: u32,
    items: u32,
    cols: u32,
    // vectors between rows of x
    x_stride: u32,
    // values between rows of out
    out_stride: u32,
    // where these rows of W begin in a row of out
    out_first: u32,
    // where the second region begins
    second: u32,
    eps: f32,
}

struct Rows { count: u32, first: u32 }

@group(0) @binding(0) var<storage, read> weights4: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights1: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> shape: Shape;
@group(0) @binding(5) var<uniform> rows_of_x: Rows;
#if NORM
@group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;
#end
#if BIAS
@group(0) @binding(7) var<storage, read> bias: array<f32>;
#end

var<workgroup> sums: array<vec4<f32>, 64u * TILE>;
#if NORM
var<workgroup> squares: array<f32, 64u * TILE>;
#end

// sum + a · b, in one fixed order without anything left to contract.
fn chain(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = thread % LANES;
    let row = (group.x * GROUPS + thread / LANES) * 4u;
    // Rows beyond the last are computed as the last and not stored.
#for r FOUR
    let row$r = min(row + $r, shape.rows - 1u) * shape.items;
#end
#for t TILES
    let x$t = min(group.y * TILE + $t, rows_of_x.count - 1u) * shape.x_stride;
    var sum$t = vec4<f32>();
#if NORM
    var square$t = 0.0;
#end
#end
    for (var item = lane; item < shape.items; item += LANES) {
#for r FOUR
        let raw$r = load(row$r + item);
#if SCALES
        let scales$r = scales(raw$r, item);
#end
#end
#for h HALVES
#if LOOP
        for (var half = 0u; half < 2u; half += 1u) {
#else
        {
#end
#for t TILES
            var dot$t = vec4<f32>();
#if OFFSETS
            var total$t = 0.0;
#end
#end
            let at = run(item, $h);
#for q QUADS
#if LOOP
            for (var quad = 0u; quad < 4u; quad += 1u) {
#else
            {
#end
#for r FOUR
                let w$r = quants(raw$r, 4u * $h + $q);
#end
#if NORM
                let scale = norm[at + $q];
#end
#for t TILES
                {
#if NORM
                    let plain = x[x$t + at + $q];
                    square$t = chain(plain, plain, square$t);
                    let v = plain * scale;
#else
                    let v = x[x$t + at + $q];
#end
#for r FOUR
                    dot$t[$r] = chain(w$r, v, dot$t[$r]);
#end
#if OFFSETS
                    total$t += (v.x + v.y) + (v.z + v.w);
#end
                }
#end
            }
#end
#if SCALES
            let scale = vec4<f32>(scales0u[$h], scales1u[$h], scales2u[$h], scales3u[$h]);
#if OFFSETS
            let offset = vec4<f32>(scales0u[2u + $h], scales1u[2u + $h], scales2u[2u + $h], scales3u[2u + $h]);
#end
#for t TILES
            sum$t = fma(scale, dot$t, sum$t);
#if OFFSETS
            sum$t = fma(offset, vec4<f32>(total$t), sum$t);
#end
#end
#else
#for t TILES
            sum$t += dot$t;
#end
#end
        }
#end
    }
#if SHARED
#for t TILES
    sums[64u * $t + thread] = sum$t;
#if NORM
    squares[64u * $t + thread] = square$t;
#end
#end
#end
    workgroupBarrier();
#for w WIDTHS
    if lane < $w {
#for t TILES
        sums[64u * $t + thread] += sums[64u * $t + thread + $w];
#if NORM
        squares[64u * $t + thread] += squares[64u * $t + thread + $w];
#end
#end
    }
    workgroupBarrier();
#end
#if NEAR
#for t TILES
#if SHARED
    sum$t = sums[64u * $t + thread];
#if NORM
    square$t = squares[64u * $t + thread];
#end
#end
#for w NEAR
    sum$t += subgroupShuffleXor(sum$t, $w);
#if NORM
    square$t += subgroupShuffleXor(square$t, $w);
#end
#end
#end
    if lane == 0u {
#for t TILES
        sums[64u * $t + thread] = sum$t;
#if NORM
        squares[64u * $t + thread] = square$t;
#end
#end
    }
    workgroupBarrier();
#end
    for (var index = thread; index < GROUPS * TILE; index += 64u) {
        let t = index / GROUPS;
        let of_x = group.y * TILE + t;
        let first = (group.x * GROUPS + index % GROUPS) * 4u;
        if of_x < rows_of_x.count {
            let held = 64u * t + (index % GROUPS) * LANES;
            var y = sums[held];
#if NORM
            y *= 1.0 / sqrt(squares[held] / f32(shape.cols) + shape.eps);
#end
#if GLU
            let to = of_x * shape.out_stride + (shape.out_first + first) / 2u;
            if first < shape.rows { out[to] = silu(y.x) * y.y; }
            if first + 2u < shape.rows { out[to + 1u] = silu(y.z) * y.w; }
#else
            let to = of_x * shape.out_stride + shape.out_first + first;
#for r FOUR
            if first + $r < shape.rows {
#if BIAS
                y[$r] += bias[shape.out_first + first + $r];
#end
#if ADD
                out[to + $r] += y[$r];
#else
                out[to + $r] = y[$r];
#end
            }
#end
#end
        }
    }
}

#if GLU
// Above 80 the exponential could overflow; the quotient is 0 there either way.
fn silu(g: f32) -> f32 {
    return g / (1.0 + exp(min(-g, 80.0)));
}
#end
