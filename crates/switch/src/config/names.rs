//! Names of interfaces, written out and in ranges; numbers of VLANs.

/// Interfaces in one range: more than any switch has are none.
const RANGE_MAX: usize = 1_024;

/// A line for each interface of a range, its name written out.
pub(super) fn expanded(text: &str) -> Vec<String> {
    let Some(name) = text.strip_prefix("interface ") else { return vec![text.to_owned()] };
    // `e1/4 - 5, e1/7` is what it is without its blanks.
    let name = ["-", ","].iter().fold(name.to_owned(), |name, mark| {
        name.split(mark).map(str::trim).collect::<Vec<_>>().join(mark)
    });
    let words: Vec<&str> = name.split_whitespace().collect();
    if words.first() == Some(&"breakout") {
        return vec![text.to_owned()];
    }
    // `interface port-channel 5` and `interface e 1/1` are one word.
    let name = match words[..] {
        [kind, number] if number.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{kind}{number}")
        }
        _ => words.join(" "),
    };
    let mut lines = Vec::new();
    let mut kind = String::new();
    for part in name.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if lines.len() > RANGE_MAX {
            return vec![text.to_owned()];
        }
        let part = if part.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{kind}{part}")
        } else {
            part.to_owned()
        };
        let part = interface_name(&part);
        kind = part.trim_end_matches(|c: char| !c.is_ascii_alphabetic()).to_owned();
        lines.extend(range(&part).iter().map(|name| format!("interface {name}")));
    }
    if lines.is_empty() {
        lines.push(text.to_owned());
    }
    lines
}

/// The names of a range such as `Ethernet1/1-4`.
pub(super) fn range(name: &str) -> Vec<String> {
    const MAX: u32 = 512;
    let parts = name.rsplit_once('-').and_then(|(from, to)| {
        let head = from.trim_end_matches(|c: char| c.is_ascii_digit());
        let to = to.rsplit_once('/').map_or(to, |(_, to)| to);
        let (first, last) = (from[head.len()..].parse::<u32>().ok()?, to.trim().parse().ok()?);
        (first <= last && last - first < MAX).then_some((head, first, last))
    });
    match parts {
        Some((head, first, last)) => {
            (first..=last).map(|number| format!("{head}{number}")).collect()
        }
        None => vec![name.to_owned()],
    }
}

/// `e1/22` becomes `Ethernet1/22`; what is no interface stays as it is.
pub(crate) fn interface_name(typed: &str) -> String {
    const KINDS: &[&str] =
        &["Ethernet", "loopback", "mgmt", "nve", "port-channel", "Tunnel", "Vlan"];
    let digits = typed.find(|c: char| c.is_ascii_digit()).unwrap_or(typed.len());
    let (head, number) = typed.split_at(digits);
    let head = head.trim().to_ascii_lowercase();
    let kind = KINDS
        .iter()
        .find(|kind| !head.is_empty() && kind.to_ascii_lowercase().starts_with(head.as_str()));
    match kind {
        Some(kind) if !number.is_empty() => format!("{kind}{number}"),
        _ => typed.to_owned(),
    }
}

/// The lines `interface …` that a name or a range stands for.
pub(crate) fn interface_names(typed: &str) -> Vec<String> {
    expanded(&format!("interface {typed}"))
}

/// The numbers of `1,10-12`.
pub(crate) fn vlan_ids(listed: &str) -> Option<Vec<u16>> {
    let mut ids = Vec::new();
    for part in listed.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
        if first == 0 || last > 4_094 || first > last {
            return None;
        }
        ids.extend(first..=last);
    }
    Some(ids)
}

/// `1,10-12` for these numbers.
pub(crate) fn vlan_list(ids: &[u16]) -> String {
    let runs = ids.chunk_by(|a, b| *b == a + 1);
    let shown = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.first().map_or_else(String::new, ToString::to_string),
    });
    shown.collect::<Vec<_>>().join(",")
}
