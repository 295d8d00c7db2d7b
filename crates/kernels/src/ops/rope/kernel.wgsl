// Turns queries and keys by their position, after their norm where the model has one, and puts keys and values
// into the cache. A workgroup takes one head of one row.

struct Shape {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    // pairs of values that are turned
    pairs: u32,
    // values between rows of qkv
    stride: u32,
    // positions in the cache
    capacity: u32,
    eps: f32,
}

struct Rows { count: u32, first: u32 }

@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
// (n_kv_heads, head_dim / 4, capacity, 4): threads that score neighbouring positions read neighbouring vectors
@group(0) @binding(1) var<storage, read_write> keys: array<Cached>;
// (n_kv_heads, capacity, head_dim)
@group(0) @binding(2) var<storage, read_write> values: array<Cached>;
// (positions, pairs): cosine, sine
@group(0) @binding(3) var<storage, read> turns: array<vec2<f32>>;
@group(0) @binding(4) var<uniform> shape: Shape;
@group(0) @binding(5) var<uniform> rows: Rows;
#if NORM
@group(0) @binding(6) var<storage, read> query_norm: array<f32>;
@group(0) @binding(7) var<storage, read> key_norm: array<f32>;
#end

#if NORM
var<workgroup> squares: array<f32, 64>;
#end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let position = rows.first + group.y;
    let dim = shape.head_dim;
    let at = group.y * shape.stride + head * dim;
    let is_query = head < shape.n_heads;
    let is_value = head >= shape.n_heads + shape.n_kv_heads;
#if NORM
    var square = 0.0;
    for (var i = thread; i < dim; i += 64u) {
        square = fma(qkv[at + i], qkv[at + i], square);
    }
    squares[thread] = square;
    workgroupBarrier();
#for w WIDTHS
    if thread < $w { squares[thread] += squares[thread + $w]; }
    workgroupBarrier();
#end
#if NEAR
    square = squares[thread];
#for w NEAR
    square += subgroupShuffleXor(square, $w);
#end
    if thread == 0u { squares[0] = square; }
    workgroupBarrier();
#end
    let scale = 1.0 / sqrt(squares[0] / f32(dim) + shape.eps);
#else
    let scale = 1.0;
#end
    if is_value {
        let kv = head - shape.n_heads - shape.n_kv_heads;
        for (var i = thread; i < dim; i += 64u) {
            values[(kv * shape.capacity + position) * dim + i] = cached(qkv[at + i]);
        }
        return;
    }
    // Pairs first, then the values that are not turned.
    let untouched = dim - 2u * shape.pairs;
    for (var i = thread; i < shape.pairs + untouched; i += 64u) {
        if i < shape.pairs {
#if NEOX
            let a = i;
            let b = i + shape.pairs;
#else
            let a = 2u * i;
            let b = 2u * i + 1u;
#end
            let turn = turns[position * shape.pairs + i];
            let p = normed(at, a, scale, is_query);
            let q = normed(at, b, scale, is_query);
            put(at, a, head, position, is_query, fma(p, turn.x, -(q * turn.y)));
            put(at, b, head, position, is_query, fma(p, turn.y, q * turn.x));
        } else {
            let a = i + shape.pairs;
            put(at, a, head, position, is_query, normed(at, a, scale, is_query));
        }
    }
}

fn normed(at: u32, i: u32, scale: f32, is_query: bool) -> f32 {
#if NORM
    return qkv[at + i] * scale * select(key_norm[i], query_norm[i], is_query);
#else
    return qkv[at + i];
#end
}

fn put(at: u32, i: u32, head: u32, position: u32, is_query: bool, value: f32) {
    if is_query {
        qkv[at + i] = value;
    } else {
        let kv = head - shape.n_heads;
        let quad = kv * (shape.head_dim / 4u) + i / 4u;
        keys[(quad * shape.capacity + position) * 4u + i % 4u] = cached(value);
    }
}
