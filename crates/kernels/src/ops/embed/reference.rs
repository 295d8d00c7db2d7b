//! The gather over weights unpacked to f64.
//! Does not share code with the kernel.

/// Rows of `weights` (any number of rows, `cols`) by token.
pub fn gather(weights: &[f64], cols: usize, tokens: &[u32]) -> Vec<f64> {
    let row = |token: &u32| weights[*token as usize * cols..][..cols].to_vec();
    tokens.iter().flat_map(row).collect()
}
