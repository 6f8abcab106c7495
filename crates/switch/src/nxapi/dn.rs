//! The objects of licensing as NX-API's REST has them: what is set there is a line of the configuration, and the reverse.

use serde_json::{Map, Value, json};

use super::{Batch, COMMANDS_MAX, Done, Failed, HttpAnswer, OnError, Run, Wanted};
use crate::config::ConfigTree;
use crate::topics::license;

const JSON: &str = "application/json";
const SMART: &str = "sys/licensemanager/inst/smartlicensing";
const SMART_CLASS: &str = "licensemanagerSmartLicensing";

/// What a path may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// What is there.
    Get,
    /// Set it.
    Post,
    /// As if it had never been set.
    Delete,
}

/// An object below `smartlicensing`: one value, which is one line.
struct Child {
    /// Its relative name.
    rn: &'static str,
    class: &'static str,
    attribute: &'static str,
    /// The line without its value.
    line: &'static str,
}

const CHILDREN: &[Child] = &[
    Child {
        rn: "transportcsluurl",
        class: "licensemanagerTransportCsluUrl",
        attribute: "url",
        line: "license smart url cslu",
    },
    Child {
        rn: "transportsmarturl",
        class: "licensemanagerTransportSmartUrl",
        attribute: "url",
        line: "license smart url smart",
    },
    Child {
        rn: "vrf",
        class: "licensemanagerVrf",
        attribute: "vrfname",
        line: "license smart vrf",
    },
    Child {
        rn: "proxyaddress",
        class: "licensemanagerProxyAddress",
        attribute: "address",
        line: "license smart proxy address",
    },
    Child {
        rn: "proxyport",
        class: "licensemanagerProxyPort",
        attribute: "port",
        line: "license smart proxy port",
    },
    Child {
        rn: "usage",
        class: "licensemanagerUsage",
        attribute: "interval",
        line: "license smart usage interval",
    },
];

/// Modes of transport, and the word of the command line for each.
const MODES: &[(&str, &str)] = &[
    ("transportCallhome", "callhome"),
    ("transportCslu", "cslu"),
    ("transportOff", "off"),
    ("transportSmart", "smart"),
];
const TRANSPORT: &str = "license smart transport";

fn http(status: u16, objects: &[Value]) -> HttpAnswer {
    let body = json!({ "totalCount": objects.len().to_string(), "imdata": objects }).to_string();
    HttpAnswer { status, content_type: JSON, body }
}

fn error(status: u16, code: &str, text: &str) -> HttpAnswer {
    http(status, &[json!({ "error": { "attributes": { "code": code, "text": text } } })])
}

/// `api/mo/sys/….json` and `api/node/mo/sys/….json` name an object.
fn dn_of(path: &str) -> Option<&str> {
    let path = path.trim_start_matches('/').strip_prefix("api/")?;
    let path = path.strip_prefix("node/").unwrap_or(path).strip_prefix("mo/")?;
    path.strip_suffix(".json")
}

fn object(class: &str, attributes: &[(&str, String)], children: Option<Vec<Value>>) -> Value {
    let attributes: Map<String, Value> = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    let mut inner = json!({ "attributes": attributes });
    if let Some(children) = children.filter(|children| !children.is_empty()) {
        inner["children"] = Value::from(children);
    }
    let mut outer = Map::new();
    outer.insert(class.to_owned(), inner);
    Value::Object(outer)
}

/// Objects between `sys` and the one of licensing, each with its class and its relative name, from the top.
const ABOVE: [(&str, &str); 3] = [
    ("topSystem", "sys"),
    ("licensemanagerLicenseManager", "licensemanager"),
    ("licensemanagerInst", "inst"),
];

/// What an answer holds of the objects below the one that was asked for.
struct Below {
    /// How many floors down.
    depth: usize,
    /// Classes that are wanted; none for all.
    classes: Option<Vec<String>>,
}

impl Below {
    fn of(query: &str) -> Self {
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let depth = match value("rsp-subtree") {
            Some("full") => usize::MAX,
            Some("children") => 1,
            _ => 0,
        };
        let classes = value("rsp-subtree-class")
            .map(|classes| classes.replace("%2C", ",").split(',').map(str::to_owned).collect());
        Self { depth, classes }
    }

    fn wants(&self, class: &str) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.iter().any(|wanted| wanted == class))
    }

    fn deeper(&self) -> Self {
        Self { depth: self.depth.saturating_sub(1), classes: self.classes.clone() }
    }
}

fn child_object(config: &ConfigTree, child: &Child, is_below: bool) -> Option<Value> {
    let value = config.value(child.line).filter(|value| !value.is_empty())?;
    let dn = format!("{SMART}/{}", child.rn);
    let mut attributes = vec![("dn", dn), (child.attribute, value.to_owned())];
    if is_below {
        attributes.push(("rn", child.rn.to_owned()));
    }
    Some(object(child.class, &attributes, None))
}

fn smart_object(config: &ConfigTree, below: &Below, is_below: bool) -> Value {
    let mode = license::transport_word(config);
    let mode = MODES.iter().find(|(_, word)| *word == mode).map_or("", |(name, _)| name);
    let wanted = CHILDREN.iter().filter(|child| below.depth > 0 && below.wants(child.class));
    let children = wanted.filter_map(|child| child_object(config, child, true)).collect();
    let mut attributes = vec![("dn", SMART.to_owned()), ("transportMode", mode.to_owned())];
    if is_below {
        attributes.push(("rn", "smartlicensing".to_owned()));
    }
    object(SMART_CLASS, &attributes, Some(children))
}

/// An object above that of licensing, with what is below it.
fn above_object(run: &Run<'_, '_>, floor: usize, below: &Below, is_below: bool) -> Value {
    let (class, rn) = ABOVE[floor];
    let dn: Vec<&str> = ABOVE[..=floor].iter().map(|(_, rn)| *rn).collect();
    let mut attributes = vec![("dn", dn.join("/"))];
    if is_below {
        attributes.push(("rn", rn.to_owned()));
    }
    if floor == 0 {
        attributes.extend([
            ("name", run.switch.hostname().to_owned()),
            ("serial", run.switch.udi.serial.clone()),
            ("version", run.switch.release.version.clone()),
        ]);
    }
    let mut children = Vec::new();
    if below.depth > 0 {
        let inner = match ABOVE.get(floor + 1) {
            Some(_) => above_object(run, floor + 1, &below.deeper(), true),
            None => smart_object(&run.switch.running, &below.deeper(), true),
        };
        let is_wanted = inner.as_object().is_some_and(|inner| {
            inner.iter().any(|(class, inner)| below.wants(class) || inner.get("children").is_some())
        });
        children.extend(is_wanted.then_some(inner));
    }
    object(class, &attributes, Some(children))
}

/// What programs send for an attribute that is to be as if it had never been set.
const UNSET: &str = "DME_UNSET_PROPERTY_MARKER";

/// Whether an object that is not known asks for nothing: it names itself, or is to be gone, and so does all below it.
fn asks_for_nothing(inner: &Value) -> bool {
    let no_attributes = Map::new();
    let attributes = inner["attributes"].as_object().unwrap_or(&no_attributes);
    let is_nothing = |(name, value): (&String, &Value)| {
        ["rn", "dn"].contains(&name.as_str()) || name == "status" && value == "deleted"
    };
    let children = inner["children"].as_array().into_iter().flatten();
    attributes.iter().all(is_nothing)
        && children
            .flat_map(|child| child.as_object().into_iter().flatten())
            .all(|(_, inner)| asks_for_nothing(inner))
}

/// The class of the object at a DN.
fn class_at(dn: &str) -> Option<&'static str> {
    match dn {
        "sys" => Some("topSystem"),
        "sys/licensemanager" => Some("licensemanagerLicenseManager"),
        "sys/licensemanager/inst" => Some("licensemanagerInst"),
        SMART => Some(SMART_CLASS),
        _ => {
            let rn = dn.strip_prefix(SMART)?.strip_prefix('/')?;
            CHILDREN.iter().find(|child| child.rn == rn).map(|child| child.class)
        }
    }
}

/// The class that objects of a class lie below.
fn class_above(class: &str) -> Option<&'static str> {
    match class {
        "licensemanagerLicenseManager" => Some("topSystem"),
        "licensemanagerInst" => Some("licensemanagerLicenseManager"),
        SMART_CLASS => Some("licensemanagerInst"),
        class => CHILDREN.iter().any(|child| child.class == class).then_some(SMART_CLASS),
    }
}

/// The lines that an object of a request stands for, it and those below it.
fn lines_of(class: &str, inner: &Value, lines: &mut Vec<String>) -> Result<(), String> {
    let attribute = |name: &str| match &inner["attributes"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let is_deleted = attribute("status").is_some_and(|status| status == "deleted");
    // Whoever brings a line end would bring a second line.
    let fine = |value: String| {
        if value.contains(char::is_control) {
            Err(format!("Invalid value of {class}"))
        } else {
            Ok(value)
        }
    };
    if let Some(child) = CHILDREN.iter().find(|child| child.class == class) {
        match attribute(child.attribute) {
            _ if is_deleted => lines.push(format!("no {}", child.line)),
            Some(value) if value.is_empty() || value == UNSET => {
                lines.push(format!("no {}", child.line));
            }
            Some(value) => lines.push(format!("{} {}", child.line, fine(value)?)),
            None => {}
        }
    } else if class == SMART_CLASS {
        if is_deleted || attribute("transportMode").is_some_and(|mode| mode == UNSET) {
            lines.push(format!("no {TRANSPORT}"));
        } else if let Some(mode) = attribute("transportMode") {
            let word = MODES.iter().find(|(name, _)| *name == mode);
            let (_, word) =
                word.ok_or_else(|| format!("Invalid value {mode} of attribute transportMode"))?;
            lines.push(format!("{TRANSPORT} {word}"));
        }
    }
    for child in inner["children"].as_array().into_iter().flatten() {
        for (below, inner) in child.as_object().into_iter().flatten() {
            match class_above(below) {
                None if asks_for_nothing(inner) => {}
                None => return Err(format!("Unknown class {below}")),
                Some(above) if above != class => {
                    return Err(format!("{below} is a child of {above}, not of {class}"));
                }
                Some(_) => lines_of(below, inner, lines)?,
            }
        }
    }
    Ok(())
}

/// Answers a request for an object.
pub(super) fn answer(
    run: &mut Run<'_, '_>,
    verb: Verb,
    path: &str,
    query: &str,
    body: &[u8],
) -> HttpAnswer {
    let Some(dn) = dn_of(path) else {
        return error(404, "400", "Unknown path, use api/mo/DN.json");
    };
    let child = dn.strip_prefix(SMART).and_then(|rest| rest.strip_prefix('/'));
    let child = child.and_then(|rn| CHILDREN.iter().find(|child| child.rn == rn));
    let is_above = ["sys", "sys/licensemanager", "sys/licensemanager/inst"].contains(&dn);
    if child.is_none() && dn != SMART && !is_above {
        let rn = dn.rsplit('/').next().unwrap_or_default();
        return error(400, "102", &format!("Invalid DN {dn}, wrong rn prefix {rn}"));
    }
    match verb {
        Verb::Get => get(run, dn, child, query),
        Verb::Post => {
            let value: Value = match serde_json::from_slice(body) {
                Ok(value) => value,
                Err(why) => return error(400, "107", &format!("Invalid JSON: {why}")),
            };
            let is_one = |value: &Map<String, Value>| {
                !value.is_empty() && value.values().all(Value::is_object)
            };
            if !value.as_object().is_some_and(is_one) {
                return error(400, "107", "Invalid JSON: an object of a class is wanted");
            }
            let mut lines = Vec::new();
            for (class, inner) in value.as_object().into_iter().flatten() {
                let named = inner["attributes"]["dn"].as_str().unwrap_or(dn);
                match class_at(named) {
                    Some(there) if there == class => {}
                    Some(there) => {
                        return error(
                            400,
                            "103",
                            &format!("{named} is of class {there}, not {class}"),
                        );
                    }
                    None => return error(400, "102", &format!("Invalid DN {named}")),
                }
                if let Err(told) = lines_of(class, inner, &mut lines) {
                    return error(400, "103", &told);
                }
            }
            configured(run, &lines)
        }
        Verb::Delete => {
            let lines = match child {
                Some(child) => vec![format!("no {}", child.line)],
                None if dn == SMART => {
                    let children = CHILDREN.iter().map(|child| format!("no {}", child.line));
                    std::iter::once(format!("no {TRANSPORT}")).chain(children).collect()
                }
                None => return error(403, "106", &format!("{dn} cannot be deleted")),
            };
            configured(run, &lines)
        }
    }
}

fn get(run: &Run<'_, '_>, dn: &str, child: Option<&Child>, query: &str) -> HttpAnswer {
    let config = &run.switch.running;
    let below = Below::of(query);
    if let Some(child) = child {
        // What is not set is not there.
        return http(200, &child_object(config, child, false).into_iter().collect::<Vec<_>>());
    }
    if dn != SMART {
        let floor = dn.matches('/').count();
        return http(200, &[above_object(run, floor, &below, false)]);
    }
    let has = |what: &str| query.split('&').any(|pair| pair == what);
    let mut objects = vec![smart_object(config, &below, false)];
    if has("query-target=children") || has("query-target=subtree") {
        if has("query-target=children") {
            objects.clear();
        }
        objects.extend(CHILDREN.iter().filter_map(|child| child_object(config, child, false)));
    }
    http(200, &objects)
}

/// Lines of configuration, all or none of them.
fn configured(run: &mut Run<'_, '_>, lines: &[String]) -> HttpAnswer {
    if lines.len() > COMMANDS_MAX {
        return error(413, "413", "The request sets too much, send it in parts");
    }
    let commands = lines.iter().map(|line| Some((Wanted::Configured, line.clone()))).collect();
    let mut batch = Batch::new(commands, OnError::RollBack);
    run.all(&mut batch);
    let done: Result<Vec<Done>, Failed> = batch.results.into_iter().collect();
    match done {
        Ok(_) => http(200, &[]),
        Err(Failed::Denied) => error(403, "122", "The user has no privilege to configure"),
        Err(failed) => error(400, "103", &failed.text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_objects() {
        assert_eq!(dn_of("/api/mo/sys/x.json"), Some("sys/x"));
        assert_eq!(dn_of("/api/node/mo/sys.json"), Some("sys"));
        for other in ["/api/mo/sys", "/api/class/x.json", "/mo/sys.json", "/"] {
            assert_eq!(dn_of(other), None, "{other}");
        }
    }

    #[test]
    fn objects_are_lines_however_deep_they_lie() {
        let body = json!({ "topSystem": { "children": [ { "licensemanagerLicenseManager": { "children": [
            { "licensemanagerInst": { "children": [ { "licensemanagerSmartLicensing": {
                "attributes": { "transportMode": "transportCslu" },
                "children": [
                    { "licensemanagerTransportCsluUrl": { "attributes": { "url": "http://c:8182/x" } } },
                    { "licensemanagerUsage": { "attributes": { "interval": 40 } } },
                    { "licensemanagerVrf": { "attributes": { "status": "deleted" } } },
                ] } } ] } } ] } } ] } });
        let lines = |body: &Value| {
            let mut lines = Vec::new();
            let (class, inner) = body.as_object().unwrap().iter().next().unwrap();
            lines_of(class, inner, &mut lines).map(|()| lines)
        };
        assert_eq!(
            lines(&body).unwrap(),
            [
                "license smart transport cslu",
                "license smart url cslu http://c:8182/x",
                "license smart usage interval 40",
                "no license smart vrf"
            ]
        );
        let bad =
            json!({ "licensemanagerSmartLicensing": { "attributes": { "transportMode": "x" } } });
        assert!(lines(&bad).unwrap_err().contains("transportMode"));
        let bad = json!({ "topSystem": { "children": [
            { "bgpEntity": { "attributes": { "adminSt": "enabled" } } }] } });
        assert!(lines(&bad).unwrap_err().contains("bgpEntity"));
        // What programs name only to leave it as it is, or to be rid of it, is passed over.
        let nothing = json!({ "topSystem": { "children": [
            { "arpEntity": { "children": [{ "arpVpc": { "attributes": { "rn": "vpc", "status": "deleted" } } }] } },
            { "licensemanagerLicenseManager": { "children": [{ "licensemanagerInst": { "children": [
                { "licensemanagerSmartLicensing": { "attributes": { "transportMode": UNSET } } }] } }] } },
        ] } });
        assert_eq!(lines(&nothing).unwrap(), ["no license smart transport"]);
        let hidden = json!({ "topSystem": { "children": [
            { "arpEntity": { "children": [{ "arpInst": { "attributes": { "ctrl": "x" } } }] } }] } });
        assert!(lines(&hidden).unwrap_err().contains("arpEntity"));
        let misplaced = json!({ "topSystem": { "children": [{ "licensemanagerVrf": {} }] } });
        assert!(lines(&misplaced).unwrap_err().contains("child of"));
        let two = json!({ "licensemanagerVrf": { "attributes": { "vrfname": "a\nhostname b" } } });
        assert!(lines(&two).is_err());
    }
}
