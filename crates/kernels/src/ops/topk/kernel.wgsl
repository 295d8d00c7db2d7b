// The k likeliest tokens of each row of logits, in no order: a radix select over the bits of the logits and then,
// among those equal to the last one in, over the bits of the ids, smaller ones first. In whole numbers.

struct Shape {
    vocab: u32,
    // values between rows of logits
    stride: u32,
    // how many, at most the vocabulary
    k: u32,
    // results between rows of out
    out_stride: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<u32>;
// (n, k, 2): id, and its logit's place in the order
@group(0) @binding(1) var<storage, read_write> out: array<vec2<u32>>;
@group(0) @binding(2) var<uniform> shape: Shape;

const THREADS = 256u;
var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> taken: atomic<u32>;
// Bits of the threshold that are known, and how many are still to be found at or beyond it.
var<workgroup> known: u32;
var<workgroup> wanted: u32;

// Among the bins of a byte, from 255 down, the one in which the last wanted one lies.
fn narrow(shift: u32) {
    var left = wanted;
    for (var bin = 255u; ; bin -= 1u) {
        let count = atomicLoad(&counts[bin]);
        if count >= left || bin == 0u {
            known |= bin << shift;
            wanted = left;
            return;
        }
        left -= count;
    }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = group.x * shape.stride;
    if thread == 0u {
        known = 0u;
        wanted = shape.k;
        atomicStore(&taken, 0u);
    }
    workgroupBarrier();
#for s SHIFTS
    {
        atomicStore(&counts[thread], 0u);
        workgroupBarrier();
        let prefix = known;
        for (var id = thread; id < shape.vocab; id += THREADS) {
            let place = order(logits[first + id]);
            if (((place ^ prefix) >> 8u) >> $s) == 0u {
                atomicAdd(&counts[(place >> $s) & 255u], 1u);
            }
        }
        workgroupBarrier();
        if thread == 0u { narrow($s); }
        workgroupBarrier();
    }
#end
    let threshold = known;
    workgroupBarrier();
    if thread == 0u { known = 0u; }
    workgroupBarrier();
#for s SHIFTS
    {
        atomicStore(&counts[thread], 0u);
        workgroupBarrier();
        let prefix = known;
        for (var id = thread; id < shape.vocab; id += THREADS) {
            let turned = ~id;
            if order(logits[first + id]) == threshold && (((turned ^ prefix) >> 8u) >> $s) == 0u {
                atomicAdd(&counts[(turned >> $s) & 255u], 1u);
            }
        }
        workgroupBarrier();
        if thread == 0u { narrow($s); }
        workgroupBarrier();
    }
#end
    let last = ~known;
    for (var id = thread; id < shape.vocab; id += THREADS) {
        let place = order(logits[first + id]);
        if place > threshold || (place == threshold && id <= last) {
            let at = atomicAdd(&taken, 1u);
            if at < shape.k {
                out[group.x * shape.out_stride + at] = vec2<u32>(id, place);
            }
        }
    }
}
