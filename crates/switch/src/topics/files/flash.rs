//! File names: bootflash: and what lies elsewhere.

/// A file as it is named in commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlashPath {
    /// On bootflash:, by its name there.
    Bootflash(String),
    /// The running configuration.
    Running,
    /// The startup configuration.
    Startup,
    /// Somewhere else, by its URL.
    Remote(String),
}

impl FlashPath {
    /// Reads a name; none when it can be no file of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "running-config" {
            return Some(Self::Running);
        }
        if text == "startup-config" {
            return Some(Self::Startup);
        }
        if text.contains("://") && !text.starts_with("bootflash:") {
            return Some(Self::Remote(text.to_owned()));
        }
        let name = match text.split_once(':') {
            Some(("bootflash", rest)) => rest.trim_start_matches('/'),
            Some(_) => return None,
            None => text,
        };
        let fine = name.len() <= 200
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
        fine.then(|| Self::Bootflash(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::FlashPath;

    #[test]
    fn names_stay_on_the_flash() {
        let boot = |name: &str| Some(FlashPath::Bootflash(name.to_owned()));
        assert_eq!(FlashPath::parse("bootflash:all_rum.txt"), boot("all_rum.txt"));
        assert_eq!(FlashPath::parse("bootflash:///a.txt"), boot("a.txt"));
        assert_eq!(FlashPath::parse("bootflash:"), boot(""));
        assert_eq!(FlashPath::parse("a.txt"), boot("a.txt"));
        for bad in ["bootflash:../x", "bootflash:a/b", "volatile:a", ".hidden", "a b"] {
            assert_eq!(FlashPath::parse(bad), None, "{bad}");
        }
    }
}
