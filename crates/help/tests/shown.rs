//! Topics as they are shown: found, as HTML, as text; and that links lead somewhere.

use std::path::Path;

use rumline_help::{Document, html, search, terminal, topic, topics};

#[test]
fn questions_people_ask_are_found() {
    // FAQ-001, GLOSS-001, PI-MSG-019
    let wanted = [
        ("COMM_FAILED", "comm_failed"),
        ("%LICMGR-3-LOG_SMART_LIC_TRUST_CODE_INSTALL_FAILED:", "trust_code_install_failed"),
        (
            "%LICMGR-6-LOG_SMART_LIC_REPORTING_REQUIRED: A Usage report acknowledgement will be required in 12 days.",
            "reporting_required",
        ),
        ("usage_set_back", "usage_set_back"),
        ("ack", "term-ack"),
        ("RUM report", "term-rum-report"),
        ("Un-Reported state", "term-reported-state"),
        ("topology 3", "topology-3"),
        ("Which topology?", "topologies"),
        ("trust token needed", "faq-8"),
        ("vPC", "faq-30"),
        ("ascii reload", "faq-29"),
        ("how often reporting", "faq-5"),
        ("ack not received", "ack-not-received"),
        ("variable fields", "variable-fields"),
        ("device replacement", "faq-25"),
        ("record not found", "ack-not-received"),
    ];
    for (words, id) in wanted {
        let found: Vec<&str> =
            search(words, 3).into_iter().map(|topic| topic.id.as_str()).collect();
        assert!(found.contains(&id), "{words}: {found:?}");
    }
    let first = |words| search(words, 1)[0].id.as_str();
    assert_eq!(first("comm_failed"), "comm_failed");
    assert_eq!(first("cslu"), "term-cslu");
    assert_eq!(
        first("%LICMGR-3-LOG_SMART_LIC_COMM_FAILED: Communications failure with the Moon"),
        "comm_failed"
    );
}

#[test]
fn any_question_gets_a_bounded_answer() {
    // FAQ-001
    assert!(search("", 9).is_empty() && search("?!  -", 9).is_empty());
    assert!(search("nonsense that nobody wrote", 9).is_empty());
    assert_eq!(search("a", 4).len(), 4);
    assert!(search("a", usize::MAX).len() <= topics().len());
    assert!(search("ack", 0).is_empty());
    let _long = search(&"é\u{0} 漢%_' ".repeat(100_000), 9);
    let _wide = search(&"İ".repeat(100_000), 9);
    assert_eq!(topic("x".repeat(1_000_000).as_str()), None);
}

#[test]
fn topics_are_found_by_id_and_messages_by_their_code() {
    // PI-MSG-001
    for id in [
        "comm_failed",
        "COMM_FAILED",
        "LOG_SMART_LIC_COMM_FAILED",
        "%LICMGR-3-LOG_SMART_LIC_COMM_FAILED:",
    ] {
        assert_eq!(topic(id).map(|topic| topic.id.as_str()), Some("comm_failed"), "{id}");
    }
    for known in topics() {
        assert_eq!(topic(&known.id), Some(known));
    }
    assert_eq!(topic("nothing-of-the-kind"), None);
}

/// Text and target of each link of a document.
fn links(text: &str) -> Vec<&str> {
    let code_taken_out: Vec<&str> = text.split("```").step_by(2).collect();
    let ends = code_taken_out.into_iter().flat_map(|text| text.split("](").skip(1));
    ends.filter_map(|rest| rest.split_once(')').map(|(link, _)| link)).collect()
}

fn anchor(title: &str) -> String {
    let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    // FAQ-004
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for document in Document::ALL {
        for link in links(document.text()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { docs.join(document.file()) } else { docs.join(file) };
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|_| panic!("{}: {link}", document.file()));
            let headings = text.lines().filter(|line| line.starts_with('#'));
            let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
            assert!(
                wanted.is_empty() || anchors.any(|known| known == wanted),
                "{}: {link}",
                document.file()
            );
        }
    }
}

#[test]
fn links_to_embedded_documents_lead_to_topics() {
    // FAQ-004
    for document in Document::ALL {
        let page: String = document.topics().map(html).collect();
        for rest in page.split("href=\"").skip(1) {
            let link = rest.split('"').next().unwrap();
            let id = link.strip_prefix("/help/");
            let is_known = id.map_or(link.starts_with("https://"), |id| topic(id).is_some());
            assert!(is_known, "{}: {link}", document.file());
        }
        let known = |link: &&str| Document::ALL.iter().any(|other| link.starts_with(other.file()));
        let wanted = links(document.text())
            .iter()
            .filter(|link| link.starts_with('#') || known(link))
            .count();
        assert_eq!(page.matches("href=\"/help/").count(), wanted, "{}", document.file());
    }
    assert!(html(topic("troubleshooting").unwrap()).contains("<a href=\"/help/messages\">"));
}

#[test]
fn html_holds_no_tag_that_markdown_did_not_make() {
    // FAQ-001
    let made = [
        "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "em",
        "strong", "a", "br",
    ];
    for topic in topics() {
        let page = html(topic);
        for rest in page.split('<').skip(1) {
            let name = rest
                .trim_start_matches('/')
                .split(|c: char| !c.is_ascii_alphanumeric())
                .next()
                .unwrap();
            assert!(made.contains(&name), "{}: <{name}>", topic.id);
        }
    }
    assert!(html(topic("faq-3").unwrap()).contains("<th>Smart Licensing Using Policy</th>"));
}

/// Whether a word is the number of a requirement.
fn is_number(word: &str) -> bool {
    const AREAS: [&str; 10] =
        ["PI-", "CSSM-", "CSLU-", "ONPREM-", "FILE-", "TOPO-", "FAQ-", "GLOSS-", "TSHOOT-", "REL-"];
    let ends = |text: &str| text.chars().rev().take_while(char::is_ascii_digit).count();
    let is_short = ["C-", "G-", "L-"].iter().any(|area| word.starts_with(area));
    AREAS.iter().any(|area| word.starts_with(area)) && ends(word) > 0
        || is_short && word.len() == 4 && ends(word) == 2
}

#[test]
fn nobody_reads_numbers_of_requirements_or_names_of_documents() {
    for topic in topics() {
        let page = html(topic);
        let prose: String = page
            .split("<code")
            .map(|part| part.split_once("</code>").map_or(part, |(_, rest)| rest))
            .collect::<Vec<_>>()
            .join("code");
        let mut words = prose.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        assert_eq!(words.find(|word| is_number(word)), None, "{}: {page}", topic.id);
        let sign = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '`');
        let text = terminal(topic, 200);
        assert_eq!(text.split(sign).find(|word| is_number(word)), None, "{}: {text}", topic.id);
        let read: String = page
            .split("href=\"")
            .map(|rest| rest.split_once('"').map_or(rest, |(_, r)| r))
            .collect();
        assert!(!read.contains(".md") && !text.contains(".md"), "{}: {text}", topic.id);
        for wrong in ["()", "(,", "(;", " )", " .\n", ",)", ";)", " ;"] {
            assert!(!prose.contains(wrong), "{}: {wrong:?}: {prose}", topic.id);
        }
    }
}

#[test]
fn words_are_found_whole_or_by_their_beginning() {
    let ids =
        |words| search(words, 99).into_iter().map(|topic| topic.id.as_str()).collect::<Vec<_>>();
    // Rumline is no RUM report, and what stands inside of a word is none.
    for topic in search("RUM", usize::MAX) {
        let text = format!("{} {}", topic.title, topic.text).to_lowercase();
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        assert!(words.any(|word| word == "rum" || word == "rums"), "{}", topic.id);
    }
    assert!(ids("umline").is_empty() && !ids("rumlin").is_empty());
    assert_eq!(ids("FAQ-001"), Vec::<&str>::new(), "what is not shown is not found");
    assert_eq!(ids("air-gapped"), ids("air gap"));
    assert!(ids("air-gapped").contains(&"topology-6"), "{:?}", ids("air-gapped"));
}

#[test]
fn text_keeps_to_the_width_of_the_terminal() {
    // FAQ-001, GLOSS-001, PI-MSG-019
    for topic in topics() {
        for width in [0, 20, 33, 60, 80, 100, 200, usize::MAX] {
            let text = terminal(topic, width);
            let max = width.clamp(20, 200);
            for line in text.lines() {
                assert!(line.chars().count() <= max, "{} at {width}: {line}", topic.id);
                assert_eq!(line, line.trim_end(), "{}", topic.id);
            }
            let is_dense = !text.contains("\n\n\n") || topic.text.contains("```");
            assert!(text.ends_with('\n') && is_dense, "{} at {width}:\n{text}", topic.id);
        }
    }
}

#[test]
fn text_shows_tables_lists_code_and_links() {
    // FAQ-001, GLOSS-001, TSHOOT-001
    let answer = terminal(topic("faq-6").unwrap(), 100);
    let rule = answer.lines().find(|line| line.starts_with("----")).unwrap();
    assert_eq!(rule.matches("  ").count(), 2, "{answer}");
    assert!(answer.contains("Which topology? (help topologies)."), "{answer}");
    let flow = terminal(topic("trust-code-installation-failed").unwrap(), 80);
    assert!(flow.contains("\n1. `already installed`"), "{flow}");
    assert!(flow.contains("\n       license smart trust idtoken TOKEN all force\n"), "{flow}");
    let term = terminal(topic("term-ack").unwrap(), 80);
    assert!(term.starts_with("ACK, acknowledgement\n\nCSSM's signed answer"), "{term}");
    assert!(term.contains("\n* Command line: `Last ACK received:`\n"), "{term}");
}
