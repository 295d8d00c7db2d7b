//! `strftime_now`: a given moment in the formats that templates ask for.
//! Does not read a clock: the caller says what time it is.

use minijinja::{Error, ErrorKind};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// Formats seconds since 1970-01-01 00:00 as C's `strftime` does in the English locale.
pub(super) fn strftime(format: &str, now_s: u64) -> Result<String, Error> {
    let (days, second_of_day) = (now_s / 86_400, now_s % 86_400);
    let (year, month, day, day_of_year) = date(days);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let (month_name, day_name) = (MONTHS[month as usize - 1], DAYS[(days % 7) as usize]);
    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        out += &match rest.next() {
            Some('Y') => format!("{year}"),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:2}"),
            Some('j') => format!("{day_of_year:03}"),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.into(),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('B') => month_name.into(),
            Some('b' | 'h') => month_name[..3].into(),
            Some('A') => day_name.into(),
            Some('a') => day_name[..3].into(),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('R') => format!("{hour:02}:{minute:02}"),
            Some('%') => "%".into(),
            other => {
                let directive: String = other.into_iter().collect();
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("strftime directive %{directive} is not known"),
                ));
            }
        };
    }
    Ok(out)
}

/// Year, month, day and day of the year of a day since 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // 146,097 days are exactly 400 years.
    let (mut year, mut left) = (1970 + days / 146_097 * 400, days % 146_097);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let day_of_year = left + 1;
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 1;
    for length in lengths {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1, day_of_year)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::strftime;

    #[test]
    fn moments_are_written_as_strftime_writes_them() {
        let check =
            |format: &str, now_s: u64, expect: &str| assert_eq!(strftime(format, now_s).unwrap(), expect);
        check("%d %b %Y", 0, "01 Jan 1970");
        check(
            "%A, %d %B %Y %H:%M:%S",
            1_709_251_199,
            "Thursday, 29 February 2024 23:59:59",
        );
        check("%a %e %j %y %I%p %%", 4_107_542_400, "Mon  1 060 00 12AM %");
        check("%F %T %R", 1_763_700_000, "2025-11-21 04:40:00 04:40");
        assert!(strftime("%Q", 0).unwrap_err().to_string().contains("%Q"));
    }
}
