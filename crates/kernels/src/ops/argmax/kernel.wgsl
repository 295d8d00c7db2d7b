// The likeliest token of each row of logits: the largest, the smaller id among equals. In whole numbers, so that
// it is exact everywhere.

struct Shape {
    vocab: u32,
    // values between rows of logits
    stride: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<u32>;
// (n, 2): id, and its logit's place in the order
@group(0) @binding(1) var<storage, read_write> out: array<vec2<u32>>;
@group(0) @binding(2) var<uniform> shape: Shape;

const THREADS = 256u;
var<workgroup> best: array<vec2<u32>, THREADS>;

fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let second = b.y > a.y || (b.y == a.y && b.x < a.x);
    return select(a, b, second);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = group.x * shape.stride;
    var mine = vec2<u32>(0xffffffffu, 0u);
    for (var id = thread; id < shape.vocab; id += THREADS) {
        mine = better(mine, vec2<u32>(id, order(logits[first + id])));
    }
    best[thread] = mine;
    workgroupBarrier();
#for w WIDTHS
    if thread < $w { best[thread] = better(best[thread], best[thread + $w]); }
    workgroupBarrier();
#end
    if thread == 0u {
        out[group.x] = best[0];
    }
}
