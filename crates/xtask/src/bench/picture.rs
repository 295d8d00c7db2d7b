//! A picture of one column of a table: bars with their figures, as an SVG that follows the reader's light or dark.
//! It measures nothing and knows no other table than the one it is given.

use std::fmt::Write as _;

use super::{Cell, Table};

const WIDTH: f64 = 640.0;
const LEFT: f64 = 130.0;
/// For the figure behind the longest bar.
const RIGHT: f64 = 70.0;
const TOP: f64 = 48.0;
const BAR: f64 = 26.0;
const STEP: f64 = 38.0;

/// Bars for the figures of a column, named by the first one.
pub(crate) fn bars(table: &Table, column: usize, title: &str) -> String {
    let bars: Vec<(String, f64, String)> = table
        .rows()
        .iter()
        .filter_map(|row| match (row.first()?, row.get(column)?) {
            (name, figure @ Cell::Number(value, _)) => Some((name.to_string(), *value, figure.to_string())),
            _ => None,
        })
        .collect();
    let longest = bars
        .iter()
        .map(|(_, value, _)| *value)
        .fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + STEP * f64::from(u32::try_from(bars.len()).unwrap_or(u32::MAX)) + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>text{{font:14px system-ui,sans-serif;fill:#222}}.t{{font-weight:600}}.b{{fill:#3568c0}}\
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}.b{{fill:#7aa5f0}}}}</style>\n\
         <text class=\"t\" x=\"10\" y=\"26\">{title}</text>\n",
        title = escaped(title)
    );
    let mut y = TOP;
    for (name, value, figure) in bars {
        let width = (WIDTH - LEFT - RIGHT) * value.max(0.0) / longest;
        let base = y + BAR * 0.7;
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text><rect class=\"b\" x=\"{LEFT}\" y=\"{y}\" \
             width=\"{width:.1}\" height=\"{BAR}\" rx=\"3\"/><text x=\"{:.1}\" y=\"{base:.1}\">{figure}</text>",
            LEFT - 8.0,
            escaped(&name),
            LEFT + width + 8.0,
        );
        y += STEP;
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_with_a_figure_has_a_bar_in_proportion() {
        let mut table = Table::new(&["computed on", "tokens/s"]);
        table.row(["this device".into(), Cell::Number(200.0, 1)]);
        table.row(["<others>".into(), Cell::Number(50.0, 1)]);
        table.row(["nobody".into(), "".into()]);
        let svg = bars(&table, 1, "tokens & hops");
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(
            svg.contains("width=\"440.0\"") && svg.contains("width=\"110.0\""),
            "{svg}"
        );
        assert!(svg.contains("&lt;others&gt;"), "{svg}");
        assert!(
            svg.contains("tokens &amp; hops") && svg.contains(">200.0<"),
            "{svg}"
        );
    }
}
