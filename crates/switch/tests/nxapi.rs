#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! NX-API without a network: JSON-RPC, ins_api in both forms, and the objects of its REST.

mod common;

use common::*;
use rumline_switch::{Devices, Effect, HttpAnswer, Verb};
use serde_json::{Value, json};

fn ask(lab: &mut Lab, login: &str, kind: &str, body: &[u8]) -> HttpAnswer {
    asked(lab, login, kind, body).0
}

/// The answer, and what the switch wants done.
fn asked(lab: &mut Lab, login: &str, kind: &str, body: &[u8]) -> (HttpAnswer, Vec<Effect>) {
    let mut devices =
        Devices { store: &mut lab.store, flash: &mut lab.flash, random: &mut lab.random };
    let mut request = match lab.switch.nxapi(login, "192.0.2.9", kind, body) {
        Ok(request) => request,
        Err(answer) => return (answer, Vec::new()),
    };
    let mut effects = Vec::new();
    loop {
        let (answer, more) = lab.switch.nxapi_turn(lab.now, &mut request, &mut devices);
        effects.extend(more);
        if let Some(answer) = answer {
            return (answer, effects);
        }
    }
}

fn rpc(lab: &mut Lab, body: &Value) -> (u16, Value) {
    let answer = ask(lab, "admin", "application/json-rpc", body.to_string().as_bytes());
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

fn call(id: u32, method: &str, cmd: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": { "cmd": cmd, "version": 1 }, "id": id })
}

fn ins(lab: &mut Lab, kind: &str, input: &str) -> Value {
    let body = json!({ "ins_api": { "version": "1.0", "type": kind, "chunk": "0", "sid": null,
        "input": input, "output_format": "json" } });
    let answer = ask(lab, "admin", "application/json", body.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    let value: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(value["ins_api"]["type"], kind);
    value["ins_api"]["outputs"]["output"].clone()
}

#[test]
fn json_rpc_answers_a_list_with_a_list_in_its_order() {
    let mut lab = Lab::new(Some("hostname leaf\n"));
    let (status, one) = rpc(&mut lab, &json!([call(7, "cli", "show hostname")]));
    assert_eq!(status, 200);
    assert_eq!(
        one,
        json!({ "jsonrpc": "2.0", "result": { "body": { "hostname": "leaf" } }, "id": 7 })
    );
    let (_, text) = rpc(&mut lab, &call(1, "cli_ascii", "show hostname"));
    assert_eq!(text["result"]["msg"], "leaf\n");
    // Lines of configuration come without `configure terminal`, and what opens a mode counts for those behind it.
    let lines =
        ["interface Ethernet1/1", "description over nxapi", "feature bgp", "terminal dont-ask"];
    let calls: Vec<Value> = (1..).zip(lines).map(|(id, line)| call(id, "cli", line)).collect();
    let (status, several) = rpc(&mut lab, &Value::from(calls));
    assert_eq!(status, 200);
    let ids: Vec<_> = several.as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert!(
        several
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["result"].is_null() && one.get("error").is_none()),
        "{several}"
    );
    assert!(
        lab.run(&["show running-config interface e1/1"]).contains("  description over nxapi\n")
    );
    let (_, saved) = rpc(&mut lab, &json!([call(1, "cli_ascii", "copy run startup-config")]));
    assert!(saved["result"]["msg"].as_str().unwrap().contains("Copy complete"), "{saved}");
    let log = lab.run(&["show accounting log"]);
    assert!(
        log.contains(
            "id=192.0.2.9:user=admin:cmd=configure terminal ; interface Ethernet1/1 (SUCCESS)"
        ),
        "{log}"
    );
}

#[test]
fn json_rpc_says_what_is_wrong() {
    let mut lab = Lab::new(None);
    let (status, wrong) = rpc(&mut lab, &call(3, "cli", "show nonsense"));
    assert_eq!((status, &wrong["error"]["code"], &wrong["id"]), (200, &json!(-32602), &json!(3)));
    assert_eq!(wrong["error"]["message"], "Invalid params");
    assert!(
        wrong["error"]["data"]["msg"].as_str().unwrap().contains("% Invalid command"),
        "{wrong}"
    );
    let (_, method) = rpc(&mut lab, &call(1, "bash", "ls"));
    assert_eq!(method["error"]["code"], -32601);
    let (_, empty) = rpc(&mut lab, &call(1, "cli", " "));
    assert_eq!(empty["error"]["code"], -32602);
    let (_, none) = rpc(&mut lab, &json!({ "method": "cli" }));
    assert_eq!(none["error"]["code"], -32600);
    for body in ["{", "[]", "nonsense", ""] {
        let answer = ask(&mut lab, "admin", "application/json-rpc", body.as_bytes());
        assert_eq!(answer.status, 400, "{body}");
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(value["error"]["code"].is_i64(), "{body}");
    }
    let deep = "[".repeat(10_000);
    assert_eq!(ask(&mut lab, "admin", "application/json-rpc", deep.as_bytes()).status, 400);
    let many = Value::from(vec![call(1, "cli", "show clock"); 1_001]);
    assert_eq!(rpc(&mut lab, &many).0, 400);
    // What is piped is text: never an answer without its content.
    let (_, piped) = rpc(&mut lab, &call(1, "cli", "show hostname | count"));
    assert_eq!(piped["error"]["data"]["msg"], "structured output unsupported\n");
    assert_eq!(
        rpc(&mut lab, &call(1, "cli_ascii", "show hostname | count")).1["result"]["msg"],
        "1\n"
    );
    let (_, copy) = rpc(&mut lab, &call(1, "cli_ascii", "copy tftp://192.0.2.9/x bootflash:x"));
    assert!(copy["error"]["data"]["msg"].as_str().unwrap().contains("give it over SSH"), "{copy}");
    let log = lab.run(&["show accounting log"]);
    assert!(log.contains("copy tftp://192.0.2.9/x bootflash:x (FAILURE)"), "{log}");
    // Of a text without an end nothing is there, and that is told.
    let (_, open) = rpc(&mut lab, &call(1, "cli", "banner motd #"));
    assert!(open["error"]["data"]["msg"].as_str().unwrap().contains("has no end"), "{open}");
    assert_eq!(lab.switch.banner("motd"), None);
    let (_, several) = rpc(&mut lab, &call(1, "cli", "configure terminal ; vlan 92 ; name foo"));
    assert!(
        several["result"].is_null() && lab.run(&["show vlan id 92"]).contains("foo"),
        "{several}"
    );
    // PI-SHOW-035: for people only.
    let (_, refused) = rpc(&mut lab, &call(1, "cli", "show license eventlog"));
    assert_eq!(refused["error"]["data"]["msg"], "structured output unsupported\n");
    let (_, text) = rpc(&mut lab, &call(1, "cli_ascii", "show license eventlog"));
    assert!(text["result"]["msg"].is_string(), "{text}");
}

#[test]
fn an_error_stops_goes_on_or_rolls_back_as_it_is_asked_to() {
    let lines = ["feature bgp", "nonsense here", "feature lacp"];
    for (rollback, bgp, lacp) in [
        ("stop-on-error", true, false),
        ("continue-on-error", true, true),
        ("rollback-on-error", false, false),
    ] {
        let mut lab = Lab::new(None);
        let calls: Vec<Value> = (1..)
            .zip(lines)
            .map(|(id, line)| {
                let mut call = call(id, "cli", line);
                call["rollback"] = json!(rollback);
                call
            })
            .collect();
        let (status, answers) = rpc(&mut lab, &Value::from(calls));
        assert_eq!(status, 200);
        assert!(answers[1]["error"].is_object(), "{rollback}: {answers}");
        assert_eq!(answers[2].get("error").is_none(), lacp, "{rollback}: {answers}");
        let running = lab.run(&["show running-config"]);
        assert_eq!(running.contains("feature bgp"), bgp, "{rollback}");
        assert_eq!(running.contains("feature lacp"), lacp, "{rollback}");
    }
}

#[test]
fn what_is_no_command_counts_as_one_that_failed() {
    let mut lab = Lab::new(None);
    let bad = json!({ "jsonrpc": "2.0", "method": "cli", "params": {}, "id": 1 });
    let (_, told) = rpc(&mut lab, &json!([bad, call(2, "cli", "hostname after")]));
    assert_eq!(
        (&told[0]["error"]["code"], &told[1]["error"]["code"]),
        (&json!(-32602), &json!(-32603))
    );
    let mut first = call(1, "cli", "hostname before");
    first["rollback"] = json!("rollback-on-error");
    let (_, told) = rpc(&mut lab, &json!([first, call(2, "nope", "x")]));
    assert_eq!(told[1]["error"]["code"], -32601);
    assert_eq!(lab.run(&["show hostname"]), "switch\n");
    let mut unknown = call(1, "cli", "hostname x");
    unknown["rollback"] = json!("nonsense");
    assert_eq!(rpc(&mut lab, &unknown).1["error"]["code"], -32602);
    assert_eq!(ins(&mut lab, "cli_show", "vlan 77")["code"], "405");
    assert_eq!(ins(&mut lab, "cli_conf", "show clock")["code"], "405");
    for body in ["[]", "5", "{\"licensemanagerSmartLicensing\":5}"] {
        let value: Value = serde_json::from_str(body).unwrap();
        assert_eq!(object(&mut lab, Verb::Post, &format!("{SMART}.json"), &value).0, 400, "{body}");
    }
    lab.configure(&[
        "snmp-server community Secr3tComm",
        "snmp-server user u network-admin auth md5 Secr3tSnmp",
    ]);
    lab.run(&["copy scp://u:Secr3tScp@192.0.2.1/x bootflash:"]);
    assert!(!lab.run(&["show accounting log"]).contains("Secr3t"));
}

#[test]
fn ins_api_in_json_has_an_output_for_each_command() {
    let mut lab = Lab::new(Some("hostname leaf\n"));
    let one = ins(&mut lab, "cli_show", "show hostname");
    assert_eq!(
        one,
        json!({ "input": "show hostname", "msg": "Success", "code": "200", "body": { "hostname": "leaf" } })
    );
    let two = ins(&mut lab, "cli_show_ascii", "show hostname ;show nonsense ;show hostname");
    assert_eq!((&two[0]["body"], &two[2]["body"]), (&json!("leaf\n"), &json!("leaf\n")));
    assert_eq!(
        (&two[1]["code"], &two[1]["msg"]),
        (&json!("400"), &json!("Input CLI command error"))
    );
    assert!(
        two[1]["clierror"].as_str().unwrap().starts_with("        ")
            || two[1]["clierror"].as_str().unwrap().contains("% Invalid command"),
        "{two}"
    );
    let done = ins(
        &mut lab,
        "cli_conf",
        "terminal dont-ask ;feature bgp ;interface e1/1 ;description a;b",
    );
    assert!(
        done.as_array().unwrap().iter().all(|one| one["code"] == "200" && one["body"] == json!({})),
        "{done}"
    );
    assert!(lab.run(&["show running-config interface e1/1"]).contains("  description a;b\n"));
    let stopped = ins(&mut lab, "cli_conf", "nonsense here ;feature lacp");
    assert_eq!(stopped[1]["msg"], "Not executed: a command before it failed");
    let refused = ins(&mut lab, "cli_show", "show license eventlog");
    assert_eq!(
        (&refused["code"], &refused["msg"]),
        (&json!("501"), &json!("Structured output unsupported"))
    );
    assert_eq!(ins(&mut lab, "cli_show_ascii", "show license eventlog")["code"], "200");
    assert_eq!(ins(&mut lab, "bash", "ls")["code"], "501");
    assert_eq!(ins(&mut lab, "cli_show", " ;")["msg"], "No input command");
}

#[test]
fn ins_api_in_xml_has_the_same() {
    let mut lab = Lab::new(Some("hostname leaf\n"));
    let mut asked = |kind: &str, input: &str| {
        let body = format!(
            "<?xml version=\"1.0\"?><ins_api><version>1.0</version><type>{kind}</type><chunk>0</chunk><sid>sid</sid>\
             <input>{input}</input><output_format>xml</output_format></ins_api>"
        );
        let answer = ask(&mut lab, "admin", "application/xml", body.as_bytes());
        assert_eq!((answer.status, answer.content_type), (200, "text/xml; charset=UTF-8"));
        answer.body
    };
    let shown = asked("cli_show", "show hostname ;show vlan brief");
    assert_eq!(shown.matches("<output>").count(), 2);
    assert!(shown.contains("<body>\n<hostname>leaf</hostname>\n</body>"), "{shown}");
    assert!(shown.contains("<TABLE_vlanbriefxbrief>\n <ROW_vlanbriefxbrief>"), "{shown}");
    assert!(shown.contains("<code>200</code>") && shown.contains("<input>show vlan brief</input>"));
    let wrong = asked("cli_show", "show &lt;nonsense&gt;");
    assert!(wrong.contains("<clierror>") && wrong.contains("<code>400</code>"), "{wrong}");
    assert!(wrong.contains("<input>show &lt;nonsense&gt;</input>"), "{wrong}");
    assert!(asked("cli_conf", "feature bgp").contains("<body></body>"));
    for bad in [
        "<ins_api>",
        "<a/>",
        "<ins_api><input><b/></input></ins_api>",
        "<ins_api><input>&x;</input></ins_api>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><ins_api></ins_api>",
        "<",
    ] {
        let body = ask(&mut lab, "admin", "application/xml", bad.as_bytes()).body;
        assert!(body.contains("<msg>Input XML format error</msg>"), "{bad}: {body}");
    }
}

#[test]
fn it_is_reached_where_the_configuration_says() {
    let mut lab = Lab::new(None);
    let ports = |lab: &Lab| {
        let settings = lab.switch.nxapi_settings();
        (settings.http, settings.https)
    };
    assert_eq!(ports(&lab), (None, None));
    assert_eq!(lab.run(&["show nxapi"]), "nxapi disabled\n");
    lab.configure(&["feature nxapi"]);
    assert_eq!(ports(&lab), (None, Some(443)));
    lab.configure(&["nxapi http port 8080", "nxapi https port 8443"]);
    assert_eq!(ports(&lab), (Some(8080), Some(8443)));
    assert_eq!(
        lab.run(&["show nxapi"]),
        "nxapi enabled\nHTTP Listen on port 8080\nHTTPS Listen on port 8443\n"
    );
    assert!(
        lab.run(&["configure terminal", "nxapi http port 70000"]).contains("range is (1:65535)")
    );
    lab.run(&["end"]);
    lab.configure(&["no nxapi https", "no nxapi http port"]);
    assert_eq!(ports(&lab), (None, None));
    lab.configure(&["nxapi https port 8443"]);
    assert_eq!(ports(&lab), (None, Some(8443)), "whoever gives it a port wants it");
    lab.configure(&["no nxapi https"]);
    lab.configure(&["nxapi https", "nxapi http"]);
    assert_eq!(ports(&lab), (Some(80), Some(8443)));
    lab.configure(&["no feature nxapi"]);
    assert_eq!(ports(&lab), (None, None));
}

#[test]
fn roles_are_those_of_the_command_line() {
    let mut lab = Lab::new(Some("username eve role network-operator\n"));
    let body = |cmd: &str| call(1, "cli", cmd).to_string();
    let shown = ask(&mut lab, "eve", "application/json-rpc", body("show hostname").as_bytes());
    assert_eq!(shown.status, 200);
    for cmd in ["hostname x", "copy running-config startup-config", "reload", "license smart sync"]
    {
        let (refused, effects) =
            asked(&mut lab, "eve", "application/json-rpc", body(cmd).as_bytes());
        assert!(refused.body.contains("Permission denied"), "{cmd}: {}", refused.body);
        assert!(effects.is_empty(), "{cmd}");
    }
    assert_eq!(lab.run(&["show hostname"]), "switch\n");
}

fn object(lab: &mut Lab, verb: Verb, path: &str, body: &Value) -> (u16, Value) {
    object_of(lab, "admin", verb, path, body)
}

fn object_of(lab: &mut Lab, login: &str, verb: Verb, path: &str, body: &Value) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut devices =
        Devices { store: &mut lab.store, flash: &mut lab.flash, random: &mut lab.random };
    let (answer, _) = lab.switch.nxapi_object(
        lab.now,
        login,
        "192.0.2.9",
        (verb, path, query),
        body.to_string().as_bytes(),
        &mut devices,
    );
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

const SMART: &str = "/api/mo/sys/licensemanager/inst/smartlicensing";

#[test]
fn what_is_set_by_objects_stands_in_the_configuration_and_the_reverse() {
    let mut lab = Lab::new(None);
    let url = "http://192.0.2.7:8182/cslu/v1/pi";
    let body = json!({ "licensemanagerSmartLicensing": {
        "attributes": { "transportMode": "transportSmart" },
        "children": [
            { "licensemanagerTransportCsluUrl": { "attributes": { "url": url } } },
            { "licensemanagerVrf": { "attributes": { "vrfname": "management" } } },
            { "licensemanagerUsage": { "attributes": { "interval": "40" } } },
        ] } });
    for _ in 0..2 {
        // A second time changes nothing.
        assert_eq!(
            object(&mut lab, Verb::Post, &format!("{SMART}.json"), &body),
            (200, json!({ "totalCount": "0", "imdata": [] }))
        );
        let running = lab.run(&["show running-config license"]);
        for line in [
            "license smart transport smart\n",
            &format!("license smart url cslu {url}\n"),
            "license smart vrf management\n",
            "license smart usage interval 40\n",
        ] {
            assert_eq!(running.matches(line).count(), 1, "{line} in {running}");
        }
    }
    lab.configure(&["license smart transport off", "license smart usage interval 50"]);
    let (_, told) =
        object(&mut lab, Verb::Get, &format!("{SMART}.json?rsp-subtree=full"), &Value::Null);
    let smart = &told["imdata"][0]["licensemanagerSmartLicensing"];
    assert_eq!(smart["attributes"]["transportMode"], "transportOff");
    assert_eq!(smart["attributes"]["dn"], "sys/licensemanager/inst/smartlicensing");
    let interval = smart["children"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|child| child.get("licensemanagerUsage"));
    assert_eq!(interval.unwrap()["attributes"]["interval"], "50");
    let (_, one) =
        object(&mut lab, Verb::Get, &format!("{SMART}/transportcsluurl.json"), &Value::Null);
    assert_eq!(one["imdata"][0]["licensemanagerTransportCsluUrl"]["attributes"]["url"], url);
    assert_eq!(
        object(&mut lab, Verb::Delete, &format!("{SMART}/transportcsluurl.json"), &Value::Null).0,
        200
    );
    let (_, gone) = object(&mut lab, Verb::Get, &format!("{SMART}/vrf.json"), &Value::Null);
    assert_eq!(gone["totalCount"], "1");
    assert_eq!(object(&mut lab, Verb::Delete, &format!("{SMART}.json"), &Value::Null).0, 200);
    let left = lab.run(&["show running-config license"]);
    assert!(
        !left.contains("192.0.2.7")
            && !left.contains("interval 50")
            && !left.contains("transport off"),
        "{left}"
    );
    let (_, sys) = object(&mut lab, Verb::Get, "/api/mo/sys.json", &Value::Null);
    assert_eq!(sys["imdata"][0]["topSystem"]["attributes"]["serial"], SERIAL);
}

#[test]
fn objects_that_cannot_be_change_nothing() {
    let mut lab = Lab::new(Some("username eve role network-operator\n"));
    let before = lab.run(&["show running-config | exclude Time"]);
    let post =
        |class: &str, name: &str, value: &str| json!({ class: { "attributes": { name: value } } });
    for (path, body, status) in [
        (format!("{SMART}.json"), post("licensemanagerSmartLicensing", "transportMode", "x"), 400),
        (format!("{SMART}.json"), post("licensemanagerUsage", "interval", "4000"), 400),
        (format!("{SMART}.json"), post("bgpEntity", "name", "x"), 400),
        ("/api/mo/sys/bgp.json".to_owned(), post("bgpEntity", "name", "x"), 400),
        ("/api/class/x.json".to_owned(), json!({}), 404),
    ] {
        let (told, value) = object(&mut lab, Verb::Post, &path, &body);
        assert_eq!(told, status, "{path} {body}: {value}");
        assert!(value["imdata"][0]["error"]["attributes"]["text"].is_string(), "{value}");
    }
    // All of it or nothing.
    let both = json!({ "licensemanagerSmartLicensing": { "attributes": { "transportMode": "transportOff" }, "children": [
        { "licensemanagerUsage": { "attributes": { "interval": "0x" } } } ] } });
    assert_eq!(object(&mut lab, Verb::Post, &format!("{SMART}.json"), &both).0, 400);
    assert_eq!(object(&mut lab, Verb::Delete, "/api/mo/sys.json", &Value::Null).0, 403);
    let off = post("licensemanagerSmartLicensing", "transportMode", "transportOff");
    assert_eq!(object_of(&mut lab, "eve", Verb::Post, &format!("{SMART}.json"), &off).0, 403);
    assert_eq!(lab.run(&["show running-config | exclude Time"]), before);
}

fn collector(lab: &mut Lab, login: &str, method: &str, rest: &str, body: &[u8]) -> (u16, Value) {
    let mut devices =
        Devices { store: &mut lab.store, flash: &mut lab.flash, random: &mut lab.random };
    let (answer, _) =
        lab.switch.smartlic(lab.now, login, "192.0.2.9", (method, rest), body, &mut devices);
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[test]
fn a_collector_of_ones_own_gets_the_reports_as_they_are_signed() {
    let mut lab = Lab::new(Some("feature bgp\nusername eve role network-operator\n"));
    lab.now = lab.now + 3_600;
    let mut ask = |method: &str, rest: &str| collector(&mut lab, "admin", method, rest, b"");
    assert_eq!(ask("GET", "list"), (200, json!({ "usage_list": [] })));
    assert_eq!(ask("POST", "close-reports").0, 200);
    let (_, list) = ask("GET", "list");
    let id = list["usage_list"][0]["report_id"].as_u64().unwrap();
    let (status, all) = ask("GET", "all-reports");
    assert_eq!(status, 200);
    let one = &all["usage"][0];
    let payload: Value = serde_json::from_str(one["payload"].as_str().unwrap()).unwrap();
    assert!(payload.to_string().contains("LAN_ENTERPRISE") || payload.is_object(), "{payload}");
    assert!(one["signature"].is_object() && one["header"]["type"] == "rum", "{one}");
    assert!(all["file"].as_str().unwrap().trim_start().starts_with('<'));
    assert_eq!(ask("GET", "days").1["usage"][0]["payload"], one["payload"]);
    assert_eq!(ask("GET", "days/5").0, 200);
    let (status, single) = ask("GET", &format!("days/{id}"));
    assert_eq!((status, &single["usage"][0]["payload"]), (200, &one["payload"]));
    for (method, rest, status) in [
        ("GET", "days/x", 400),
        ("GET", "days/99999999999", 404),
        ("POST", "list", 405),
        ("GET", "nothing", 404),
        ("GET", "", 404),
    ] {
        assert_eq!(ask(method, rest).0, status, "{method} {rest}");
    }
    assert_eq!(collector(&mut lab, "eve", "GET", "all-reports", b"").0, 403);
    for bad in [&b"nonsense"[..], b"", b"<a/>", b"\xff\xfe"] {
        let (status, told) = collector(&mut lab, "admin", "POST", "import", bad);
        assert_eq!(status, 400, "{told}");
    }
}

fn chunked(lab: &mut Lab, kind: &str, sid: &str, input: &str, format: &str) -> (String, String) {
    let body = format!(
        "<ins_api><version>1.0</version><type>{kind}</type><chunk>1</chunk><sid>{sid}</sid>\
         <input>{input}</input><output_format>{format}</output_format></ins_api>"
    );
    let answer = ask(lab, "admin", "text/xml", body.as_bytes()).body;
    let between = |begin: &str, end: &str| {
        let at = answer.find(begin)? + begin.len();
        Some(answer[at..at + answer[at..].find(end)?].to_owned())
    };
    let sid = between("<sid>", "</sid>").unwrap_or_default();
    (sid, between("<body>", "</body>").unwrap_or(answer))
}

#[test]
fn a_long_answer_is_fetched_in_pieces() {
    let config: String = (0..1_000).map(|n| format!("interface loopback{n}\n")).collect();
    let mut lab = Lab::new(Some(&config));
    let plain = ask(
        &mut lab,
        "admin",
        "text/xml",
        b"<ins_api><version>1.0</version><type>cli_show_ascii</type><chunk>0</chunk><sid>sid</sid>\
          <input>show interface</input><output_format>xml</output_format></ins_api>",
    );
    let whole = plain.body.split_once("<body>").unwrap().1.split_once("</body>").unwrap().0;
    assert!(whole.len() > 80_000, "{}", whole.len());
    let (mut sid, mut fetched) =
        chunked(&mut lab, "cli_show_ascii", "sid", "show interface ;show clock", "xml");
    let mut pieces = 1;
    while sid != "eoc" {
        let (next, piece) = chunked(&mut lab, "cli_show_ascii", &sid, "show interface", "xml");
        fetched.push_str(&piece);
        sid = next;
        pieces += 1;
    }
    assert!(fetched == whole && pieces > 1, "{pieces} pieces");
    // Elements come as text, since a piece of them is none.
    let (sid, body) = chunked(&mut lab, "cli_show", "1", "show hostname", "xml");
    assert_eq!((sid.as_str(), body.contains("&lt;hostname&gt;switch")), ("eoc", true), "{body}");
    for (kind, sid, input, format, told) in [
        ("cli_show", "eoc", "show clock", "xml", "The eoc value is not allowed"),
        ("cli_show", "0123456789abcdef01234567", "show clock", "xml", "Invalid session ID"),
        ("cli_show", "1", "show clock", "json", "Chunking allows only XML output"),
        ("cli_conf", "1", "vlan 7", "xml", "show commands only"),
        ("cli_show", "1", "show nonsense", "xml", "% Invalid command"),
    ] {
        let (_, answer) = chunked(&mut lab, kind, sid, input, format);
        assert!(answer.contains(told), "{told}: {answer}");
    }
}

#[test]
fn commands_of_a_request_are_given_in_turns_unless_they_may_be_taken_back() {
    let mut lab = Lab::new(None);
    let turns = |lab: &mut Lab, rollback: &str, lines: &[&str]| {
        let calls: Vec<Value> = lines
            .iter()
            .map(|line| {
                let mut call = call(1, "cli_ascii", line);
                call["rollback"] = json!(rollback);
                call
            })
            .collect();
        let body = Value::from(calls).to_string();
        let mut request = lab.switch.nxapi("admin", "x", "application/json-rpc", body.as_bytes());
        let request = request.as_mut().unwrap_or_else(|answer| panic!("{answer:?}"));
        let mut devices =
            Devices { store: &mut lab.store, flash: &mut lab.flash, random: &mut lab.random };
        (1..).find(|_| lab.switch.nxapi_turn(lab.now, request, &mut devices).0.is_some()).unwrap()
    };
    assert_eq!(turns(&mut lab, "stop-on-error", &["show clock"; 5]), 5);
    assert_eq!(turns(&mut lab, "rollback-on-error", &["feature bgp", "nonsense"]), 1);
    assert_eq!(turns(&mut lab, "stop-on-error", &["nonsense", "show clock", "show clock"]), 1);
    assert_eq!(turns(&mut lab, "continue-on-error", &["nonsense", "show clock"]), 2);
    // Nothing waits for what comes behind a restart.
    assert_eq!(turns(&mut lab, "stop-on-error", &["reload", "show clock", "show clock"]), 1);
    let log = lab.run(&["show accounting log"]);
    assert!(log.contains("rollback of a request to NX-API"), "{log}");
}
