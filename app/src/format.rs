//! Numbers and ids as people read them.
//! Does not translate: units are the same in every language, words come from `i18n`.

/// `1.2 GB`: powers of 1000, at most three digits.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
    format!("{value:.digits$} {}", UNITS.get(unit).copied().unwrap_or("TB"))
}

/// `850 ms`, `1.3 s`, `2 min 5 s`.
pub fn duration_ms(ms: f64) -> String {
    if !ms.is_finite() || ms < 0.0 {
        return "–".to_owned();
    }
    if ms > 0.0 && ms < 0.05 {
        return "< 0.1 ms".to_owned();
    }
    if ms < 999.5 {
        let digits = usize::from(ms < 9.95 && ms > 0.0);
        return format!("{ms:.digits$} ms");
    }
    let seconds = ms / 1000.0;
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    format!("{} min {} s", whole / 60, whole % 60)
}

/// `0.3 Wh` for so long at so many watts.
pub fn energy(compute_ms: f64, watts: f64) -> String {
    let hours = compute_ms / 3_600_000.0;
    let watt_hours = if hours.is_finite() {
        (hours * watts).max(0.0)
    } else {
        0.0
    };
    if watt_hours < 0.0005 {
        "0 Wh".to_owned()
    } else if watt_hours < 0.9995 {
        format!("{:.0} mWh", watt_hours * 1000.0)
    } else {
        format!("{watt_hours:.1} Wh")
    }
}

/// `14 tok/s`; nothing when it cannot be known.
pub fn rate(tokens: u32, ms: f64) -> Option<String> {
    (tokens > 1 && ms.is_finite() && ms > 0.0).then(|| tokens_per_s(f64::from(tokens) * 1000.0 / ms))
}

pub fn tokens_per_s(rate: f64) -> String {
    if !rate.is_finite() || rate <= 0.0 {
        "–".to_owned()
    } else if rate < 9.95 {
        format!("{rate:.1} tok/s")
    } else {
        format!("{rate:.0} tok/s")
    }
}

/// `12 345`: thin spaces between thousands.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// The last eight characters of a long id: peer ids of one kind all begin alike.
pub fn short_id(id: &str) -> String {
    const SHOWN: usize = 8;
    let length = id.chars().count();
    if length <= SHOWN + 4 {
        return id.to_owned();
    }
    let tail: String = id.chars().skip(length - SHOWN).collect();
    format!("…{tail}")
}

/// Whole per cent of `done` in `total`; 0 where the total is not known.
pub fn percent(done: u64, total: u64) -> u8 {
    if total == 0 {
        return 0;
    }
    let share = done.min(total) as f64 / total as f64;
    (share * 100.0).floor() as u8
}

/// The first words of a message, as the title of its conversation.
pub fn title(text: &str) -> String {
    const MAX_TITLE_CHARS: usize = 48;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_TITLE_CHARS {
        return line;
    }
    // One more than fits: a blank there means that the last word is whole.
    let cut: String = line.chars().take(MAX_TITLE_CHARS + 1).collect();
    match cut.rsplit_once(' ') {
        Some((whole, _)) => format!("{whole}…"),
        None => format!("{}…", cut.chars().take(MAX_TITLE_CHARS).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_people_say_them() {
        let check = |count, expect: &str| assert_eq!(bytes(count), expect);
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.0 kB");
        check(1_049_000, "1.0 MB");
        check(999_949, "1.0 MB");
        check(807_000_000, "807 MB");
        check(1_240_000_000, "1.2 GB");
        check(u64::MAX, "18446744 TB");
    }

    #[test]
    fn durations_change_unit_where_a_person_would() {
        let check = |ms, expect: &str| assert_eq!(duration_ms(ms), expect);
        check(0.0, "0 ms");
        check(0.01, "< 0.1 ms");
        check(4.25, "4.2 ms");
        check(850.4, "850 ms");
        check(1250.0, "1.2 s");
        check(59_960.0, "1 min 0 s");
        check(125_000.0, "2 min 5 s");
        check(f64::NAN, "–");
        check(-1.0, "–");
    }

    #[test]
    fn energy_is_time_at_a_power() {
        let check = |ms, watts, expect: &str| assert_eq!(energy(ms, watts), expect);
        check(0.0, 25.0, "0 Wh");
        check(36_000.0, 25.0, "250 mWh");
        check(3_600_000.0, 4.0, "4.0 Wh");
        check(f64::NAN, 4.0, "0 Wh");
        check(-5.0, 4.0, "0 Wh");
    }

    #[test]
    fn a_rate_needs_more_than_one_token_and_some_time() {
        assert_eq!(rate(1, 100.0), None);
        assert_eq!(rate(10, 0.0), None);
        assert_eq!(rate(28, 2000.0).as_deref(), Some("14 tok/s"));
        assert_eq!(rate(3, 2000.0).as_deref(), Some("1.5 tok/s"));
    }

    #[test]
    fn thousands_are_set_apart() {
        let check = |value, expect: &str| assert_eq!(count(value), expect);
        check(7, "7");
        check(999, "999");
        check(1000, "1\u{202f}000");
        check(1_234_567, "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn long_ids_show_their_tail_and_short_ones_stay_whole() {
        assert_eq!(short_id("12D3KooWAbCdEfGhIjKl"), "…EfGhIjKl");
        assert_eq!(short_id("stories"), "stories");
        assert_eq!(short_id(""), "");
    }

    #[test]
    fn per_cent_never_leaves_its_range() {
        assert_eq!(percent(1, 0), 0);
        assert_eq!(percent(5, 4), 100);
        assert_eq!(percent(999, 1000), 99);
    }

    #[test]
    fn a_title_is_one_line_cut_at_a_word() {
        assert_eq!(title("  Hello\n  there "), "Hello there");
        let long = title("Please explain to me why the sky over the sea is so very blue today");
        assert_eq!(long, "Please explain to me why the sky over the sea is…");
        assert!(title(&"x".repeat(200)).chars().count() <= 49);
    }
}
