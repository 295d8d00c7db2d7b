//! 128-bit operations on x86-64: SSE2, which every such machine has.
//! Does not detect wider vectors at run time.

#![allow(unsafe_code)] // intrinsics of a feature that this file is only compiled with

use std::arch::x86_64::*;

/// Calls an intrinsic.
macro_rules! sse2 {
    ($call:expr) => {
        // SAFETY: this file is compiled for targets with SSE2 alone, and these take values, not
        // addresses.
        unsafe { $call }
    };
}

pub(crate) type Int = __m128i;
pub(crate) type Float = __m128;

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
    bytemuck::cast([value; 8])
}

#[inline(always)]
pub(crate) fn and(a: Int, b: Int) -> Int {
    sse2!(_mm_and_si128(a, b))
}

#[inline(always)]
pub(crate) fn or(a: Int, b: Int) -> Int {
    sse2!(_mm_or_si128(a, b))
}

#[inline(always)]
pub(crate) fn shift_right<const N: i32>(a: Int) -> Int {
    sse2!(_mm_srli_epi16::<N>(a))
}

#[inline(always)]
pub(crate) fn shift_left<const N: i32>(a: Int) -> Int {
    sse2!(_mm_slli_epi16::<N>(a))
}

#[inline(always)]
pub(crate) fn shift_right_signed<const N: i32>(a: Int) -> Int {
    sse2!(_mm_srai_epi16::<N>(a))
}

#[inline(always)]
pub(crate) fn dot(a: Int, b: Int) -> Int {
    sse2!(_mm_madd_epi16(a, b))
}

#[inline(always)]
pub(crate) fn add(a: Int, b: Int) -> Int {
    sse2!(_mm_add_epi32(a, b))
}

#[inline(always)]
pub(crate) fn to_float(a: Int) -> Float {
    sse2!(_mm_cvtepi32_ps(a))
}

#[inline(always)]
pub(crate) fn splat(value: f32) -> Float {
    sse2!(_mm_set1_ps(value))
}

#[inline(always)]
pub(crate) fn add_float(a: Float, b: Float) -> Float {
    sse2!(_mm_add_ps(a, b))
}

#[inline(always)]
pub(crate) fn mul_float(a: Float, b: Float) -> Float {
    sse2!(_mm_mul_ps(a, b))
}

#[inline(always)]
pub(crate) fn float_lanes(a: Float) -> [f32; 4] {
    bytemuck::cast(a)
}

#[cfg(test)]
pub(crate) fn int_lanes(a: Int) -> [i32; 4] {
    bytemuck::cast(a)
}
