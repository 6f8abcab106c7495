//! What the guide calls things on screens, as `golden/labels.txt` has it.

/// The labels of a server: page, label, and where the guide has it.
pub(crate) fn labels(server: &str) -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = include_str!("../golden/labels.txt").lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| line.split(" | ").collect::<Vec<_>>());
    rows.filter(|row| row[0] == server).map(|row| (row[1], row[2], row[3])).collect()
}

/// What stands in a page, without its marks.
pub(crate) fn shown(page: &str) -> String {
    let mut text = String::new();
    for part in page.split('<') {
        text.push_str(part.split_once('>').map_or("", |(_, shown)| shown));
    }
    text.replace("&gt;", ">").replace("&amp;", "&")
}
