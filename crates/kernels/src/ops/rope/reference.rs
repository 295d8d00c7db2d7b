//! The rotation of one head in f64.
//! Does not share code with the kernel.

/// One head after its norm and its turn by (cosine, sine) of each pair.
pub fn turn(head: &[f32], norm: Option<(&[f32], f32)>, turns: &[[f32; 2]], neox: bool) -> Vec<f64> {
    let mut x: Vec<f64> = head.iter().map(|x| f64::from(*x)).collect();
    if let Some((norm, eps)) = norm {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + f64::from(eps)).sqrt();
        x.iter_mut()
            .zip(norm)
            .for_each(|(x, w)| *x *= scale * f64::from(*w));
    }
    for (pair, [cos, sin]) in turns.iter().enumerate() {
        let (a, b) = if neox {
            (pair, pair + turns.len())
        } else {
            (2 * pair, 2 * pair + 1)
        };
        let (cos, sin) = (f64::from(*cos), f64::from(*sin));
        (x[a], x[b]) = (x[a] * cos - x[b] * sin, x[a] * sin + x[b] * cos);
    }
    x
}
