//! docs/products.md and docs/releases.md are what the tables say.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::path::Path;

use rumline_catalogue::Catalogue;

fn is_kept(name: &str, text: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != text {
        std::fs::write(&path, text).unwrap();
    }
    kept == text
}

#[test]
fn the_documents_are_those_of_the_tables() {
    let catalogue = Catalogue::built_in();
    let kept = [
        is_kept("products.md", &catalogue.products_document()),
        is_kept("releases.md", &catalogue.releases_document()),
    ];
    assert!(
        kept == [true, true],
        "docs/products.md or docs/releases.md was of before and is written now: read it"
    );
}

#[test]
fn every_row_is_in_them() {
    let catalogue = Catalogue::built_in();
    let (products, releases) = (catalogue.products_document(), catalogue.releases_document());
    for platform in catalogue.platforms() {
        let line =
            products.lines().find(|line| line.starts_with(&format!("| `{}` |", platform.pid)));
        let line = line.unwrap_or_else(|| panic!("{} is not there", platform.pid));
        assert!(line.contains(&format!("| {} |", platform.since)), "{line}");
        assert!(line.ends_with(&format!("| {} |", platform.confidence)), "{line}");
    }
    for package in catalogue.packages() {
        for variant in &package.variants {
            assert!(products.contains(&format!("`{}`", variant.tag)), "{}", variant.tag);
        }
    }
    for release in catalogue.releases() {
        assert!(releases.contains(&format!("\n| {} |", release.version)), "{}", release.version);
    }
    for gate in catalogue.gates() {
        assert!(releases.contains(&format!("\n| {} | {gate} |", gate.name)), "{}", gate.name);
    }
}
