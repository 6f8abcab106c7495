//! NX-API's own form, `ins_api`, in XML and in JSON.

use quick_xml::events::Event;
use quick_xml::reader::Reader;
use rumline_cli::Rendering;
use rumline_protocol::Random;
use serde_json::{Value, json};

use super::chunks::Piece;
use super::{Batch, COMMANDS_MAX, Chunks, Done, Failed, Form, HttpAnswer, OnError, Wanted};

const JSON: &str = "application/json";
const XML: &str = "text/xml; charset=UTF-8";
const VERSION: &str = "1.0";
/// The session id of an answer that no other piece follows.
const LAST: &str = "eoc";

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Request {
    version: String,
    kind: String,
    input: String,
    output_format: String,
    rollback: String,
    chunk: String,
    sid: String,
}

/// A command with what came of it.
struct Output<'c> {
    input: &'c str,
    result: Result<Done, Failed>,
}

/// Codes and messages of what cannot be done at all.
type Refused = (&'static str, &'static str);

impl Request {
    fn wanted(&self) -> Result<Wanted, Refused> {
        match self.kind.as_str() {
            "cli_show" | "cli_show_array" => Ok(Wanted::Data),
            "cli_show_ascii" => Ok(Wanted::Text),
            "cli_conf" => Ok(Wanted::Configured),
            "bash" => Err(("501", "Bash command not supported")),
            _ => Err(("501", "Msg type not supported")),
        }
    }

    /// Its commands, apart by ` ;`: a semicolon without a blank before it is text.
    fn commands(&self) -> Vec<&str> {
        self.input.split(" ;").map(str::trim).filter(|command| !command.is_empty()).collect()
    }

    fn is_chunked(&self) -> bool {
        self.chunk == "1"
    }

    fn batch(&self) -> Result<Batch, Refused> {
        let wanted = self.wanted()?;
        let mut commands = self.commands();
        if commands.is_empty() {
            return Err(("400", "No input command"));
        }
        if commands.len() > COMMANDS_MAX {
            return Err(("413", "Request too large"));
        }
        if self.is_chunked() {
            if wanted == Wanted::Configured {
                return Err(("400", "Chunking is for show commands only"));
            }
            if self.output_format != "xml" {
                return Err(("501", "Chunking allows only XML output"));
            }
            if self.sid == LAST {
                return Err(("400", "The eoc value is not allowed as session Id in the request"));
            }
            commands.truncate(usize::from(!Chunks::is_sid(&self.sid)));
        }
        let commands =
            commands.into_iter().map(|command| Some((wanted, command.to_owned()))).collect();
        // What shows something goes on after an error; configuration does as it is told.
        let on_error = if self.kind == "cli_conf" { self.on_error() } else { OnError::Continue };
        Ok(Batch::new(commands, on_error))
    }

    fn on_error(&self) -> OnError {
        match self.rollback.as_str() {
            "continue-on-error" => OnError::Continue,
            "rollback-on-error" => OnError::RollBack,
            _ => OnError::Stop,
        }
    }
}

/// Whether a value is of this form.
pub(super) fn is_one(value: &Value) -> bool {
    value.get("ins_api").is_some()
}

/// The commands of a request, or the answer to what has none.
fn batch_of(request: Request) -> Result<(Form, Batch), HttpAnswer> {
    match request.batch() {
        Ok(batch) => Ok((Form::InsApi(request), batch)),
        Err(refused) => Err(written(&request, LAST, &Err(refused))),
    }
}

fn code_of(failed: &Failed) -> Refused {
    match failed {
        Failed::NoData => ("501", "Structured output unsupported"),
        Failed::Command(_) => ("400", "Input CLI command error"),
        Failed::Denied => ("401", "Permission denied"),
        Failed::NotTried => ("400", "Not executed: a command before it failed"),
        Failed::TooLarge => ("413", "Response size too large"),
        Failed::WrongMode(told) => ("405", told),
        Failed::Malformed => ("400", "No input command"),
    }
}

/// An answer to what may not be asked, in JSON.
pub(super) fn refused(status: u16, told: &str) -> HttpAnswer {
    let output = json!({ "code": status.to_string(), "msg": told, "clierror": told });
    let body = json!({ "ins_api": { "outputs": { "output": output } } }).to_string();
    HttpAnswer { status, content_type: JSON, body }
}

/// Reads a request in JSON.
pub(super) fn read_json(value: &Value) -> Result<(Form, Batch), HttpAnswer> {
    let text = |name: &str| match &value["ins_api"][name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    batch_of(Request {
        version: text("version"),
        kind: text("type"),
        input: text("input"),
        output_format: text("output_format"),
        rollback: text("rollback"),
        chunk: text("chunk"),
        sid: text("sid"),
    })
}

/// Reads a request in XML.
pub(super) fn read_xml(body: &[u8]) -> Result<(Form, Batch), HttpAnswer> {
    match elements(body) {
        Some(request) => batch_of(request),
        None => {
            let refused = Err(("400", "Input XML format error"));
            Err(http_xml(&Request::default(), LAST, &refused))
        }
    }
}

/// The elements below `ins_api`; none where it is something else.
fn elements(body: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text);
    let mut request = Request { output_format: "xml".to_owned(), ..Request::default() };
    let mut open: Vec<String> = Vec::new();
    let mut content = String::new();
    let mut has_root = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                open.push(element.name().as_ref().to_owned());
                if open.len() > 2 || open[0] != "ins_api" {
                    return None;
                }
                has_root = true;
                content.clear();
            }
            Event::Text(text) => content.push_str(text.as_ref()),
            Event::CData(text) => content.push_str(text.as_ref()),
            Event::GeneralRef(name) => content.push_str(match name.as_ref() {
                "lt" => "<",
                "gt" => ">",
                "amp" => "&",
                "quot" => "\"",
                "apos" => "'",
                other => {
                    content.push(numbered(other)?);
                    continue;
                }
            }),
            Event::End(_) => {
                let name = open.pop()?;
                let text = content.trim().to_owned();
                match name.as_str() {
                    "version" => request.version = text,
                    "type" => request.kind = text,
                    "input" => request.input = text,
                    "output_format" => request.output_format = text,
                    "rollback" => request.rollback = text,
                    "chunk" => request.chunk = text,
                    "sid" => request.sid = text,
                    _ => {}
                }
                content.clear();
            }
            Event::Empty(_) if open.len() == 1 => {}
            // No document brings its own definitions.
            Event::DocType(_) | Event::Empty(_) => return None,
            Event::Eof => return (open.is_empty() && has_root).then_some(request),
            _ => {}
        }
    }
}

/// The letter of `#32` or `#x20`.
fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let number = match digits.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(number)
}

/// Writes down what came of a request, or the next piece of what came of one before.
pub(super) fn answer(
    request: &Request,
    results: Vec<Result<Done, Failed>>,
    login: &str,
    chunks: &mut Chunks,
    random: &mut dyn Random,
) -> HttpAnswer {
    if !request.is_chunked() {
        let outputs = request.commands().into_iter().zip(results);
        let outputs = outputs.map(|(input, result)| Output { input, result }).collect();
        return written(request, LAST, &Ok(outputs));
    }
    // The first command alone is shown, and where it is too long for one answer it is cut.
    let shown = match results.into_iter().next() {
        None => chunks.next(login, &request.sid),
        Some(Err(failed)) => {
            let input = request.commands().first().copied().unwrap_or_default();
            return written(request, LAST, &Ok(vec![Output { input, result: Err(failed) }]));
        }
        Some(Ok(Done::Data(fields))) => chunks.begin(login, fields.elements(), random),
        Some(Ok(Done::Text(text))) => chunks.begin(login, text, random),
    };
    match shown {
        Err(refused) => written(request, LAST, &Err(refused)),
        Ok(Piece { text, sid }) => {
            let input = request.commands().first().copied().unwrap_or_default();
            let output = Output { input, result: Ok(Done::Text(text)) };
            written(request, sid.as_deref().unwrap_or(LAST), &Ok(vec![output]))
        }
    }
}

fn written(request: &Request, sid: &str, outputs: &Result<Vec<Output<'_>>, Refused>) -> HttpAnswer {
    if request.output_format == "xml" {
        http_xml(request, sid, outputs)
    } else {
        http_json(request, outputs)
    }
}

fn version(request: &Request) -> &str {
    if request.version.is_empty() { VERSION } else { &request.version }
}

fn http_json(request: &Request, outputs: &Result<Vec<Output<'_>>, Refused>) -> HttpAnswer {
    let one = |output: &Output<'_>| {
        let input = Value::from(output.input);
        match &output.result {
            Ok(done) => {
                let body = match done {
                    Done::Data(fields) => fields.rendered(Rendering::Json, "").trim().to_owned(),
                    Done::Text(_) if request.kind == "cli_conf" => "{}".to_owned(),
                    Done::Text(text) => Value::from(text.as_str()).to_string(),
                };
                format!(
                    "{{\"input\": {input}, \"msg\": \"Success\", \"code\": \"200\", \"body\": {body}}}"
                )
            }
            Err(failed) => {
                let (code, msg) = code_of(failed);
                let error = format!("{}\n", failed.text());
                json!({ "input": input, "msg": msg, "code": code, "clierror": error }).to_string()
            }
        }
    };
    let output = match outputs {
        Err((code, msg)) => json!({ "msg": msg, "code": code }).to_string(),
        Ok(outputs) => match &outputs[..] {
            [output] => one(output),
            outputs => {
                format!("[{}]", outputs.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        },
    };
    let (kind, version) = (Value::from(request.kind.as_str()), Value::from(version(request)));
    let body = format!(
        "{{\"ins_api\": {{\"type\": {kind}, \"version\": {version}, \"sid\": \"eoc\", \
         \"outputs\": {{\"output\": {output}}}}}}}"
    );
    HttpAnswer { status: 200, content_type: JSON, body }
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn http_xml(
    request: &Request,
    sid: &str,
    outputs: &Result<Vec<Output<'_>>, Refused>,
) -> HttpAnswer {
    let mut body = format!(
        "<?xml version=\"1.0\"?>\n<ins_api>\n  <type>{}</type>\n  <version>{}</version>\n  <sid>{sid}</sid>\n  <outputs>\n",
        escaped(&request.kind),
        escaped(version(request))
    );
    match outputs {
        Err((code, msg)) => body.push_str(&format!(
            "    <output>\n      <msg>{msg}</msg>\n      <code>{code}</code>\n    </output>\n"
        )),
        Ok(outputs) => {
            for output in outputs {
                let input = escaped(output.input);
                let (inner, msg, code) = match &output.result {
                    Ok(Done::Data(fields)) => {
                        (format!("<body>\n{}</body>", fields.elements()), "Success", "200")
                    }
                    Ok(Done::Text(_)) if request.kind == "cli_conf" => {
                        ("<body></body>".to_owned(), "Success", "200")
                    }
                    Ok(Done::Text(text)) => {
                        (format!("<body>{}</body>", escaped(text)), "Success", "200")
                    }
                    Err(failed) => {
                        let (code, msg) = code_of(failed);
                        (format!("<clierror>{}\n</clierror>", escaped(&failed.text())), msg, code)
                    }
                };
                body.push_str(&format!(
                    "    <output>\n      {inner}\n      <input>{input}</input>\n      <msg>{msg}</msg>\n      <code>{code}</code>\n    </output>\n"
                ));
            }
        }
    }
    body.push_str("  </outputs>\n</ins_api>\n");
    HttpAnswer { status: 200, content_type: XML, body }
}
