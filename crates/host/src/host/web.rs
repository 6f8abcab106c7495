//! Requests to NX-API: who asks, what the switch answers, and where it listens.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rumline_net::{Security, Shutdown, serve, server_config};
use rumline_protocol::{Timestamp, random_hex};
use rumline_switch::{HttpAnswer, NxapiSettings, Switch, Verb};
use tokio::net::TcpListener;

use super::{Happened, Host};
use crate::web::{Credentials, WebAnswer, WebRequest, router};

/// Where collectors of one's own ask.
const COLLECTORS: &str = "/smartlic-service/";
/// How long a cookie stands for a login, in seconds.
const COOKIE_SECONDS: i64 = 600;
/// Cookies that are known at a time.
const COOKIES_MAX: usize = 1_000;

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

/// What listens for HTTP and for HTTPS, and what ends it.
#[derive(Default)]
pub(super) struct Listening {
    settings: NxapiSettings,
    http: Option<(SocketAddr, Shutdown)>,
    https: Option<(SocketAddr, Shutdown)>,
}

fn refused(status: u16, body: &str) -> HttpAnswer {
    let body = format!("{body}\n");
    HttpAnswer { status, content_type: "text/plain; charset=utf-8", body, effects: Vec::new() }
}

/// An answer of NX-API's REST.
fn rest(status: u16, objects: &str) -> HttpAnswer {
    let count = usize::from(objects != "[]");
    let body = format!("{{\"totalCount\": \"{count}\", \"imdata\": {objects}}}");
    HttpAnswer { status, content_type: "application/json", body, effects: Vec::new() }
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
            (Some(_), "/api/aaaLogout.json") => {
                if let Credentials::Cookie(cookie) = &request.credentials {
                    self.cookies.0.remove(cookie);
                }
                rest(200, "[]")
            }
            (Some(login), path) if path.starts_with("/api/") => {
                let Some(verb) = verb else {
                    let answer = rest_error(405, "405", "Use GET, POST or DELETE");
                    let _gone = request.answer.send(WebAnswer { answer, cookie });
                    return;
                };
                let (switch, mut devices) = self.parts();
                let what = (verb, path, request.query.as_str());
                let mut answer =
                    switch.nxapi_object(now, &login, &from, what, &request.body, &mut devices);
                let effects = std::mem::take(&mut answer.effects);
                self.carry_out(effects);
                answer
            }
            (None, _) => refused(401, "Authorization required"),
            (Some(login), "/ins" | "/ins/") if request.method == "POST" => {
                if matches!(request.credentials, Credentials::Basic { .. }) {
                    let value = random_hex(&mut self.random, 24);
                    self.cookies.keep(value.clone(), &login, now, &self.switch);
                    cookie = Some(format!("nxapi_auth={value}; Path=/; HttpOnly; SameSite=Strict"));
                }
                let (switch, mut devices) = self.parts();
                let (kind, body) = (&request.content_type, &request.body);
                let mut answer = switch.nxapi(now, &login, &from, kind, body, &mut devices);
                let effects = std::mem::take(&mut answer.effects);
                self.carry_out(effects);
                answer
            }
            (Some(login), path) if path.starts_with(COLLECTORS) => {
                let (switch, mut devices) = self.parts();
                let what = (request.method.as_str(), &path[COLLECTORS.len()..]);
                let mut answer =
                    switch.smartlic(now, &login, &from, what, &request.body, &mut devices);
                let effects = std::mem::take(&mut answer.effects);
                self.carry_out(effects);
                answer
            }
            (Some(_), "/ins" | "/ins/") => refused(405, "NX-API takes POST"),
            (Some(_), path) => refused(404, &format!("There is nothing at {path}")),
        };
        // Whoever asked may have hung up.
        let _gone = request.answer.send(WebAnswer { answer, cookie });
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
        let token = random_hex(&mut self.random, 24);
        self.cookies.keep(token.clone(), login, now, &self.switch);
        let told = serde_json::json!([{ "aaaLogin": { "attributes": {
            "token": token, "userName": login, "refreshTimeoutSeconds": COOKIE_SECONDS.to_string(),
            "guiIdleTimeoutSeconds": COOKIE_SECONDS.to_string(), "restTimeoutSeconds": "90",
            "creationTime": now.seconds().to_string(), "firstLoginTime": now.seconds().to_string(),
            "remoteUser": "false", "siteFingerprint": "", "version": "1.0",
        } } }]);
        let cookie = format!("APIC-cookie={token}; Path=/; HttpOnly; SameSite=Strict");
        (rest(200, &told.to_string()), Some(cookie))
    }

    /// Listens where the configuration says, once that says otherwise than before.
    pub(super) fn listen_as_configured(&mut self) {
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
                Ok(security) => match TcpListener::bind(address).await {
                    Err(error) => Err(error.to_string()),
                    Ok(listener) => {
                        if let Ok(local) = listener.local_addr() {
                            println!("NX-API: {scheme}://{local}");
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
