//! What a QR code in a picture says.
//! It looks at one grey picture, keeps nothing of it, and does not judge what it read.
//!
//! The reader may panic or take long over pictures made for that. So the page gives it a worker of its own, without a
//! model in it, and ends that worker when it has waited long enough.

use jobs::MAX_CODE_SIDE;
use rqrr::PreparedImage;

/// Bytes of the largest code there is: version 40 at its weakest correction.
const MAX_CODE_BYTES: usize = 2_953;

/// Why a picture is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAPicture {
    #[error("a picture of {width} × {height}: a side has 1 to {MAX_CODE_SIDE} points")]
    Side { width: u32, height: u32 },
    #[error("{points} points for a picture of {width} × {height}")]
    Points { width: u32, height: u32, points: usize },
}

/// The bytes of the first code that can be read; `grey` holds one byte for each point, row by row.
pub(crate) fn read(width: u32, height: u32, grey: &[u8]) -> Result<Option<Vec<u8>>, NotAPicture> {
    let sides = 1..=MAX_CODE_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(NotAPicture::Side { width, height });
    }
    let (columns, rows) = (width as usize, height as usize);
    if grey.len() != columns * rows {
        return Err(NotAPicture::Points {
            width,
            height,
            points: grey.len(),
        });
    }
    let point = |x: usize, y: usize| grey.get(y * columns + x).copied().unwrap_or(u8::MAX);
    let mut picture = PreparedImage::prepare_from_greyscale(columns, rows, point);
    let read = picture.detect_grids().into_iter().find_map(|grid| {
        let mut bytes = Vec::new();
        grid.decode_to(&mut bytes).ok()?;
        (!bytes.is_empty() && bytes.len() <= MAX_CODE_BYTES).then_some(bytes)
    });
    Ok(read)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fast_qr::{ECL, QRBuilder};

    use super::*;

    const LINK: &str = "https://hands.example/join#v1.AAECAwQFBgcICQoLDA0ODw";
    const SIDE: u32 = 480;

    /// Where a point of the picture lies in the code, which reaches from 0 to 1.
    type Place = dyn Fn(f32, f32) -> (f32, f32);

    /// A picture of a code on a grey wall, seen as `place` says.
    fn picture(text: &str, place: &Place) -> Vec<u8> {
        let code = QRBuilder::new(text).ecl(ECL::M).build().unwrap();
        let quiet = 4.0;
        let modules = code.size as f32 + 2.0 * quiet;
        let mut grey = Vec::new();
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (u, v) = place(x as f32 / SIDE as f32, y as f32 / SIDE as f32);
                let inside = |at: f32| (0.0..1.0).contains(&at);
                if !inside(u) || !inside(v) {
                    grey.push(120);
                    continue;
                }
                let (column, row) = (u * modules - quiet, v * modules - quiet);
                let size = code.size as f32;
                let within = |at: f32| at >= 0.0 && at < size;
                let dark = within(column) && within(row) && code[row as usize][column as usize].value();
                grey.push(if dark { 30 } else { 220 });
            }
        }
        grey
    }

    fn text(grey: &[u8]) -> Option<String> {
        read(SIDE, SIDE, grey)
            .unwrap()
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn turned(degrees: f32, share: f32) -> impl Fn(f32, f32) -> (f32, f32) {
        let (sin, cos) = degrees.to_radians().sin_cos();
        move |x, y| {
            let (x, y) = ((x - 0.5) / share, (y - 0.5) / share);
            (x * cos - y * sin + 0.5, x * sin + y * cos + 0.5)
        }
    }

    /// The same noise on every machine.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 as u8
        }
    }

    #[test]
    fn what_the_app_shows_is_read_straight_and_turned() {
        for degrees in [0.0, 7.0, 33.0, 90.0, 145.0, 180.0, 260.0] {
            let grey = picture(LINK, &turned(degrees, 0.6));
            assert_eq!(text(&grey).as_deref(), Some(LINK), "{degrees} degrees");
        }
    }

    #[test]
    fn it_is_read_from_the_side() {
        // The right edge is farther away, as for a phone that is held at an angle.
        let aslant = |x: f32, y: f32| {
            let far = 1.0 + 0.35 * x;
            ((x - 0.1) * far * 1.1, (y - 0.5) * far * 1.2 + 0.5)
        };
        assert_eq!(text(&picture(LINK, &aslant)).as_deref(), Some(LINK));
    }

    #[test]
    fn it_is_read_through_noise_and_in_a_shadow() {
        let mut noise = Noise(7);
        let mut grey = picture(LINK, &turned(12.0, 0.7));
        for (at, point) in grey.iter_mut().enumerate() {
            let x = at as u32 % SIDE;
            let lit = i32::from(*point) - (x * 60 / SIDE) as i32 + i32::from(noise.next() % 50) - 25;
            *point = lit.clamp(0, 255) as u8;
        }
        assert_eq!(text(&grey).as_deref(), Some(LINK));
    }

    #[test]
    fn a_code_as_large_as_the_app_makes_them_for_a_camera_is_read() {
        // Version 10 at level M, the largest that `app` encodes without asking for more room.
        let long = format!("https://hands.example/join#v1.{}", "A".repeat(180));
        assert_eq!(
            text(&picture(&long, &turned(3.0, 0.9))).as_deref(),
            Some(long.as_str())
        );
    }

    #[test]
    fn a_picture_without_a_code_says_nothing() {
        let mut noise = Noise(42);
        let points = (SIDE * SIDE) as usize;
        let pictures = [
            vec![0; points],
            vec![255; points],
            (0..points).map(|_| noise.next()).collect::<Vec<u8>>(),
            (0..points)
                .map(|_| if noise.next() < 128 { 0 } else { 255 })
                .collect(),
        ];
        for grey in pictures {
            assert_eq!(read(SIDE, SIDE, &grey), Ok(None));
        }
        assert_eq!(read(1, 1, &[0]), Ok(None));
        let line = vec![0; MAX_CODE_SIDE as usize];
        assert_eq!(read(MAX_CODE_SIDE, 1, &line), Ok(None));
        assert_eq!(read(1, MAX_CODE_SIDE, &line), Ok(None));
    }

    #[test]
    fn a_code_with_a_hole_too_large_to_mend_is_not_guessed() {
        let mut grey = picture(LINK, &turned(0.0, 0.8));
        for y in 200..420 {
            for x in 160..420 {
                grey[y * SIDE as usize + x] = 220;
            }
        }
        assert_eq!(text(&grey), None);
    }

    #[test]
    fn what_is_no_picture_is_refused_by_name() {
        let side = |width, height| Err(NotAPicture::Side { width, height });
        assert_eq!(read(0, 10, &[]), side(0, 10));
        assert_eq!(read(10, 0, &[]), side(10, 0));
        assert_eq!(read(MAX_CODE_SIDE + 1, 1, &[]), side(MAX_CODE_SIDE + 1, 1));
        assert_eq!(read(u32::MAX, u32::MAX, &[]), side(u32::MAX, u32::MAX));
        let points = |points| {
            Err(NotAPicture::Points {
                width: 3,
                height: 3,
                points,
            })
        };
        assert_eq!(read(3, 3, &[0; 8]), points(8));
        assert_eq!(read(3, 3, &[0; 10]), points(10));
    }
}
