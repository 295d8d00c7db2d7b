// out (n, cols) = rows of W chosen by token. A thread unpacks one item.

struct Shape {
    // rows of W in this buffer, and the first of them in the whole matrix
    rows: u32,
    first_row: u32,
    items: u32,
    // vectors between rows of out
    out_stride: u32,
    second: u32,
}

struct Rows { count: u32, first: u32 }

@group(0) @binding(0) var<storage, read> weights4: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights1: array<u32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> shape: Shape;
@group(0) @binding(5) var<uniform> rows_of_x: Rows;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let item = id.x;
    let token = tokens[id.y] - shape.first_row;
    // A token below the first row has wrapped around and is beyond the last as well.
    if item >= shape.items || token >= shape.rows {
        return;
    }
    let raw = load(token * shape.items + item);
#if SCALES
    let scale = scales(raw, item);
#end
#for h HALVES
    {
        let at = id.y * shape.out_stride + run(item, $h);
#for q FOUR
#if SCALES
        out[at + $q] = fma(quants(raw, 4u * $h + $q), vec4<f32>(scale[$h]), vec4<f32>(scale[2u + $h]));
#else
        out[at + $q] = quants(raw, 4u * $h + $q);
#end
#end
    }
#end
}
