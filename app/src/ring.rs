//! Where things stand in the picture of the swarm: layers on a circle, lenders as arcs around them.
//! Computes coordinates only; `components::ring` draws.

use std::f64::consts::{PI, TAU};

/// Arcs drawn one outside the other; lenders beyond share the outermost lane.
pub const MAX_LANES: usize = 6;

/// The SVG path of layers `first..end` of `layers` on a circle around (0, 0), beginning at the top.
pub fn arc(first: u32, end: u32, layers: u32, radius: f64) -> String {
    if layers == 0 || first >= end {
        return String::new();
    }
    let angle = |layer: f64| layer / f64::from(layers) * TAU - PI / 2.0;
    // A gap between neighbours, narrower where layers are many.
    let gap = (TAU / f64::from(layers) * 0.12).min(0.06);
    let (from, to) = (
        angle(f64::from(first)) + gap / 2.0,
        angle(f64::from(end.min(layers))) - gap / 2.0,
    );
    let point = |angle: f64| (radius * angle.cos(), radius * angle.sin());
    let ((x1, y1), (x2, y2)) = (point(from), point(to));
    let large = u8::from(to - from > PI);
    format!("M{x1:.2} {y1:.2}A{radius:.2} {radius:.2} 0 {large} 1 {x2:.2} {y2:.2}")
}

/// A lane for each range such that ranges of one lane do not overlap, as far as there are lanes.
pub fn lanes(ranges: &[(u32, u32)]) -> Vec<usize> {
    let mut ends: Vec<Vec<(u32, u32)>> = Vec::new();
    ranges
        .iter()
        .map(|&(first, end)| {
            let free = ends
                .iter()
                .position(|lane| lane.iter().all(|&(a, b)| end <= a || b <= first));
            let lane = free.unwrap_or(ends.len()).min(MAX_LANES - 1);
            if lane == ends.len() {
                ends.push(Vec::new());
            }
            if let Some(taken) = ends.get_mut(lane) {
                taken.push((first, end));
            }
            lane
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_overlap_get_lanes_of_their_own() {
        let check = |ranges: &[(u32, u32)], expect: &[usize]| assert_eq!(lanes(ranges), expect, "{ranges:?}");
        check(&[(0, 3), (3, 5)], &[0, 0]);
        check(&[(0, 3), (2, 5), (3, 4)], &[0, 1, 0]);
        check(&[], &[]);
        check(&[(0, 1); 9], &[0, 1, 2, 3, 4, 5, 5, 5, 5]);
    }

    #[test]
    fn an_arc_begins_at_the_top_and_goes_round_clockwise() {
        let path = arc(0, 1, 4, 100.0);
        assert!(path.starts_with("M3.00 -99.9"), "{path}");
        assert!(path.contains("0 0 1 "), "{path}");
        assert!(arc(0, 3, 4, 100.0).contains("0 1 1 "));
        assert_eq!(arc(2, 2, 4, 100.0), "");
        assert_eq!(arc(0, 1, 0, 100.0), "");
        assert_eq!(arc(2, 900, 4, 100.0), arc(2, 4, 4, 100.0));
    }
}
