//! What a camera shows, made small and grey for a reader of codes.
//! It draws nothing and reads nothing.

/// The size to draw a frame at so that no side has more than `most` points; nothing while there is no picture yet.
pub fn fit(width: u32, height: u32, most: u32) -> Option<(u32, u32)> {
    let longer = width.max(height);
    if width == 0 || height == 0 || most == 0 {
        return None;
    }
    if longer <= most {
        return Some((width, height));
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(most) / u64::from(longer);
        // No larger than `most`, so it fits.
        u32::try_from(side).unwrap_or(most).max(1)
    };
    Some((scaled(width), scaled(height)))
}

/// One byte of brightness for each four of red, green, blue and opacity.
pub fn grey(rgba: &[u8]) -> Vec<u8> {
    rgba.as_chunks::<4>()
        .0
        .iter()
        .map(|&[red, green, blue, _]| {
            // How bright the eye finds each (ITU-R BT.601), in parts of 256.
            let sum = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
            u8::try_from(sum / 256).unwrap_or(u8::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_keeps_its_shape_and_no_side_is_too_long() {
        assert_eq!(fit(640, 480, 800), Some((640, 480)));
        assert_eq!(fit(1280, 720, 800), Some((800, 450)));
        assert_eq!(fit(1080, 1920, 800), Some((450, 800)));
        assert_eq!(fit(4, 100_000, 800), Some((1, 800)));
        assert_eq!(fit(u32::MAX, u32::MAX, 800), Some((800, 800)));
    }

    #[test]
    fn a_camera_that_shows_nothing_yet_has_no_frame() {
        assert_eq!(fit(0, 480, 800), None);
        assert_eq!(fit(640, 0, 800), None);
    }

    #[test]
    fn white_is_bright_black_is_dark_and_green_is_brighter_than_blue() {
        let pixels = [255, 255, 255, 255, 0, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255];
        assert_eq!(grey(&pixels), [255, 0, 149, 28]);
        assert_eq!(grey(&[1, 2, 3]), Vec::<u8>::new());
    }
}
