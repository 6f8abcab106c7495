//! docs/commands.md is what the switch says of its commands.

use std::path::Path;

#[test]
fn the_reference_is_that_of_the_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == rumline_switch::command_reference(),
        "docs/commands.md is of before: run `cargo run -p rumline -- commands > docs/commands.md`"
    );
}
