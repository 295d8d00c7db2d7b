//! The likeliest token, as the sampler on the CPU chooses it.
//! Does not share code with the kernel.

/// The largest finite logit's id, the smallest among equals; none where the largest is not finite.
pub fn likeliest(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (id, logit) in (0..).zip(logits) {
        if !logit.is_nan() && best.is_none_or(|(_, most)| logit.total_cmp(&most).is_gt()) {
            best = Some((id, *logit));
        }
    }
    best.filter(|(_, logit)| logit.is_finite()).map(|(id, _)| id)
}
