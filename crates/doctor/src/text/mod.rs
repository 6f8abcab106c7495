//! What devices print, read for signs: `show license status|all|tech support`, `show tech-support license`, configurations and
//! system messages, of NX-OS and of IOS XE. Whatever else stands in a text is passed over.

mod config;
mod log;
mod show;
mod time;

use crate::Sign;

/// What a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Platform {
    /// Nothing says so.
    #[default]
    Unknown,
    /// NX-OS.
    NxOs,
    /// IOS XE.
    IosXe,
}

impl Platform {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "not known",
            Self::NxOs => "NX-OS",
            Self::IosXe => "IOS XE",
        }
    }
}

/// What a text says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the device runs.
    pub platform: Platform,
    /// The UDI, as it stands there.
    pub udi: Option<String>,
    /// What was found in it, in words: `show license status`, `system messages`, `configuration`; none if nothing is about licensing.
    pub parts: Vec<&'static str>,
    /// What points to faults.
    pub signs: Vec<Sign>,
    /// Whether all of it is a configuration of NX-OS, which a switch can be started with.
    pub is_nxos_config: bool,
}

/// The longest line that is looked at, in bytes; of longer ones the beginning.
const LINE_BYTES_MAX: usize = 4 << 10;

/// Reads what a device printed.
#[must_use]
pub fn read(text: &[u8]) -> Reading {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().map(|line| cut(line.trim_end())).collect();
    let mut reading = Reading { platform: platform(&lines), ..Reading::default() };
    reading.udi = lines.iter().find_map(|line| udi(line));
    show::read(&lines, &mut reading);
    log::read(&lines, &mut reading);
    config::read(&lines, &mut reading);
    reading
}

fn cut(line: &str) -> &str {
    if line.len() <= LINE_BYTES_MAX {
        return line;
    }
    let end = (0..=LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    &line[..end]
}

fn platform(lines: &[&str]) -> Platform {
    const XE: [&str; 6] = [
        "Load for five secs",
        "%SMART_LIC-",
        "Handle: ",
        "Building configuration...",
        "IOS XE",
        "ip http client ",
    ];
    const NX: [&str; 7] = [
        "%LICMGR-",
        "!Command: show ",
        "Smart Licensing using Policy:",
        "feature ",
        "vrf context ",
        "N9K-",
        "N3K-",
    ];
    let counted = |marks: &[&str]| {
        lines.iter().filter(|line| marks.iter().any(|mark| line.contains(mark))).count()
    };
    let (xe, nx) = (counted(&XE), counted(&NX));
    match xe.cmp(&nx) {
        std::cmp::Ordering::Greater => Platform::IosXe,
        std::cmp::Ordering::Less => Platform::NxOs,
        std::cmp::Ordering::Equal => Platform::Unknown,
    }
}

fn udi(line: &str) -> Option<String> {
    let told = line.trim().strip_prefix("UDI:")?.trim();
    told.starts_with("PID:").then(|| told.to_owned())
}

impl Reading {
    fn has(&mut self, part: &'static str) {
        if !self.parts.contains(&part) {
            self.parts.push(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_no_text_of_a_device_has_nothing() {
        let long = "x".repeat(3 * LINE_BYTES_MAX);
        let wide = "ü".repeat(LINE_BYTES_MAX);
        for text in
            ["", "\n\n\n", "Hello", &long, &wide, "Policy:\n\u{0}", "%LICMGR-", "Type:", "Time:"]
        {
            let reading = read(text.as_bytes());
            assert!(reading.signs.is_empty(), "{text:.20}");
        }
        assert!(read(&[0xff, 0xfe, 0, 1, 2]).parts.is_empty());
        assert_eq!(cut(&wide).len(), LINE_BYTES_MAX);
        assert_eq!(cut(&format!("x{wide}")).len(), LINE_BYTES_MAX - 1);
    }

    #[test]
    fn platforms_and_udis_are_told_apart() {
        let xe = read(b"Load for five secs: 1%\nUDI: PID:C9407R,SN:FXS2119Q2U7\n");
        assert_eq!(
            (xe.platform, xe.udi.as_deref()),
            (Platform::IosXe, Some("PID:C9407R,SN:FXS2119Q2U7"))
        );
        let nx = read(b"Smart Licensing using Policy:\n  Status: ENABLED\nUDI: none\n");
        assert_eq!((nx.platform, nx.udi), (Platform::NxOs, None));
        let names = [Platform::Unknown, Platform::NxOs, Platform::IosXe].map(Platform::name);
        assert_eq!(names, ["not known", "NX-OS", "IOS XE"]);
    }
}
