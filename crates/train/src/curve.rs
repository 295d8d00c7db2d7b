//! The loss curve as a small picture.
//! Does not smooth: what is drawn is what was measured.

use std::fmt::Write;

const WIDTH: f32 = 640.0;
const HEIGHT: f32 = 240.0;
/// Room for the numbers at the axes.
const LEFT: f32 = 44.0;
const BOTTOM: f32 = 28.0;
const TOP: f32 = 12.0;

/// An SVG of points (step, loss), the loss on a logarithmic axis; it follows the reader's light or dark theme.
pub fn svg(points: &[(u64, f32)]) -> String {
    let last = points.last().map_or(1, |(step, _)| *step).max(1) as f32;
    let losses = points.iter().map(|(_, loss)| loss.max(1e-4).log10());
    let high = losses.clone().reduce(f32::max).unwrap_or(0.0).ceil();
    let low = losses.clone().reduce(f32::min).unwrap_or(0.0).floor();
    let (low, high) = if high > low {
        (low, high)
    } else {
        (low - 1.0, low + 1.0)
    };
    let x = |step: f32| LEFT + (WIDTH - LEFT - 8.0) * step / last;
    let y = |loss: f32| TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"loss by training step\"><style>text{{font:11px system-ui,sans-serif;fill:#777}}\
         path{{fill:none;stroke:#2a7;stroke-width:1.6}}line{{stroke:#8884}}</style>\n"
    );
    let mut decade = low;
    while decade <= high {
        let (at, label) = (y(decade), 10_f32.powf(decade));
        let right = WIDTH - 8.0;
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
        );
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            at + 4.0
        );
        decade += 1.0;
    }
    for part in 0..=4_u8 {
        let step = last * f32::from(part) / 4.0;
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{step:.0}</text>",
            x(step).min(WIDTH - 18.0),
            HEIGHT - 10.0
        );
    }
    let mut path = String::new();
    for ((step, _), loss) in points.iter().zip(losses) {
        let _ = write!(
            path,
            "{}{:.1},{:.1}",
            if path.is_empty() { "M" } else { "L" },
            x(*step as f32),
            y(loss)
        );
    }
    let _ = writeln!(out, "<path d=\"{path}\"/>\n</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_loss_is_drawn_falling_within_the_picture() {
        let drawn = svg(&[(20, 7.5), (40, 2.0), (60, 0.2)]);
        let path = drawn
            .split("d=\"M")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let points: Vec<(f32, f32)> = path
            .unwrap_or_default()
            .split('L')
            .filter_map(|point| point.split_once(','))
            .filter_map(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)))
            .collect();
        assert_eq!(points.len(), 3);
        assert!(
            points
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1)
        );
        assert!(
            points
                .iter()
                .all(|(x, y)| (0.0..=WIDTH).contains(x) && (0.0..=HEIGHT).contains(y))
        );
    }

    #[test]
    fn no_points_and_one_point_are_pictures_too() {
        assert!(svg(&[]).ends_with("</svg>\n"));
        assert!(!svg(&[(20, 1.0)]).contains("NaN"));
    }
}
