// Keys and values as they were computed.
alias Cached = f32;
alias Cached4 = vec4<f32>;

fn cached(value: f32) -> f32 {
    return value;
}
