//! The boxes in the picture of a lab, and what is written in them.

use super::state::{Health, Server, Switch};

/// How high each is.
pub(super) const ROW: i32 = 96;

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

pub(super) fn server_block(server: &Server, (x, y): (i32, i32), width: i32) -> Block {
    let mut texts = vec![match server.topology {
        Some(topology) => {
            let way = if server.connected == Some(false) { ", by file" } else { "" };
            format!("{}, topology {topology}{way}", server.title)
        }
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
        name: cut(&server.name, name_width(width, server.fault.as_deref())),
        says: cut(&server.says, width - 20),
        texts,
        fault: server.fault.clone(),
    }
}

pub(super) fn switch_block(switch: &Switch, (x, y): (i32, i32), width: i32) -> Block {
    let mut about = format!("topology {}, {}", switch.topology, switch.pid);
    if !switch.transport.is_empty() {
        about = format!("{about}, {}", switch.transport);
    }
    let ack = switch.last_ack.as_deref().map_or("none".to_owned(), str::to_owned);
    let mut texts = vec![cut(&about, width)];
    match &switch.why {
        Some(why) => texts.push(cut(why, width)),
        None if switch.runs => texts.push(cut(&format!("last ACK {ack}"), width)),
        None => {}
    }
    Block {
        x,
        y,
        width,
        height: ROW,
        health: switch.health,
        href: format!("#{}", switch.name),
        name: cut(&switch.name, name_width(width, switch.fault.as_deref())),
        says: cut(&switch.says, width - 20),
        texts,
        fault: switch.fault.clone(),
    }
}

/// What a fault's name, at the right, leaves to that of its box. Bold letters take more room.
fn name_width(width: i32, fault: Option<&str>) -> i32 {
    let letters = fault.map_or(0, |fault| fault.len() + 8);
    (width - i32::try_from(letters).unwrap_or(0) * 7) * 5 / 6
}

/// As much of a text as a box of this width has room for.
fn cut(text: &str, width: i32) -> String {
    let room = usize::try_from((width - 24) * 2 / 15).unwrap_or(0);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(cut("short", 100), "short");
        assert_eq!(cut("much longer than that", 99), "much long…");
    }
}
