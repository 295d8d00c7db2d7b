//! The likeliest tokens by sorting all of them.
//! Does not share code with the kernel.

/// Ids of the `k` largest logits, the largest first, the smaller id first among equals, what is no number last.
pub fn likeliest(logits: &[f32], k: usize) -> Vec<u32> {
    let key = |id: &u32| {
        let logit = logits[*id as usize];
        if logit.is_nan() { f32::NEG_INFINITY } else { logit }
    };
    let mut ids: Vec<u32> = (0..).take(logits.len()).collect();
    ids.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.cmp(b)));
    ids.truncate(k);
    ids
}
