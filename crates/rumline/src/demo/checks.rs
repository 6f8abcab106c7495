//! The table of checks; each row was really made.

/// One check.
struct Check {
    topology: u32,
    what: String,
    held: bool,
    seen: String,
}

/// All checks so far.
#[derive(Default)]
pub(super) struct Checks {
    rows: Vec<Check>,
}

impl Checks {
    /// Adds a check; `seen` says what was found when it did not hold.
    pub(super) fn add(&mut self, topology: u32, what: &str, held: bool, seen: &str) {
        let seen = seen.trim().chars().take(400).collect();
        self.rows.push(Check { topology, what: what.to_owned(), held, seen });
    }

    /// Adds a check that a text holds another.
    pub(super) fn contains(&mut self, topology: u32, what: &str, text: &str, wanted: &str) {
        self.add(topology, what, text.contains(wanted), &format!("no {wanted:?} in: {text}"));
    }

    /// Prints how many held, each that did not, and on request all; says whether all held.
    pub(super) fn show(&self, all: bool) -> bool {
        let mut topologies: Vec<u32> = self.rows.iter().map(|row| row.topology).collect();
        topologies.sort_unstable();
        topologies.dedup();
        let held = self.rows.iter().filter(|row| row.held).count();
        let all_held = held == self.rows.len() && held > 0;
        if all || !all_held {
            say!("\nChecks\n{}", "-".repeat(78));
        }
        for topology in topologies {
            let of: Vec<&Check> = self.rows.iter().filter(|row| row.topology == topology).collect();
            for row in of.iter().filter(|row| all || !row.held) {
                let mark = if row.held { "held  " } else { "FAILED" };
                say!("{mark}  topology {topology}  {}", row.what);
                if !row.held {
                    say!("        seen: {}", row.seen.replace('\n', "\n        "));
                }
            }
        }
        say!("\n{held} of {} checks held", self.rows.len());
        all_held
    }
}
