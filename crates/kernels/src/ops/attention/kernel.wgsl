// Causal attention of one query head of one row over one tile of the cache. Tiles are cut at fixed positions,
// so that what is added to what depends on the row's own position alone.

struct Shape {
    n_heads: u32,
    // query heads that share one head of the cache
    sharing: u32,
    capacity: u32,
    // vectors between rows of queries, and between rows of out
    query_stride: u32,
    out_stride: u32,
    // tiles that a row of partials has room for
    tiles: u32,
    scale: f32,
}

struct Rows { count: u32, first: u32 }

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
// (n_kv_heads, QUADS, capacity)
@group(0) @binding(1) var<storage, read> keys: array<Cached4>;
// (n_kv_heads, capacity, QUADS)
@group(0) @binding(2) var<storage, read> values: array<Cached4>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
// (n, n_heads, tiles, QUADS + 1): a tile's sum of values, then its largest score and its sum of weights
@group(0) @binding(4) var<storage, read_write> partials: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> shape: Shape;
@group(0) @binding(6) var<uniform> rows: Rows;

var<workgroup> query: array<vec4<f32>, QUADS>;
var<workgroup> weights: array<f32, TILE>;
var<workgroup> parts: array<vec4<f32>, 64>;
var<workgroup> singles: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let row = group.y;
    let position = rows.first + row;
    let start = group.z * TILE;
    if start > position {
        return;
    }
    let count = min(TILE, position + 1u - start);
    let kv = head / shape.sharing;
    if thread < QUADS {
        query[thread] = queries[row * shape.query_stride + head * QUADS + thread];
    }
    workgroupBarrier();

    var most = -3.0e38;
    for (var t = thread; t < count; t += 64u) {
        var score = 0.0;
        for (var quad = 0u; quad < QUADS; quad += 1u) {
            let key = vec4<f32>(keys[(kv * QUADS + quad) * shape.capacity + start + t]);
            let q = query[quad];
            score = fma(q.w, key.w, fma(q.z, key.z, fma(q.y, key.y, fma(q.x, key.x, score))));
        }
        score *= shape.scale;
        weights[t] = score;
        most = max(most, score);
    }
    singles[thread] = most;
    workgroupBarrier();
#for w WIDTHS
    if thread < $w { singles[thread] = max(singles[thread], singles[thread + $w]); }
    workgroupBarrier();
#end
#if NEAR
    most = singles[thread];
#for w NEAR
    most = max(most, subgroupShuffleXor(most, $w));
#end
    if thread == 0u { singles[0] = most; }
    workgroupBarrier();
#end
    most = singles[0];
    workgroupBarrier();

    var total = 0.0;
    for (var t = thread; t < count; t += 64u) {
        let weight = exp(weights[t] - most);
        weights[t] = weight;
        total += weight;
    }
    singles[thread] = total;
    workgroupBarrier();
#for w WIDTHS
    if thread < $w { singles[thread] += singles[thread + $w]; }
    workgroupBarrier();
#end
#if NEAR
    total = singles[thread];
#for w NEAR
    total += subgroupShuffleXor(total, $w);
#end
    if thread == 0u { singles[0] = total; }
    workgroupBarrier();
#end
    total = singles[0];

    // QUADS threads take one position each, as many positions at a time as there are threads for.
    let quad = thread % QUADS;
    var sum = vec4<f32>();
    if thread < QUADS * SETS {
        for (var t = thread / QUADS; t < count; t += SETS) {
            let value = vec4<f32>(values[(kv * shape.capacity + start + t) * QUADS + quad]);
            sum = fma(vec4<f32>(weights[t]), value, sum);
        }
    }
    parts[thread] = sum;
    workgroupBarrier();
    if thread < QUADS {
        for (var other = 1u; other < SETS; other += 1u) {
            sum += parts[other * QUADS + thread];
        }
        if position < TILE {
            out[row * shape.out_stride + head * QUADS + thread] = sum / total;
        } else {
            let at = ((row * shape.n_heads + head) * shape.tiles + group.z) * (QUADS + 1u);
            partials[at + thread] = sum;
            if thread == 0u {
                partials[at + QUADS] = vec4<f32>(most, total, 0.0, 0.0);
            }
        }
    }
}
