//! 128-bit operations on WebAssembly with simd128.
//! Does not use relaxed SIMD, whose results differ between machines.

use std::arch::wasm32::*;

pub(crate) type Int = v128;
pub(crate) type Float = v128;

#[inline(always)]
pub(crate) fn load(bytes: &[u8; 16]) -> Int {
    bytemuck::cast(*bytes)
}

#[inline(always)]
pub(crate) fn load_i16(values: &[i16; 8]) -> Int {
    bytemuck::cast(*values)
}

#[inline(always)]
pub(crate) fn splat_u16(value: u16) -> Int {
    u16x8_splat(value)
}

#[inline(always)]
pub(crate) fn and(a: Int, b: Int) -> Int {
    v128_and(a, b)
}

#[inline(always)]
pub(crate) fn or(a: Int, b: Int) -> Int {
    v128_or(a, b)
}

#[inline(always)]
pub(crate) fn shift_right<const N: i32>(a: Int) -> Int {
    u16x8_shr(a, N as u32)
}

#[inline(always)]
pub(crate) fn shift_left<const N: i32>(a: Int) -> Int {
    i16x8_shl(a, N as u32)
}

#[inline(always)]
pub(crate) fn shift_right_signed<const N: i32>(a: Int) -> Int {
    i16x8_shr(a, N as u32)
}

#[inline(always)]
pub(crate) fn dot(a: Int, b: Int) -> Int {
    i32x4_dot_i16x8(a, b)
}

#[inline(always)]
pub(crate) fn add(a: Int, b: Int) -> Int {
    i32x4_add(a, b)
}

#[inline(always)]
pub(crate) fn to_float(a: Int) -> Float {
    f32x4_convert_i32x4(a)
}

#[inline(always)]
pub(crate) fn splat(value: f32) -> Float {
    f32x4_splat(value)
}

#[inline(always)]
pub(crate) fn add_float(a: Float, b: Float) -> Float {
    f32x4_add(a, b)
}

#[inline(always)]
pub(crate) fn mul_float(a: Float, b: Float) -> Float {
    f32x4_mul(a, b)
}

#[inline(always)]
pub(crate) fn float_lanes(a: Float) -> [f32; 4] {
    bytemuck::cast(a)
}
