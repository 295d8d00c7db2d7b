// Joins the tiles of rows that have more than one.

struct Shape {
    n_heads: u32,
    sharing: u32,
    capacity: u32,
    query_stride: u32,
    out_stride: u32,
    tiles: u32,
    scale: f32,
}

struct Rows { count: u32, first: u32 }

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> shape: Shape;
@group(0) @binding(3) var<uniform> rows: Rows;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let row = group.y;
    let tiles = (rows.first + row) / TILE + 1u;
    if tiles == 1u || thread >= QUADS {
        return;
    }
    let first = (row * shape.n_heads + head) * shape.tiles;
    var most = -3.0e38;
    for (var tile = 0u; tile < tiles; tile += 1u) {
        most = max(most, partials[(first + tile) * (QUADS + 1u) + QUADS].x);
    }
    var total = 0.0;
    var sum = vec4<f32>();
    for (var tile = 0u; tile < tiles; tile += 1u) {
        let at = (first + tile) * (QUADS + 1u);
        let of_tile = partials[at + QUADS];
        let weight = exp(of_tile.x - most);
        total = fma(weight, of_tile.y, total);
        sum = fma(vec4<f32>(weight), partials[at + thread], sum);
    }
    out[row * shape.out_stride + head * QUADS + thread] = sum / total;
}
