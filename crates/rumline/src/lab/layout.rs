//! Where everything stands in the picture of a lab. Two shapes: side by side for a desk, one
//! below the other for a telephone.

use super::blocks::{Block, ROW, server_block, switch_block};
use super::state::{Health, Server, State, Switch};

/// A picture before it is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawing {
    pub width: i32,
    pub height: i32,
    pub boxes: Vec<Block>,
    pub lines: Vec<Line>,
}

/// Who talks to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub points: Vec<(i32, i32)>,
    /// How whoever talks is; none of a line that several share.
    pub health: Option<Health>,
    /// A person carries files.
    pub by_file: bool,
    /// What is spoken, above the line's end.
    pub label: Option<(i32, i32, String)>,
}

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
    let (switch_width, server_width, between) = (420, 310, 120);
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
                    health: Some(switch.health),
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
    let count = i32::try_from(to_cssm.len()).unwrap_or(0);
    for (place, (from, health, by_file, label)) in (0..).zip(to_cssm) {
        let to = (cssm_x, middle - ROW / 2 + (place + 1) * ROW / (count + 1));
        // Each on a way of its own, as far as there is room; those from above and from below each nest.
        let aside = if from.1 < middle { place } else { count - 1 - place };
        drawing.lines.push(Line {
            points: elbow(from, to, cssm_x - 18 - 8 * aside.min(7)),
            health: Some(health),
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
    let rail = |depth: i32| left(depth) + STEP / 2;
    let below_cssm = MARGIN + ROW;
    let (mut y, mut last) = (below_cssm + GAP, below_cssm);
    for (collector, switches) in groups(state) {
        let depth = i32::from(collector.is_some());
        if let Some(server) = collector {
            drawing.boxes.push(server_block(server, (left(1), y), across(1)));
            let by_file = server.connected == Some(false);
            drawing.lines.push(stub((rail(0), y + ROW / 2), left(1), server.health, by_file));
            last = y + ROW / 2;
            y += ROW + GAP;
        }
        let above = y - GAP;
        for switch in &switches {
            let x = left(depth + 1);
            drawing.boxes.push(switch_block(switch, (x, y), across(depth + 1)));
            let by_file = switch.topology == 6;
            drawing.lines.push(stub((rail(depth), y + ROW / 2), x, switch.health, by_file));
            y += ROW + GAP;
        }
        let end = y - GAP - ROW / 2;
        match (collector, switches.is_empty()) {
            (_, true) => {}
            (Some(_), false) => drawing.lines.push(shared(rail(1), above, end)),
            (None, false) => last = end,
        }
    }
    drawing.lines.push(shared(rail(0), below_cssm, last));
    drawing.height = y - GAP + MARGIN;
    drawing
}

/// Straight, up or down, straight.
fn elbow(from: (i32, i32), to: (i32, i32), at: i32) -> Vec<(i32, i32)> {
    vec![from, (at, from.1), (at, to.1), to]
}

/// From a line that several share to one of them.
fn stub(from: (i32, i32), to_x: i32, health: Health, by_file: bool) -> Line {
    Line { points: vec![from, (to_x, from.1)], health: Some(health), by_file, label: None }
}

/// A line that several share.
fn shared(x: i32, from_y: i32, to_y: i32) -> Line {
    Line { points: vec![(x, from_y), (x, to_y)], health: None, by_file: false, label: None }
}

fn spoken(switch: &Switch) -> String {
    if switch.topology == 6 { "by file".to_owned() } else { switch.transport.clone() }
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
        assert_eq!(drawing.lines.iter().filter(|line| line.health.is_some()).count(), 7);
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
