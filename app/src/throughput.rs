//! How fast a swarm could answer with one model, from what its lenders say of themselves.
//! An estimate: it knows nothing of the network between them.

use crate::view::{Model, Worker};

/// Tokens a second along the fewest devices that cover the model; nothing where a layer is missing.
pub fn tokens_per_s(model: &Model, workers: &[Worker]) -> Option<f64> {
    let lent: Vec<&Worker> = workers
        .iter()
        .filter(|w| w.model == model.id && w.first < w.end && w.tokens_per_s > 0.0)
        .collect();
    let (mut at, mut seconds) = (0, 0.0);
    while at < model.layers {
        let next = lent
            .iter()
            .filter(|w| w.first <= at && at < w.end)
            .max_by(|a, b| a.end.cmp(&b.end).then(a.tokens_per_s.total_cmp(&b.tokens_per_s)))?;
        let end = next.end.min(model.layers);
        // A device that serves a part of its range works in proportion.
        let share = f64::from(end - at) / f64::from(next.end - next.first);
        seconds += share / next.tokens_per_s;
        at = end;
    }
    (seconds > 0.0).then(|| 1.0 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(ranges: &[(u32, u32, f64)]) -> Option<f64> {
        let model = Model {
            id: "m".into(),
            layers: 4,
            ..Model::default()
        };
        let workers: Vec<Worker> = ranges
            .iter()
            .map(|&(first, end, tokens_per_s)| Worker {
                model: "m".into(),
                first,
                end,
                tokens_per_s,
                ..Worker::default()
            })
            .collect();
        tokens_per_s(&model, &workers)
    }

    #[test]
    fn stages_add_their_times_and_a_gap_is_no_answer() {
        let check = |ranges: &[(u32, u32, f64)], expect: Option<f64>| {
            let got = estimate(ranges);
            let close = match (got, expect) {
                (Some(got), Some(expect)) => (got - expect).abs() < 1e-9,
                (got, expect) => got == expect,
            };
            assert!(close, "{ranges:?}: {got:?}, not {expect:?}");
        };
        check(&[(0, 4, 20.0)], Some(20.0));
        check(&[(0, 2, 20.0), (2, 4, 20.0)], Some(10.0));
        check(&[(0, 2, 20.0), (0, 4, 10.0)], Some(10.0));
        check(
            &[(0, 3, 30.0), (2, 4, 10.0)],
            Some(1.0 / (1.0 / 30.0 + 0.5 / 10.0)),
        );
        check(&[(0, 2, 20.0)], None);
        check(&[(0, 4, 0.0)], None);
        check(&[], None);
    }
}
