//! What CSSM says to a switch, carried as a file: trust codes, ACKs, policies, account information.

use rumline_protocol::*;
use rumline_testkit::*;

use crate::ground::{DIRECT, Ground, Place};
use crate::{Attack, Cell};

/// What a statement says of itself, and who signs it.
#[derive(Clone)]
struct Says {
    udi: Udi,
    smart_account: String,
    virtual_account: String,
    at: Timestamp,
    version: u64,
}

/// A kind of statement, and how it is written into a file.
type Write = fn(&Ground, &Says, &SigningIdentity, &mut DocumentWriter);

fn says(g: &Ground) -> Says {
    Says {
        udi: g.estate.switches[DIRECT].udi.clone(),
        smart_account: "Example".to_owned(),
        virtual_account: "Default".to_owned(),
        at: g.estate.now,
        version: g.estate.switches[DIRECT].agent.policy().version + 1,
    }
}

fn write_trust_code(g: &Ground, says: &Says, by: &SigningIdentity, out: &mut DocumentWriter) {
    let agent = &g.estate.switches[DIRECT].agent;
    let (installed, _) = &agent.trust_codes()[0];
    let code = TrustCode {
        trust_id: installed.trust_id + says.version,
        sudi: says.udi.clone(),
        smart_account: says.smart_account.clone(),
        virtual_account: says.virtual_account.clone(),
        issued_at: says.at,
        expires_at: says.at.plus_days(TrustCode::VALID_DAYS),
        // CSSM may move its devices; for another account it has answered somebody else.
        answers: match says.smart_account.as_str() {
            "Example" => installed.answers.clone(),
            _ => "somebody else".to_owned(),
        },
        ..installed.clone()
    };
    out.trust_code(&Signed::json(code, by.signer.as_ref()));
}

fn write_policy(_: &Ground, says: &Says, by: &SigningIdentity, out: &mut DocumentWriter) {
    let policy = Policy {
        policy_name: format!("version {}", says.version),
        issued_at: says.at,
        version: says.version,
        smart_account: says.smart_account.clone(),
        virtual_account: says.virtual_account.clone(),
        ..Policy::cisco_default()
    };
    out.policy(&Signed::json(policy, by.signer.as_ref()));
}

fn write_account(g: &Ground, says: &Says, by: &SigningIdentity, out: &mut DocumentWriter) {
    let told = AccountInfo {
        timestamp_millis: says.at.millis(),
        smart_account: says.smart_account.clone(),
        virtual_account: says.virtual_account.clone(),
        smart_account_id: g.estate.sa.0,
        virtual_account_id: g.estate.va.0,
        smart_account_domain: format!("version-{}.example.net", says.version),
    };
    out.account(&Signed::new(told.signed_text(), told, by.signer.as_ref()));
}

/// Of every report that the switch still holds and that is closed.
fn write_ack(g: &Ground, says: &Says, by: &SigningIdentity, out: &mut DocumentWriter) {
    let entries = g.saved.iter().map(|report| Acknowledgement {
        status_code: StatusCode::Ok,
        status_message: Acknowledgement::ACCEPTED.to_owned(),
        localized_message: Acknowledgement::ACCEPTED.to_owned(),
        product_instance_identifier: report.report.product_instance_identifier.clone(),
        sudi: says.udi.clone(),
        report_id: report.report.report_id,
        correlation_id: format!("matrix {}", says.version),
        subscription_id: None,
        report_sha256: Some(base64(&report.sha256())),
        reason: None,
        last_report_id: None,
    });
    let entries: Vec<_> = entries.collect();
    out.acknowledgement(&Signed::new(acknowledgement_text(&entries), entries, by.signer.as_ref()));
}

/// A file with statements, under the certificate of whoever signs.
fn file(g: &Ground, by: &SigningIdentity, parts: &[(Write, &Says)]) -> String {
    let mut out = DocumentWriter::new();
    for (write, says) in parts {
        write(g, says, by, &mut out);
    }
    out.certificate(&by.certificate);
    out.finish()
}

/// As file that CSSM itself wrote.
fn genuine(g: &Ground, write: Write, says: &Says) -> String {
    file(g, &same(&g.estate.signing), &[(write, says)])
}

/// What is read of each attack where kinds of statement differ.
struct Words {
    /// After an older one came behind a newer.
    older: Cell,
    /// What is said of a file with two of them.
    both: &'static str,
    /// After one of another account.
    account: Cell,
    /// After one that is dated ahead.
    time: Cell,
}

/// Tries an attack on a kind of statement.
fn attack_it(g: &mut Ground, attack: Attack, write: Write, words: &Words) -> Cell {
    g.save();
    let first = says(g);
    let mut second = first.clone();
    (second.at, second.version) = (first.at + MINUTE, first.version + 1);
    match attack {
        Attack::Replay => {
            let text = genuine(g, write, &first);
            g.import(DIRECT, &text);
            g.begin();
            g.import(DIRECT, &text);
            Cell::Nothing(Place::Sender, "installed")
        }
        Attack::RollBack => {
            let (old, new) = (genuine(g, write, &first), genuine(g, write, &second));
            g.estate.now = g.estate.now + 2 * MINUTE;
            g.import(DIRECT, &new);
            g.begin();
            g.import(DIRECT, &old);
            words.older
        }
        Attack::Freeze => {
            // What answered an earlier message answers each one after it.
            let old = g.frozen_answer(&genuine(g, write, &first));
            g.estate.now = g.estate.now + Timestamp::HOUR;
            g.begin();
            g.answer_with(&old);
            Cell::Nothing(Place::Switch, "COMM_FAILED")
        }
        Attack::Splice => {
            // The text of one under the signature of another.
            let (one, other) = (genuine(g, write, &first), genuine(g, write, &second));
            let spliced = spliced(&one, &other);
            g.begin();
            g.import(DIRECT, &spliced);
            Cell::Nothing(Place::Switch, "signature mismatch")
        }
        Attack::Truncate => {
            let text = genuine(g, write, &first);
            g.begin();
            g.import(DIRECT, &text[..text.len() * 2 / 3]);
            Cell::Nothing(Place::Sender, "cut off")
        }
        Attack::Reorder => {
            let text = file(g, &same(&g.estate.signing), &[(write, &second), (write, &first)]);
            let in_order = file(g, &same(&g.estate.signing), &[(write, &first), (write, &second)]);
            g.estate.now = g.estate.now + 2 * MINUTE;
            g.import(DIRECT, &in_order);
            g.begin();
            g.import(DIRECT, &text);
            Cell::Nothing(Place::Sender, words.both)
        }
        Attack::WrongUdi => {
            let others = Says { udi: g.neighbour.udi.clone(), ..first.clone() };
            // Policies and accounts name no device: they come in a file that does.
            let text = file(g, &same(&g.estate.signing), &[(write_ack, &others), (write, &others)]);
            g.begin();
            g.import(DIRECT, &text);
            Cell::Nothing(Place::Switch, "belongs to another device")
        }
        Attack::WrongAccount => {
            let others = Says { smart_account: "Other".to_owned(), ..first };
            let text = genuine(g, write, &others);
            g.begin();
            g.import(DIRECT, &text);
            words.account
        }
        Attack::WrongReceiver => {
            let text = file(g, &same(&g.elsewhere.signing), &[(write, &first)]);
            g.begin();
            g.import(DIRECT, &text);
            Cell::Nothing(Place::Switch, "does not lead to the trusted root")
        }
        Attack::WrongTime => {
            let ahead = Says { at: g.estate.now.plus_days(1), ..first };
            let text = genuine(g, write, &ahead);
            g.begin();
            g.import(DIRECT, &text);
            words.time
        }
        Attack::UnknownKey => {
            let mut by = same(&g.estate.signing);
            by.signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
            let text = file(g, &by, &[(write, &first)]);
            g.begin();
            g.import(DIRECT, &text);
            Cell::Nothing(Place::Switch, "signature mismatch")
        }
        Attack::RevokedKey => {
            let text = genuine(g, write, &first);
            let next = SimulatedSuite::successor(&g.estate.signing, g.estate.now, &mut chance());
            let mut list = DocumentWriter::new();
            list.revocation(next.revocation.as_ref().unwrap()).certificate(&next.certificate);
            let list = list.finish();
            g.import(DIRECT, &list);
            g.begin();
            g.import(DIRECT, &text);
            Cell::Nothing(Place::Switch, "the signing certificate was revoked")
        }
    }
}

/// The first statement's text with the second one's signature.
fn spliced(one: &str, other: &str) -> String {
    let signature = |text: &str| {
        let at = text.find("<signature>").expect("a signature") + "<signature>".len();
        text[at..at + text[at..].find('<').unwrap()].to_owned()
    };
    one.replacen(&signature(one), &signature(other), 1)
}

pub(crate) fn trust_code(g: &mut Ground, attack: Attack) -> Cell {
    let words = Words {
        both: "installed",
        older: Cell::Nothing(Place::Sender, "installed"),
        account: Cell::Nothing(Place::Switch, "answers no request of this device"),
        time: Cell::Nothing(Place::Switch, "timestamp mismatch"),
    };
    attack_it(g, attack, write_trust_code, &words)
}

pub(crate) fn ack(g: &mut Ground, attack: Attack) -> Cell {
    if attack == Attack::RollBack {
        // Of an earlier life, whose numbers this one gives out again: it settles nothing, and what it speaks of goes on
        // under another number.
        g.save();
        for report in &mut g.saved {
            report.payload.push(' ');
        }
        let counts = |g: &Ground| g.estate.switches[DIRECT].agent.report_counts();
        let text = genuine(g, write_ack, &says(g));
        let [_, _, _, acknowledged, _] = counts(g);
        let waiting = g.estate.unacknowledged(DIRECT);
        g.begin();
        g.import(DIRECT, &text);
        let [_, _, _, still, _] = counts(g);
        assert_eq!((still, g.estate.unacknowledged(DIRECT)), (acknowledged, waiting));
        return Cell::Counts(Place::Switch, "SAEVT_RUM_ACK_OTHER_REPORT");
    }
    let words = Words {
        both: "installed",
        older: Cell::Nothing(Place::Sender, "installed"),
        account: Cell::Empty("an ACK names no account: its entries name a UDI and a digest"),
        time: Cell::Empty(
            "an ACK bears no time: the digest in each entry says which report is meant",
        ),
    };
    attack_it(g, attack, write_ack, &words)
}

pub(crate) fn policy(g: &mut Ground, attack: Attack) -> Cell {
    let words = Words {
        both: "installed",
        older: Cell::Nothing(Place::Switch, "a newer policy is installed"),
        account: Cell::Nothing(Place::Switch, "belongs to another Smart Account"),
        time: Cell::Nothing(Place::Switch, "timestamp mismatch"),
    };
    attack_it(g, attack, write_policy, &words)
}

pub(crate) fn account(g: &mut Ground, attack: Attack) -> Cell {
    let words = Words {
        both: "stands twice",
        older: Cell::Nothing(Place::Sender, "installed"),
        account: Cell::Nothing(Place::Switch, "belongs to another Smart Account"),
        time: Cell::Nothing(Place::Switch, "timestamp mismatch"),
    };
    attack_it(g, attack, write_account, &words)
}
