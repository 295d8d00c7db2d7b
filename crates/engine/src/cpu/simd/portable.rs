//! 128-bit operations as arrays, for every other platform and as what the others are tested against.
//! Does not rely on the compiler to be right, only to be fast.
#![cfg_attr(any(target_arch = "wasm32", target_arch = "x86_64"), allow(dead_code))]

/// Eight 16-bit lanes; pairs of them are 32-bit lanes, low half first.
#[derive(Clone, Copy)]
pub(crate) struct Int([u16; 8]);

#[derive(Clone, Copy)]
pub(crate) struct Float([f32; 4]);

#[inline(always)]
pub(crate) fn load(bytes: &[u8; 16]) -> Int {
    Int(std::array::from_fn(|i| {
        u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]])
    }))
}

#[inline(always)]
pub(crate) fn load_i16(values: &[i16; 8]) -> Int {
    Int(values.map(i16::cast_unsigned))
}

#[inline(always)]
pub(crate) fn splat_u16(value: u16) -> Int {
    Int([value; 8])
}

#[inline(always)]
pub(crate) fn and(a: Int, b: Int) -> Int {
    Int(std::array::from_fn(|i| a.0[i] & b.0[i]))
}

#[inline(always)]
pub(crate) fn or(a: Int, b: Int) -> Int {
    Int(std::array::from_fn(|i| a.0[i] | b.0[i]))
}

#[inline(always)]
pub(crate) fn shift_right<const N: i32>(a: Int) -> Int {
    Int(a.0.map(|x| x >> N))
}

#[inline(always)]
pub(crate) fn shift_left<const N: i32>(a: Int) -> Int {
    Int(a.0.map(|x| x << N))
}

#[inline(always)]
pub(crate) fn shift_right_signed<const N: i32>(a: Int) -> Int {
    Int(a.0.map(|x| (x.cast_signed() >> N).cast_unsigned()))
}

/// Each 32-bit lane: the sum of the products of two neighbouring signed 16-bit lanes.
#[inline(always)]
pub(crate) fn dot(a: Int, b: Int) -> Int {
    let product = |i: usize| i32::from(a.0[i].cast_signed()) * i32::from(b.0[i].cast_signed());
    from_i32(std::array::from_fn(|i| {
        product(2 * i).wrapping_add(product(2 * i + 1))
    }))
}

#[inline(always)]
pub(crate) fn add(a: Int, b: Int) -> Int {
    let (a, b) = (int_lanes(a), int_lanes(b));
    from_i32(std::array::from_fn(|i| a[i].wrapping_add(b[i])))
}

#[inline(always)]
pub(crate) fn to_float(a: Int) -> Float {
    Float(int_lanes(a).map(|x| x as f32))
}

#[inline(always)]
pub(crate) fn splat(value: f32) -> Float {
    Float([value; 4])
}

#[inline(always)]
pub(crate) fn add_float(a: Float, b: Float) -> Float {
    Float(std::array::from_fn(|i| a.0[i] + b.0[i]))
}

#[inline(always)]
pub(crate) fn mul_float(a: Float, b: Float) -> Float {
    Float(std::array::from_fn(|i| a.0[i] * b.0[i]))
}

#[inline(always)]
pub(crate) fn float_lanes(a: Float) -> [f32; 4] {
    a.0
}

#[inline(always)]
pub(crate) fn int_lanes(a: Int) -> [i32; 4] {
    std::array::from_fn(|i| (u32::from(a.0[2 * i]) | u32::from(a.0[2 * i + 1]) << 16).cast_signed())
}

#[inline(always)]
fn from_i32(lanes: [i32; 4]) -> Int {
    Int(std::array::from_fn(|i| {
        (lanes[i / 2].cast_unsigned() >> (16 * (i % 2))) as u16
    }))
}
