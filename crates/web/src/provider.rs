//! The provider of OpenID Connect by which people log in: asked over the network, and believed as far as
//! `rumline_server` finds nothing wrong with what it says.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rumline_net::{HttpClient, HttpError, Reply};
use rumline_protocol::Timestamp;
use rumline_server::{
    Claims, Distrust, Expected, Flow, FlowKey, GroupRule, KeyCache, KeySet, Metadata, SharedRandom,
    UsedFlows, check_id_token, key_named, random_hex,
};
use serde::Deserialize;
use tokio::sync::Semaphore;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 512 << 10;
/// How long what a provider says of itself is known.
const KNOWN_SECONDS: i64 = Timestamp::HOUR;
/// How often it is asked where it did not say.
const PAUSE_SECONDS: i64 = 5;
/// Logins at a time that wait for the provider.
const AT_A_TIME: usize = 16;
/// The longest code, in bytes.
const CODE_BYTES_MAX: usize = 4_096;

/// How a provider is set up.
#[derive(Clone)]
pub struct ProviderSettings {
    /// Its address, as it names itself.
    pub issuer: String,
    /// What this server is called there.
    pub client_id: String,
    /// What it proves that by, if the provider gave it something.
    pub client_secret: Option<String>,
    /// What is asked for, with blanks between.
    pub scopes: String,
    /// What names people here.
    pub login_claim: String,
    /// What names their groups.
    pub groups_claim: String,
    /// What groups mean.
    pub rules: Vec<GroupRule>,
    /// The address of this server that the provider leads back to, without a slash at its end.
    pub own_url: String,
    /// What the button says.
    pub title: String,
}

/// Why nobody is logged in.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Too many log in at this moment.
    Busy,
    /// The provider does not answer as it should.
    Unreachable(String),
    /// What it says is not believed.
    Distrusted(String),
}

impl From<Distrust> for Failed {
    fn from(distrust: Distrust) -> Self {
        Self::Distrusted(distrust.0)
    }
}

impl From<HttpError> for Failed {
    fn from(error: HttpError) -> Self {
        Self::Unreachable(error.0)
    }
}

/// What is known of it.
#[derive(Default)]
struct Known {
    metadata: Option<(Metadata, Timestamp)>,
    asked_at: Option<Timestamp>,
    keys: KeyCache,
}

/// The provider.
pub struct Provider {
    settings: ProviderSettings,
    discovery_url: String,
    client: HttpClient,
    random: SharedRandom,
    key: FlowKey,
    used: Mutex<UsedFlows>,
    known: tokio::sync::Mutex<Known>,
    room: Semaphore,
}

/// What a code is exchanged for.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

/// Text of a form, or of a query.
fn in_form(text: &str) -> String {
    let written = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(written).collect()
}

fn form_of(fields: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{name}={}", in_form(value));
    fields.iter().map(one).collect::<Vec<_>>().join("&")
}

/// The body of an answer that is one.
fn body_of(what: &str, reply: Reply) -> Result<Vec<u8>, Failed> {
    if reply.status == 200 {
        return Ok(reply.body);
    }
    if [400, 401].contains(&reply.status) {
        return Err(Failed::Distrusted(format!("it does not take {what}")));
    }
    Err(Failed::Unreachable(format!("it answered {} to {what}", reply.status)))
}

impl Provider {
    /// A provider that is known by these roots, DER.
    ///
    /// # Errors
    /// When its address is none, or a root cannot be used.
    pub fn new(
        settings: ProviderSettings,
        roots: &[Vec<u8>],
        random: SharedRandom,
    ) -> Result<Self, String> {
        let discovery_url =
            Metadata::address_of(&settings.issuer).map_err(|error| error.to_string())?;
        let client = HttpClient::new(roots, TIMEOUT).map_err(|error| error.to_string())?;
        let key = FlowKey::new(random_hex(&random, 32).as_bytes());
        Ok(Self {
            settings,
            discovery_url,
            client: client.with_answers_up_to(ANSWER_BYTES_MAX),
            random,
            key,
            used: Mutex::default(),
            known: tokio::sync::Mutex::default(),
            room: Semaphore::new(AT_A_TIME),
        })
    }

    pub(crate) fn title(&self) -> &str {
        &self.settings.title
    }

    pub(crate) fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    fn back_url(&self) -> String {
        format!("{}/login/provider/back", self.settings.own_url)
    }

    async fn get(&self, what: &str, url: &str, bearer: Option<&str>) -> Result<Vec<u8>, Failed> {
        body_of(what, self.client.send("GET", url, bearer, "", Vec::new()).await?)
    }

    /// What the provider says of itself: asked for once an hour, and not more often than seldom where it does not answer.
    async fn metadata(
        &self,
        known: &mut Known,
        clock: impl Fn() -> Timestamp,
    ) -> Result<Metadata, Failed> {
        let now = clock();
        let within = |at: Timestamp, seconds| (0..seconds).contains(&now.since(at));
        let of_late = |asked: Option<Timestamp>| asked.is_some_and(|at| within(at, PAUSE_SECONDS));
        match &known.metadata {
            Some((metadata, at)) if within(*at, KNOWN_SECONDS) || of_late(known.asked_at) => {
                return Ok(metadata.clone());
            }
            None if of_late(known.asked_at) => {
                let text = "it did not answer a moment ago: try again in some seconds";
                return Err(Failed::Unreachable(text.to_owned()));
            }
            _ => {}
        }
        let asked = self.get("what it says of itself", &self.discovery_url, None).await;
        // Those who waited for the answer do not ask again, however long it took.
        known.asked_at = Some(clock());
        match (asked, &known.metadata) {
            (Ok(bytes), _) => {
                let metadata = Metadata::parse(&bytes, &self.settings.issuer)?;
                known.metadata = Some((metadata.clone(), now));
                Ok(metadata)
            }
            // What it said an hour ago may still hold.
            (Err(Failed::Unreachable(_)), Some((metadata, _))) => Ok(metadata.clone()),
            (Err(failed), _) => Err(failed),
        }
    }

    /// Where whoever logs in is sent, and what their browser keeps meanwhile.
    pub(crate) async fn begin(
        &self,
        now: impl Fn() -> Timestamp,
        next: &str,
    ) -> Result<(String, String), Failed> {
        let _place = self.room.try_acquire().map_err(|_| Failed::Busy)?;
        let mut known = self.known.lock().await;
        let metadata = self.metadata(&mut known, &now).await?;
        let (flow, kept) = Flow::begin(&self.key, &random_hex(&self.random, 32), now(), next);
        let query = form_of(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.back_url()),
            ("scope", &self.settings.scopes),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &flow.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let at = metadata.authorization_endpoint;
        let joint = if at.contains('?') { '&' } else { '?' };
        Ok((format!("{at}{joint}{query}"), kept))
    }

    /// The login that a browser comes back with, the first time it does.
    pub(crate) fn came_back(&self, now: Timestamp, kept: &str, state: &str) -> Option<Flow> {
        let flow = Flow::read(&self.key, kept, now).filter(|flow| flow.state == state)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(now, &flow).then_some(flow)
    }

    /// Who logged in, by the code that the browser brought; `issuer` is who the browser says it comes from.
    pub(crate) async fn finish(
        &self,
        now: impl Fn() -> Timestamp,
        flow: &Flow,
        code: &str,
        issuer: Option<&str>,
    ) -> Result<Claims, Failed> {
        let _place = self.room.try_acquire().map_err(|_| Failed::Busy)?;
        let metadata = {
            let mut known = self.known.lock().await;
            self.metadata(&mut known, &now).await?
        };
        let is_its = issuer.map_or(!metadata.names_itself, |from| from == self.settings.issuer);
        if !is_its || code.len() > CODE_BYTES_MAX {
            return Err(Distrust("the login comes from another provider".to_owned()).into());
        }
        let tokens = self.exchange(&metadata, flow, code).await?;
        let claims = self.check(&metadata, now, flow, &tokens.id_token).await?;
        // Some say the groups there alone.
        match (&tokens.access_token, &metadata.userinfo_endpoint) {
            (Some(token), Some(at)) if claims.groups(&self.settings.groups_claim).is_none() => {
                let told = self.get("who it is", at, Some(token)).await?;
                self.with_groups(claims.with_user_info(&told)?)
            }
            _ => self.with_groups(claims),
        }
    }

    /// Whoever is in no group has no role, so what it says of groups has to be legible.
    fn with_groups(&self, claims: Claims) -> Result<Claims, Failed> {
        let claim = &self.settings.groups_claim;
        if claims.keeps_groups_back(claim) {
            let text = format!("it does not say here which groups they are in ({claim})");
            return Err(Failed::Unreachable(text));
        }
        Ok(claims)
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        flow: &Flow,
        code: &str,
    ) -> Result<Tokens, Failed> {
        let ProviderSettings { client_id, client_secret, .. } = &self.settings;
        let back = self.back_url();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &back),
            ("code_verifier", &flow.verifier),
        ];
        let basic = client_secret.as_ref().filter(|_| metadata.takes_basic());
        let login = basic.map(|secret| (in_form(client_id), in_form(secret)));
        if login.is_none() {
            fields.push(("client_id", client_id));
            if let Some(secret) = client_secret {
                fields.push(("client_secret", secret));
            }
        }
        let login = login.as_ref().map(|(name, secret)| (name.as_str(), secret.as_str()));
        let sent = self.client.send_form(&metadata.token_endpoint, login, form_of(&fields));
        let body = body_of("the code", sent.await?)?;
        serde_json::from_slice(&body)
            .map_err(|_| Distrust("what it gives for the code is no ID token".to_owned()).into())
    }

    /// The keys are fetched if the token names one that is not known, and not at the pace of whoever brings tokens.
    async fn check(
        &self,
        metadata: &Metadata,
        now: impl Fn() -> Timestamp,
        flow: &Flow,
        token: &str,
    ) -> Result<Claims, Failed> {
        let kid = key_named(token)?;
        let mut known = self.known.lock().await;
        if known.keys.asks(now(), kid.as_deref()) {
            let fetched = self.get("which keys it has", &metadata.jwks_uri, None).await;
            match fetched {
                Ok(bytes) => known.keys.came(now(), KeySet::parse(&bytes)?),
                Err(failed) if known.keys.keys().is_none() => return Err(failed),
                Err(_) => {}
            }
        }
        let Some(keys) = known.keys.keys() else {
            let text = "its keys did not come a moment ago: try again in some seconds";
            return Err(Failed::Unreachable(text.to_owned()));
        };
        let ProviderSettings { issuer, client_id, .. } = &self.settings;
        let expected = Expected { issuer, client_id, nonce: &flow.nonce };
        Ok(check_id_token(token, keys, &expected, now())?)
    }
}
