enable f16;
// Keys and values in half precision; what is beyond its range is the end of its range.
alias Cached = f16;
alias Cached4 = vec4<f16>;

fn cached(value: f32) -> f16 {
    return f16(clamp(value, -65504.0, 65504.0));
}
