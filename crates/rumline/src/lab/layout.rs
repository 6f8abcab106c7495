//! Where everything stands in the picture of a lab, and what is written there. Two shapes: side by side for a desk, one
//! below the other for a telephone.

use super::state::{Health, Server, State, Switch};

/// A picture before it is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawing {
    pub width: i32,
    pub height: i32,
    pub boxes: Vec<Block>,
    pub lines: Vec<Line>,
}

/// Something with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
    pub health: Health,
    /// Where it leads.
    pub href: String,
    pub name: String,
    /// How it is, in words.
    pub says: String,
    pub texts: Vec<String>,
    pub fault: Option<String>,
}

/// Who talks to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub points: Vec<(i32, i32)>,
    pub health: Health,
    /// A person carries files.
    pub by_file: bool,
    /// What is spoken, above the line's end.
    pub label: Option<(i32, i32, String)>,
}

const ROW: i32 = 96;
const GAP: i32 = 16;
const MARGIN: i32 = 8;

/// Switches that report to the same, by the place of it among the collectors; none for CSSM itself.
fn groups(state: &State) -> Vec<(Option<&Server>, Vec<&Switch>)> {
    let mut all = Vec::new();
    for collector in &state.collectors {
        let is_its = |switch: &&Switch| switch.collector.as_deref() == Some(&*collector.name);
        all.push((Some(collector), state.switches.iter().filter(is_its).collect()));
    }
    let has_none = |switch: &&Switch| {
        !state.collectors.iter().any(|one| switch.collector.as_deref() == Some(&*one.name))
    };
    all.push((None, state.switches.iter().filter(has_none).collect()));
    all
}

/// Side by side: switches, collectors, CSSM.
pub(super) fn wide(state: &State) -> Drawing {
    let (switch_width, server_width, between) = (420, 260, 130);
    let collector_x = MARGIN + switch_width + between;
    let has_collectors = !state.collectors.is_empty();
    let cssm_x = collector_x + if has_collectors { server_width + between } else { 0 };
    let mut drawing = Drawing { width: cssm_x + server_width + MARGIN, ..Drawing::default() };
    let mut y = MARGIN;
    let mut to_cssm = Vec::new();
    for (collector, switches) in groups(state) {
        let rows = i32::try_from(switches.len().max(usize::from(collector.is_some()))).unwrap_or(0);
        let height = rows * (ROW + GAP);
        let middle = y + (height - GAP) / 2;
        for (place, switch) in switches.iter().enumerate() {
            let top = y + i32::try_from(place).unwrap_or(0) * (ROW + GAP);
            let block = switch_block(switch, (MARGIN, top), switch_width);
            let from = (MARGIN + switch_width, top + ROW / 2);
            match collector {
                Some(_) => drawing.lines.push(Line {
                    points: elbow(from, (collector_x, middle), collector_x - 18),
                    health: switch.health,
                    by_file: false,
                    label: Some((from.0 + 8, from.1 - 6, switch.transport.clone())),
                }),
                None => to_cssm.push((from, switch.health, switch.topology == 6, spoken(switch))),
            }
            drawing.boxes.push(block);
        }
        if let Some(server) = collector {
            let block = server_block(server, (collector_x, middle - ROW / 2), server_width);
            let by_file = server.connected == Some(false);
            let label = if by_file { "by file" } else { "HTTPS" };
            let from = (collector_x + server_width, middle);
            to_cssm.push((from, server.health, by_file, label.to_owned()));
            drawing.boxes.push(block);
        }
        y += height;
    }
    drawing.height = (y - GAP + MARGIN).max(ROW + 2 * MARGIN);
    let middle = drawing.height / 2;
    let to = (cssm_x, middle);
    for (from, health, by_file, label) in to_cssm {
        drawing.lines.push(Line {
            points: elbow(from, to, cssm_x - 18),
            health,
            by_file,
            label: Some((from.0 + 8, from.1 - 6, label)),
        });
    }
    drawing.boxes.push(server_block(&state.cssm, (cssm_x, middle - ROW / 2), server_width));
    drawing
}

/// One below the other, indented below the one they report to.
pub(super) fn narrow(state: &State) -> Drawing {
    const WIDTH: i32 = 376;
    const STEP: i32 = 22;
    let mut drawing = Drawing { width: WIDTH, ..Drawing::default() };
    let left = |depth: i32| MARGIN + depth * STEP;
    let across = |depth: i32| WIDTH - MARGIN - left(depth);
    drawing.boxes.push(server_block(&state.cssm, (left(0), MARGIN), across(0)));
    let mut y = MARGIN + ROW + GAP;
    for (collector, switches) in groups(state) {
        let depth = i32::from(collector.is_some());
        if let Some(server) = collector {
            drawing.boxes.push(server_block(server, (left(1), y), across(1)));
            drawing.lines.push(Line {
                points: hang((left(0) + STEP / 2, MARGIN + ROW), (left(1), y + ROW / 2)),
                health: server.health,
                by_file: server.connected == Some(false),
                label: None,
            });
            y += ROW + GAP;
        }
        let above = if depth == 0 { MARGIN + ROW } else { y - GAP };
        for switch in switches {
            let x = left(depth + 1);
            drawing.boxes.push(switch_block(switch, (x, y), across(depth + 1)));
            drawing.lines.push(Line {
                points: hang((left(depth) + STEP / 2, above), (x, y + ROW / 2)),
                health: switch.health,
                by_file: switch.topology == 6,
                label: None,
            });
            y += ROW + GAP;
        }
    }
    drawing.height = y - GAP + MARGIN;
    drawing
}

/// Straight, up or down, straight.
fn elbow(from: (i32, i32), to: (i32, i32), at: i32) -> Vec<(i32, i32)> {
    vec![from, (at, from.1), (at, to.1), to]
}

/// Down, then to the right.
fn hang(from: (i32, i32), to: (i32, i32)) -> Vec<(i32, i32)> {
    vec![from, (from.0, to.1), to]
}

fn spoken(switch: &Switch) -> String {
    if switch.topology == 6 { "by file".to_owned() } else { switch.transport.clone() }
}

fn server_block(server: &Server, (x, y): (i32, i32), width: i32) -> Block {
    let mut texts = vec![match server.topology {
        Some(topology) => format!("{}, topology {topology}", server.title),
        None => server.url.trim_start_matches("https://").to_owned(),
    }];
    match server.waiting {
        0 => {}
        1 => texts.push("1 report waits here".to_owned()),
        many => texts.push(format!("{many} reports wait here")),
    }
    let texts = texts.iter().map(|text| cut(text, width)).collect();
    Block {
        x,
        y,
        width,
        height: ROW,
        health: server.health,
        href: format!("#{}", server.name),
        name: cut(&server.name, width - 40),
        says: cut(&server.says, width - 20),
        texts,
        fault: server.fault.clone(),
    }
}

fn switch_block(switch: &Switch, (x, y): (i32, i32), width: i32) -> Block {
    let mut about = format!("topology {}, {}", switch.topology, switch.pid);
    if !switch.transport.is_empty() {
        about = format!("{about}, {}", switch.transport);
    }
    let ack = switch.last_ack.as_deref().map_or("none".to_owned(), str::to_owned);
    let mut texts = vec![cut(&about, width)];
    if switch.runs {
        texts.push(cut(&format!("last ACK {ack}"), width));
    }
    Block {
        x,
        y,
        width,
        height: ROW,
        health: switch.health,
        href: format!("#{}", switch.name),
        name: cut(&switch.name, width - 40),
        says: cut(&switch.says, width - 20),
        texts,
        fault: switch.fault.clone(),
    }
}

/// As much of a text as a box of this width has room for.
fn cut(text: &str, width: i32) -> String {
    let room = usize::try_from((width - 24) / 7).unwrap_or(0);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::state::tests::described;
    use super::*;

    fn server(name: &str, topology: Option<u32>) -> Server {
        Server {
            name: name.to_owned(),
            title: "CSLU".to_owned(),
            topology,
            url: "https://127.0.0.1:21001".to_owned(),
            runs: true,
            connected: topology.map(|topology| topology == 1),
            waiting: 1,
            notes: Vec::new(),
            fault: None,
            health: Health::Waits,
            says: "Cisco Is Not Available".to_owned(),
        }
    }

    /// Two collectors with a switch each, one without, one to CSSM, one by file.
    pub(in super::super) fn state() -> State {
        let collectors =
            vec![server("cslu-1", Some(1)), server("cslu-3", Some(3)), server("idle", Some(1))];
        let switch = |name: &str, topology, collector: Option<&str>| Switch {
            collector: collector.map(str::to_owned),
            transport: "CSLU".to_owned(),
            ..Switch::silent(&described(name, topology))
        };
        let switches = vec![
            switch("direct", 2, None),
            switch("a", 1, Some("cslu-1")),
            switch("b", 3, Some("cslu-3")),
            switch("island", 6, None),
        ];
        let cssm = server("CSSM", None);
        State { account: "Example".to_owned(), at: 0, cssm, collectors, switches }
    }

    fn check(drawing: &Drawing) {
        assert_eq!(drawing.boxes.len(), 8);
        for (place, one) in drawing.boxes.iter().enumerate() {
            assert!(one.x >= 0 && one.x + one.width <= drawing.width, "{one:?}");
            assert!(one.y >= 0 && one.y + one.height <= drawing.height, "{one:?}");
            for other in &drawing.boxes[place + 1..] {
                let apart = one.x + one.width <= other.x
                    || other.x + other.width <= one.x
                    || one.y + one.height <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart, "{one:?} {other:?}");
            }
        }
        // All but CSSM talk to somebody.
        assert_eq!(drawing.lines.len(), 7);
        let by_file = drawing.lines.iter().filter(|line| line.by_file).count();
        assert_eq!(by_file, 2);
    }

    #[test]
    fn nothing_covers_anything_and_all_are_there() {
        check(&wide(&state()));
        check(&narrow(&state()));
        assert!(narrow(&state()).width <= 400);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(cut("short", 100), "short");
        assert_eq!(cut("much longer than that", 94), "much long…");
    }

    #[test]
    fn without_collectors_cssm_stands_beside_the_switches() {
        let full = state();
        let mut state = full.clone();
        state.collectors.clear();
        state.switches.iter_mut().for_each(|switch| switch.collector = None);
        let (with, without) = (wide(&full), wide(&state));
        assert!(without.width < with.width);
        assert_eq!(without.lines.len(), 4);
    }
}
