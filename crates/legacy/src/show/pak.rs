//! Licence files in their layouts.

use super::Shown;
use crate::files::Terms;

/// `show license brief`: the names of the files.
#[must_use]
pub fn brief(shown: &Shown<'_>) -> String {
    let names = shown.personality.keep().files.texts();
    names.map(|(name, _)| format!("{name}\n")).collect()
}

/// `show license` and `show license file NAME`: all files, or one.
#[must_use]
pub fn files(shown: &Shown<'_>, wanted: Option<&str>) -> Option<String> {
    let texts = shown.personality.keep().files.texts();
    let texts = texts.filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    let texts: Vec<String> = texts.map(|(name, text)| format!("{name}:\n{text}")).collect();
    if wanted.is_some() && texts.is_empty() { None } else { Some(texts.join("\n")) }
}

/// `show license usage` with licence files: a row for each package that there is.
#[must_use]
pub fn usage_table(shown: &Shown<'_>, packages: &[&str]) -> String {
    let rule = "-".repeat(80);
    let mut text = format!(
        "{:<29}{:<5}{:<6}{:<7}{:<12}Comments\n{:<34}Count\n{rule}\n",
        "Feature", "Ins", "Lic", "Status", "Expiry Date", ""
    );
    for package in packages {
        let own = shown.personality.keep().files.of_package(package, shown.now);
        let used = shown.personality.uses().iter().find(|used| used.name == *package);
        let installed = if own.is_some() { "Yes" } else { "No" };
        let count = own.as_ref().and_then(|own| own.count);
        let count = count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let status = if used.is_some() { "In use" } else { "Unused" };
        let expiry = match own.as_ref().map(|own| own.terms) {
            None => String::new(),
            Some(Terms::Permanent) => "never".to_owned(),
            Some(terms) => terms.to_string(),
        };
        let comment = match (own.is_some(), used.is_some()) {
            (false, true) => "No license file",
            _ => "-",
        };
        text.push_str(&format!(
            "{package:<29}{installed:<5}{count:<6}{status:<7}{expiry:<12}{comment}\n"
        ));
    }
    text.push_str(&format!("{rule}\n"));
    text
}
