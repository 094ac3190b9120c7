//! Numbers as people read them: few digits, a unit, and never more exact than they are.

use std::time::Duration;

/// Between the groups of a long number, and between a number and its unit: a space at which no line breaks.
pub(super) const NARROW: char = '\u{202f}';

/// A whole number in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(NARROW);
        }
        text.push(digit);
    }
    text
}

/// A number with about three digits that count.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 9_999.5 => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and rates")]
            let whole = number.round().max(0.0) as u64;
            grouped(whole)
        }
        size if size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        size if size > 0.0 && size < 0.000_1 => format!("{number:.1e}"),
        size if size > 0.0 && size < 0.01 => format!("{number:.4}").trim_end_matches('0').to_owned(),
        0.0 => String::from("0"),
        _ => format!("{number:.2}"),
    }
}

/// A length of time: `850 µs`, `4.20 ms`, `141 ms`, `2.64 s`, `3 min 5 s`.
pub(super) fn time(length: Duration) -> String {
    let seconds = length.as_secs_f64();
    if seconds < 0.000_999_5 {
        format!("{}{NARROW}µs", length.as_micros())
    } else if seconds < 0.999_5 {
        format!("{}{NARROW}ms", short(seconds * 1e3))
    } else if seconds < 119.5 {
        format!("{}{NARROW}s", short(seconds))
    } else {
        let whole = length.as_secs() + u64::from(length.subsec_millis() >= 500);
        match (whole / 3_600, whole / 60 % 60, whole % 60) {
            (0, minutes, 0) => format!("{minutes}{NARROW}min"),
            (0, minutes, seconds) => format!("{minutes}{NARROW}min {seconds}{NARROW}s"),
            (hours, 0, _) => format!("{hours}{NARROW}h"),
            (hours, minutes, _) => format!("{hours}{NARROW}h {minutes}{NARROW}min"),
        }
    }
}

/// A number of bytes: `212 B`, `1.30 kB`, `18.2 MB`, in powers of a thousand.
pub(super) fn bytes(count: f64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut count, mut unit) = (count, 0);
    while count >= 999.5 && unit + 1 < UNITS.len() {
        count /= 1_000.0;
        unit += 1;
    }
    let number = if unit == 0 { format!("{count:.0}") } else { short(count) };
    format!("{number}{NARROW}{}", UNITS[unit])
}

/// A share, never rounded up to all: `99.98 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = match percent {
        100.0 => String::from("100"),
        percent if percent > 99.0 => format!("{}", (percent * 1_000.0).floor() / 1_000.0),
        percent => short(percent),
    };
    format!("{text}{NARROW}%")
}

/// A number with its noun: `1 node`, `12 nodes`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(NARROW, " ")
    }

    #[test]
    fn times_keep_three_digits_and_change_their_unit() {
        let micros = [0, 850, 4_200, 141_000, 999_400, 999_600, 2_640_000, 45_000_000, 119_000_000, 185_000_000];
        let told: Vec<String> = micros.map(|micros| plain(&time(Duration::from_micros(micros)))).into();
        let right =
            ["0 µs", "850 µs", "4.20 ms", "141 ms", "999 ms", "1.00 s", "2.64 s", "45.0 s", "119 s", "3 min 5 s"];
        assert_eq!(told, right);
        let long = [120, 3_600, 5_400].map(|seconds| plain(&time(Duration::from_secs(seconds))));
        assert_eq!(long, ["2 min", "1 h", "1 h 30 min"]);
    }

    #[test]
    fn bytes_and_numbers_are_short() {
        let told = [0.0, 212.4, 999.4, 1_300.0, 18_234_000.0].map(|count| plain(&bytes(count)));
        assert_eq!(told, ["0 B", "212 B", "999 B", "1.30 kB", "18.2 MB"]);
        assert_eq!(
            [7, 1_000, 12_345, 1_234_567].map(|number| plain(&grouped(number))),
            ["7", "1000", "12 345", "1 234 567"]
        );
        let told = [0.0, 0.000_02, 0.004, 2.345_6, 23.456, 234.56].map(short);
        assert_eq!(told, ["0", "2.0e-5", "0.004", "2.35", "23.5", "235"]);
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(
            [1.0, 0.999_999, 0.9987, 0.5].map(|share| plain(&percent(share))),
            ["100 %", "99.999 %", "99.87 %", "50.0 %"]
        );
    }
}
