//! Requests to NX-API: who asks, what the switch answers, and where it listens.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rumline_net::{Security, Shutdown, serve, server_config};
use rumline_protocol::{Timestamp, random_hex};
use rumline_switch::{HttpAnswer, NxapiRequest, NxapiSettings, Switch, Verb};
use tokio::sync::oneshot;

use super::bind;
use super::{Happened, Host, Turn};
use crate::web::{Credentials, WebAnswer, WebRequest, router};

/// Where collectors of one's own ask.
const COLLECTORS: &str = "/smartlic-service/";
/// How long a cookie stands for a login, in seconds.
const COOKIE_SECONDS: i64 = 600;
/// Cookies that are known at a time.
const COOKIES_MAX: usize = 1_000;
/// Requests that are carried out at a time.
const CALLS_MAX: usize = 256;
/// What their answers may hold in memory together before all but one of them wait, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A login by cookie.
struct Kept {
    login: String,
    /// What the login was known by then: a cookie is none any more once that has changed.
    mark: Option<[u8; 32]>,
    until: Timestamp,
}

/// Who is logged in by cookie.
#[derive(Default)]
pub(super) struct Cookies(BTreeMap<String, Kept>);

impl Cookies {
    fn login(&mut self, cookie: &str, now: Timestamp, switch: &Switch) -> Option<String> {
        let kept = self.0.get_mut(cookie)?;
        // A clock that was set back lengthens no login.
        let is_over = kept.until < now || kept.until > now + COOKIE_SECONDS;
        if is_over || kept.mark != switch.login_mark(&kept.login) {
            self.0.remove(cookie);
            return None;
        }
        kept.until = now + COOKIE_SECONDS;
        Some(kept.login.clone())
    }

    fn keep(&mut self, cookie: String, login: &str, now: Timestamp, switch: &Switch) {
        if self.0.len() >= COOKIES_MAX {
            self.0.retain(|_, kept| kept.until >= now);
        }
        if self.0.len() >= COOKIES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, kept)| kept.until);
            let oldest = oldest.map(|(cookie, _)| cookie.clone());
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        let (login, mark) = (login.to_owned(), switch.login_mark(login));
        self.0.insert(cookie, Kept { login, mark, until: now + COOKIE_SECONDS });
    }
}

/// A request to NX-API whose commands are given in turns, and who waits for the answer.
pub(super) struct Call {
    commands: NxapiRequest,
    content_type: String,
    answer: oneshot::Sender<WebAnswer>,
    cookie: Option<String>,
}

/// What listens for HTTP and for HTTPS, and what ends it.
#[derive(Default)]
pub(super) struct Listening {
    settings: NxapiSettings,
    http: Option<(SocketAddr, Shutdown)>,
    https: Option<(SocketAddr, Shutdown)>,
}

/// An answer of NX-API's REST.
fn rest(status: u16, objects: &str) -> HttpAnswer {
    let count = usize::from(objects != "[]");
    let body = format!("{{\"totalCount\": \"{count}\", \"imdata\": {objects}}}");
    HttpAnswer { status, content_type: "application/json", body }
}

fn rest_error(status: u16, code: &str, text: &str) -> HttpAnswer {
    let error = serde_json::json!([{ "error": { "attributes": { "code": code, "text": text } } }]);
    rest(status, &error.to_string())
}

impl Host {
    pub(super) fn web_request(&mut self, request: WebRequest) {
        let now = self.clock.now();
        let from = request.from.ip().to_string();
        let login = match &request.credentials {
            Credentials::Basic { login, password } => {
                let may = self.switch.may_log_in(login, password);
                if !may {
                    let told = self.switch.login_failed(now, login, &from);
                    self.carry_out(vec![told]);
                }
                may.then(|| login.clone())
            }
            Credentials::Cookie(cookie) => self.cookies.login(cookie, now, &self.switch),
            Credentials::None => None,
        };
        let mut cookie = None;
        let verb = match request.method.as_str() {
            "GET" => Some(Verb::Get),
            "POST" => Some(Verb::Post),
            "DELETE" => Some(Verb::Delete),
            _ => None,
        };
        let answer = match (login, request.path.as_str()) {
            (_, "/api/aaaLogin.json") if request.method == "POST" => {
                let (answer, given) = self.aaa_login(now, &request.body, &from);
                cookie = given;
                answer
            }
            (None, path) if path.starts_with("/api/") => {
                rest_error(403, "403", "Token was invalid (Error: Token timeout)")
            }
            (Some(login), "/api/aaaRefresh.json") if request.method == "GET" => {
                let (answer, given) = self.aaa_refresh(now, &login, &request.credentials);
                cookie = Some(given);
                answer
            }
            (Some(_), "/api/aaaLogout.json") => {
                if let Credentials::Cookie(cookie) = &request.credentials {
                    self.cookies.0.remove(cookie);
                }
                rest(200, "[]")
            }
            (Some(login), path) if path.starts_with("/api/") => match verb {
                None => rest_error(405, "405", "Use GET, POST or DELETE"),
                Some(verb) => {
                    let (switch, mut devices) = self.parts();
                    let what = (verb, path, request.query.as_str());
                    let (answer, effects) =
                        switch.nxapi_object(now, &login, &from, what, &request.body, &mut devices);
                    self.carry_out(effects);
                    answer
                }
            },
            (None, _) => HttpAnswer::refused(&request.content_type, 401, "Authorization required"),
            (Some(login), "/ins" | "/ins/" | "/ins.json") if request.method == "POST" => {
                if matches!(request.credentials, Credentials::Basic { .. }) {
                    let value = random_hex(&mut self.random, 24);
                    self.cookies.keep(value.clone(), &login, now, &self.switch);
                    cookie = Some(format!("nxapi_auth={value}; Path=/; HttpOnly; SameSite=Strict"));
                }
                let (kind, body) = (&request.content_type, &request.body);
                match self.switch.nxapi(&login, &from, kind, body) {
                    Err(answer) => answer,
                    Ok(commands) => {
                        let (content_type, answer) = (request.content_type, request.answer);
                        return self.begin_call(Call { commands, content_type, answer, cookie });
                    }
                }
            }
            (Some(login), path) if path.starts_with(COLLECTORS) => {
                let (switch, mut devices) = self.parts();
                let what = (request.method.as_str(), &path[COLLECTORS.len()..]);
                let (answer, effects) =
                    switch.smartlic(now, &login, &from, what, &request.body, &mut devices);
                self.carry_out(effects);
                answer
            }
            (Some(_), "/ins" | "/ins/" | "/ins.json") => {
                HttpAnswer::refused(&request.content_type, 405, "NX-API takes POST")
            }
            (Some(_), path) => {
                let told = format!("There is nothing at {path}");
                HttpAnswer::refused(&request.content_type, 404, &told)
            }
        };
        // Whoever asked may have hung up.
        let _gone = request.answer.send(WebAnswer { answer, cookie });
    }

    /// The commands of a request go in turns with those of others.
    fn begin_call(&mut self, call: Call) {
        if self.calls.len() >= CALLS_MAX {
            let told = "The switch has too many requests, ask again";
            let answer = HttpAnswer::refused(&call.content_type, 503, told);
            let _gone = call.answer.send(WebAnswer { answer, cookie: call.cookie });
            return;
        }
        self.last_call += 1;
        self.calls.insert(self.last_call, call);
        self.ready.push_back(Turn::Call(self.last_call));
    }

    /// Gives the next command of a request.
    pub(super) fn step_call(&mut self, number: u64) {
        // Together they hold so much: what is more waits for the first of them, which always goes on.
        let held: usize = self.calls.values().map(|call| call.commands.answer_bytes()).sum();
        let is_first = self.calls.first_key_value().is_some_and(|(first, _)| *first == number);
        if held > ANSWER_BYTES_MAX && !is_first {
            self.ready.push_back(Turn::Call(number));
            return;
        }
        let Some(mut call) = self.calls.remove(&number) else { return };
        // Whoever hung up wants the rest done as much as before: it was asked for.
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        let (answer, effects) = switch.nxapi_turn(now, &mut call.commands, &mut devices);
        match answer {
            Some(answer) => {
                let _gone = call.answer.send(WebAnswer { answer, cookie: call.cookie });
            }
            None => {
                self.calls.insert(number, call);
                self.ready.push_back(Turn::Call(number));
            }
        }
        self.carry_out(effects);
    }

    /// A login by cookie goes on with another one, as NX-API's REST has it.
    fn aaa_refresh(
        &mut self,
        now: Timestamp,
        login: &str,
        credentials: &Credentials,
    ) -> (HttpAnswer, String) {
        if let Credentials::Cookie(before) = credentials {
            self.cookies.0.remove(before);
        }
        self.cookie_given(now, login, "aaaRefresh")
    }

    /// A login for a cookie, as NX-API's REST has it.
    fn aaa_login(
        &mut self,
        now: Timestamp,
        body: &[u8],
        from: &str,
    ) -> (HttpAnswer, Option<String>) {
        let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let attributes = &value["aaaUser"]["attributes"];
        let text = |name: &str| attributes[name].as_str().unwrap_or_default();
        let (login, password) = (text("name"), text("pwd"));
        if !self.switch.may_log_in(login, password) {
            let told = self.switch.login_failed(now, login, from);
            self.carry_out(vec![told]);
            let why = "Username or password is incorrect - FAILED local authentication";
            return (rest_error(401, "401", why), None);
        }
        let (answer, cookie) = self.cookie_given(now, login, "aaaLogin");
        (answer, Some(cookie))
    }

    fn cookie_given(&mut self, now: Timestamp, login: &str, class: &str) -> (HttpAnswer, String) {
        let token = random_hex(&mut self.random, 24);
        self.cookies.keep(token.clone(), login, now, &self.switch);
        let told = serde_json::json!([{ class: { "attributes": {
            "token": token, "userName": login, "refreshTimeoutSeconds": COOKIE_SECONDS.to_string(),
            "guiIdleTimeoutSeconds": COOKIE_SECONDS.to_string(), "restTimeoutSeconds": "90",
            "creationTime": now.seconds().to_string(), "firstLoginTime": now.seconds().to_string(),
            "remoteUser": "false", "siteFingerprint": "", "version": "1.0",
        } } }]);
        let cookie = format!("APIC-cookie={token}; Path=/; HttpOnly; SameSite=Strict");
        (rest(200, &told.to_string()), cookie)
    }

    /// Listens where the configuration says, once that says otherwise than before.
    pub(super) fn listen_as_configured(&mut self) {
        // NX-API is with the active supervisor.
        if self.shown.is_some() {
            return;
        }
        let settings = self.switch.nxapi_settings();
        if settings == self.listening.settings {
            return;
        }
        self.listening.settings = settings;
        let address = |port: Option<u16>, instead: Option<SocketAddr>| {
            port.map(|port| instead.unwrap_or_else(|| (self.setup.nxapi_address, port).into()))
        };
        let http = address(settings.http, self.setup.nxapi_http);
        let https = address(settings.https, self.setup.nxapi_https);
        let before = std::mem::take(&mut self.listening.http);
        self.listening.http = self.moved(before, http, false);
        let before = std::mem::take(&mut self.listening.https);
        self.listening.https = self.moved(before, https, true);
    }

    /// What listens goes on where it is to listen still; if not it ends, and another one begins.
    fn moved(
        &self,
        before: Option<(SocketAddr, Shutdown)>,
        to: Option<SocketAddr>,
        has_tls: bool,
    ) -> Option<(SocketAddr, Shutdown)> {
        match (before, to) {
            (Some((address, shutdown)), Some(to)) if address == to => Some((address, shutdown)),
            (before, to) => {
                if let Some((_, shutdown)) = before {
                    shutdown.begin();
                }
                let to = to?;
                let shutdown = Shutdown::default();
                self.listen(to, has_tls, shutdown.clone());
                Some((to, shutdown))
            }
        }
    }

    fn listen(&self, address: SocketAddr, has_tls: bool, shutdown: Shutdown) {
        let (scheme, kind) = if has_tls { ("https", "HTTPS") } else { ("http", "HTTP") };
        let certificate = self.certificate.clone();
        let (web, happened) = (self.web.clone(), self.happened.clone());
        tokio::spawn(async move {
            let security = if has_tls {
                server_config(certificate.0, certificate.1).map(Security::Tls)
            } else {
                Ok(Security::Plain)
            };
            let served = match security {
                Err(error) => Err(error.to_string()),
                Ok(security) => match bind(address).await {
                    Err(error) => Err(error.to_string()),
                    Ok(listener) => {
                        if let Ok(local) = listener.local_addr() {
                            rumline_net::say!("NX-API: {scheme}://{local}");
                        }
                        let served = serve(listener, security, router(web), &shutdown).await;
                        served.map_err(|error| error.to_string())
                    }
                },
            };
            if let Err(error) = served {
                let told = format!("NX-API cannot listen for {kind} on {address}: {error}");
                // The switch may be gone by now.
                let _gone = happened.send(Happened::Told(told)).await;
            }
        });
    }
}
