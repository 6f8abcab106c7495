//! From signs to findings.

use std::fmt::Write as _;

use crate::Fault;

/// A fault that something points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The fault.
    pub fault: Fault,
    /// The line that shows it.
    pub evidence: String,
    /// The commands that mend it here, where they are known.
    pub mend: Vec<String>,
}

impl Sign {
    /// One that is mended as usual.
    pub fn new(fault: Fault, evidence: impl Into<String>) -> Self {
        Self { fault, evidence: evidence.into(), mend: Vec::new() }
    }

    /// The same with the commands that mend it here; as usual if there are none.
    #[must_use]
    pub fn mended_by(self, mend: Vec<String>) -> Self {
        Self { mend, ..self }
    }
}

/// A fault that is there, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The fault.
    pub fault: Fault,
    /// The line that shows it.
    pub evidence: String,
    /// The commands that mend it.
    pub mend: Vec<String>,
}

/// What is wrong, in the order in which it is to be mended; what only follows from something else is left out, and of several
/// signs of one fault the first is shown.
#[must_use]
pub fn diagnose(signs: Vec<Sign>) -> Vec<Finding> {
    let faults: Vec<Fault> = signs.iter().map(|sign| sign.fault).collect();
    let is_cause = |fault: Fault| !faults.iter().any(|other| fault.follows_from(*other));
    let mut findings: Vec<Finding> = Vec::new();
    for Sign { fault, evidence, mend } in signs {
        if !is_cause(fault) || findings.iter().any(|known| known.fault == fault) {
            continue;
        }
        let usual = || fault.usual_mend().iter().map(|line| (*line).to_owned()).collect();
        let mend = if mend.is_empty() { usual() } else { mend };
        findings.push(Finding { fault, evidence, mend });
    }
    findings.sort_by_key(|finding| (finding.fault.area(), finding.fault));
    findings
}

/// Findings as people read them.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    let mut text = match findings.len() {
        0 => return "No fault found.\n".to_owned(),
        1 => "1 fault found.\n".to_owned(),
        count => format!("{count} faults found.\n"),
    };
    for finding in findings {
        let Finding { fault, evidence, mend } = finding;
        let (name, title) = (fault.name(), fault.title());
        let _infallible = writeln!(text, "\n{name}: {title}.\n  Evidence: {evidence}");
        if let Some(pages) = fault.pages() {
            let _infallible = writeln!(text, "  See: guide {pages}");
        }
        text.push_str("  To mend it:\n");
        for line in mend {
            let _infallible = writeln!(text, "    {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(signs: &[Fault]) -> Vec<&'static str> {
        let signs = signs.iter().map(|fault| Sign::new(*fault, "line")).collect();
        diagnose(signs).iter().map(|finding| finding.fault.name()).collect()
    }

    #[test]
    fn causes_are_named_and_what_follows_from_them_is_not() {
        use Fault as F;
        let cases: [(&[F], &[&str]); 9] = [
            (&[], &[]),
            (&[F::DeadlinePassed, F::DeadlineNear], &["deadline-passed"]),
            (&[F::DeadlinePassed, F::Port, F::VrfDown], &["vrf-down"]),
            (&[F::Port, F::Storage], &["storage", "port"]),
            (&[F::CertificateTime, F::Clock, F::TrustRefused], &["clock"]),
            (&[F::TrustMissing, F::Token], &["token"]),
            (&[F::CollectorStuck, F::AckMissing, F::Silent], &["silent"]),
            (&[F::FileStale, F::TrustMissing], &["trust-missing", "file-stale"]),
            (&[F::Clone, F::SetBack], &["clone"]),
        ];
        for (signs, wanted) in cases {
            assert_eq!(names(signs), wanted, "{signs:?}");
        }
    }

    #[test]
    fn the_first_sign_of_a_fault_is_shown_with_what_mends_it_here() {
        let here =
            Sign::new(Fault::Name, "first").mended_by(vec!["ip host a 192.0.2.1".to_owned()]);
        let found = diagnose(vec![here, Sign::new(Fault::Name, "second")]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].evidence.as_str(), found[0].mend.len()), ("first", 1));
        let text = render(&found);
        assert_eq!(
            text,
            "1 fault found.\n\nname: The name of the server is not resolved.\n  Evidence: first\n  See: guide p. 68, 80\n  \
             To mend it:\n    ip host a 192.0.2.1\n"
        );
        assert_eq!(render(&[]), "No fault found.\n");
        let usual = diagnose(vec![Sign::new(Fault::Name, "x"), Sign::new(Fault::Storage, "y")]);
        assert!(render(&usual).starts_with("2 faults found.\n\nstorage: "));
        assert_eq!(usual[1].mend, Fault::Name.usual_mend());
    }
}
