//! An address as a QR code, in the shape of an SVG path.
//! Draws nothing itself and reads no codes.

use fast_qr::{ECL, QRBuilder, Version};

/// Modules of quiet zone on each side, as the standard asks.
pub const QUIET: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qr {
    /// Modules per side, quiet zone included.
    pub size: usize,
    /// One rectangle per run of dark modules.
    pub path: String,
}

/// The code at level M, no larger than version 10: beyond that a phone has to come too near.
pub fn encode(text: &str) -> Option<Qr> {
    up_to(text, Version::V10)
}

/// A code of more modules, for what holds signatures: to be shown large.
pub fn encode_large(text: &str) -> Option<Qr> {
    up_to(text, Version::V30)
}

fn up_to(text: &str, most: Version) -> Option<Qr> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    if code
        .version
        .is_none_or(|version| version as usize > most as usize)
    {
        return None;
    }
    let mut path = String::new();
    for row in 0..code.size {
        let mut column = 0;
        while column < code.size {
            let begun = column;
            while column < code.size && code[row][column].value() {
                column += 1;
            }
            if column > begun {
                let (x, y, width) = (begun + QUIET, row + QUIET, column - begun);
                path.push_str(&format!("M{x} {y}h{width}v1h-{width}z"));
            }
            column += 1;
        }
    }
    Some(Qr {
        size: code.size + 2 * QUIET,
        path,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_invite_fits_version_six() {
        // The contract's longest: a public name of 60 letters and a secret of 16 bytes in base64url.
        let link = format!("https://{}/join#v1.{}", "n".repeat(60), "A".repeat(22));
        assert!(encode(&link).unwrap().size <= 41 + 2 * QUIET);
    }

    #[test]
    fn the_path_begins_with_the_finder_and_stays_inside() {
        let qr = encode("http://localhost:8787/join").unwrap();
        assert!(qr.path.starts_with("M4 4h7v1h-7z"), "{}", &qr.path[..24]);
        assert!(qr.size >= 21 + 2 * QUIET);
    }

    #[test]
    fn what_needs_a_larger_code_gets_none() {
        assert_eq!(encode(&"x".repeat(400)), None);
    }
}
