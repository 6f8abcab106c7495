//! Times as devices print them. Two of one text are compared; the zone is the same in both and does not matter.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since some instant of a time in a text: `Aug 30 23:12:38 2023 PDT`, `11:04:51.711 PDT Fri Sep 1 2023`,
/// `Thu Aug  3 20:43:58 2023`, `2023 Aug  3 20:43:58`.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_whitespace().take(12).collect();
    let place = words.iter().position(|word| MONTHS.contains(word))?;
    let month = MONTHS.iter().position(|month| *month == words[place])?;
    let day: i64 = words.get(place + 1)?.trim_end_matches(',').parse().ok()?;
    let clock = words.iter().find(|word| word.matches(':').count() == 2)?;
    let year = words.iter().filter(|word| word.len() == 4).find_map(|word| word.parse().ok())?;
    let mut parts = clock.trim_start_matches(['*', '.']).split(':');
    let mut part = |max: i64| {
        let digits = parts.next()?.split('.').next()?;
        digits.parse::<i64>().ok().filter(|number| (0..=max).contains(number))
    };
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    if !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    Some(((days(year, month as i64, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since the first of March of the year 0, by the calendar of today.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day at the end.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_all_their_forms() {
        let one = seconds("Aug 30 23:12:38 2023 PDT").unwrap();
        for same in [
            "23:12:38.711 PDT Wed Aug 30 2023",
            "Wed Aug 30 23:12:38 2023",
            "2023 Aug 30 23:12:38",
            "*23:12:38.1 UTC Wed Aug 30 2023",
        ] {
            assert_eq!(seconds(same), Some(one), "{same}");
        }
        assert_eq!(seconds("Aug 31 00:00:00 2023 PDT"), Some(one + 47 * 60 + 22));
        let leap = seconds("Mar  1 00:00:00 2024 UTC").unwrap();
        assert_eq!(seconds("Feb 28 00:00:00 2024 UTC"), Some(leap - 2 * 86_400));
        assert_eq!(seconds("Mar  1 00:00:00 2023 UTC"), Some(leap - 366 * 86_400));
        assert_eq!(seconds("Dec 31 00:00:00 2023 UTC"), Some(leap - 61 * 86_400));
        for (before, after, days) in [
            ("Feb 28 00:00:00 2000", "Mar 1 00:00:00 2000", 2),
            ("Feb 28 00:00:00 2100", "Mar 1 00:00:00 2100", 1),
            ("Dec 31 00:00:00 2023", "Jan 1 00:00:00 2024", 1),
            ("Jan 1 00:00:00 1999", "Jan 1 00:00:00 2001", 731),
            ("Mar 1 00:00:00 1999", "Mar 1 00:00:00 2400", 146_463),
        ] {
            let between = seconds(after).unwrap() - seconds(before).unwrap();
            assert_eq!(between, days * 86_400, "{before} {after}");
        }
        for none in [
            "",
            "<none>",
            "Aug",
            "Aug 30 2023",
            "Aug 30 25:00:00 2023",
            "Aug 0 01:00:00 2023",
            "Aug 3 1:1:61 2023",
            "Aug x 1:1:1 2023",
        ] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}
