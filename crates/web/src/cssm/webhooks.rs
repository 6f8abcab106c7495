//! Webhooks of an account over the API, and telling them what happens.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use rumline_net::{Clock, HookClient, check_hook_url};
use rumline_protocol::Timestamp;
use rumline_server::{
    Caller, Delivery, Due, Error, People, ScopeId, WEBHOOK_URL_BYTES_MAX, Webhook, WebhookId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::CssmSite;
use super::api::Before;
use crate::asked::{Asked, Sent};
use crate::operation::{Done, done};
use crate::people::{Answer, run};
use crate::site::Site;

/// The content type of a CloudEvent.
const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";
/// How often is looked for what is to be told.
const LOOK: Duration = Duration::from_secs(2);
/// Receivers that are told something at a time.
const AT_A_TIME: usize = 16;

/// Where a program wants to be told.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// Its address.
    #[schemars(length(min = 1, max = WEBHOOK_URL_BYTES_MAX))]
    url: String,
    /// Of what: `alert`, `event` or `use`; of alerts and events where none is named.
    #[serde(default)]
    kinds: Vec<String>,
}

/// Makes one, if its address may be told.
pub(super) fn make(
    site: &CssmSite,
    caller: &Caller,
    (now, scope): (Timestamp, ScopeId),
    url: &str,
    kinds: &[String],
) -> Result<(Webhook, String), Error> {
    site.check_scope(scope, None)?;
    check_hook_url(url, site.webhooks_to_internal).map_err(|why| {
        Error::field("url", format!("the address cannot be told anything: {why}"))
    })?;
    site.people.create_webhook(now, &caller.actor(), scope, url, kinds)
}

pub(super) async fn list(
    State(state): State<CssmSite>,
    Path(scope): Path<ScopeId>,
) -> Answer<Vec<Webhook>> {
    run(&state, move |site, people, _| {
        site.check_scope(scope, None)?;
        people.webhooks(scope)
    })
    .await
}

/// A webhook that was made.
#[derive(Serialize, JsonSchema)]
pub(super) struct MadeWebhook {
    /// How it is.
    #[serde(flatten)]
    webhook: Webhook,
    /// What signs what it is told; told here alone.
    secret: String,
}

pub(super) async fn create(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(scope): Path<ScopeId>,
    Sent(NewWebhook { url, kinds }): Sent<NewWebhook>,
) -> Answer<MadeWebhook> {
    run(&state, move |site, _, now| {
        let (webhook, secret) = make(site, &caller, (now, scope), &url, &kinds)?;
        Ok(MadeWebhook { webhook, secret })
    })
    .await
}

pub(super) async fn remove(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((scope, id)): Path<(ScopeId, WebhookId)>,
) -> Answer<Done> {
    run(&state, move |_, people, now| {
        people.remove_webhook(now, &caller.actor(), scope, id)?;
        done()
    })
    .await
}

pub(super) async fn test(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((scope, id)): Path<(ScopeId, WebhookId)>,
) -> Answer<Done> {
    run(&state, move |_, people, now| {
        let at = format!("/smart-accounts/{scope}");
        people.test_webhook(now, &caller.actor(), (scope, &at), id)?;
        done()
    })
    .await
}

pub(super) async fn deliveries(
    State(state): State<CssmSite>,
    Path((scope, id)): Path<(ScopeId, WebhookId)>,
    Asked(Before { before }): Asked<Before>,
) -> Answer<Vec<Delivery>> {
    run(&state, move |_, people, _| people.deliveries(scope, id, before)).await
}

/// Tells one receiver, and notes what came of it. Anything but 2xx is tried again.
async fn tell(people: &People, clock: Clock, client: &HookClient, due: Due) {
    let headers = due.headers(clock.now());
    let sent = client.post(&due.url, CLOUD_EVENT, &headers, due.body.clone()).await;
    let (status, problem) = match sent {
        Ok(status) if (200..300).contains(&status) => (Some(status), None),
        Ok(status) => (Some(status), Some(format!("the receiver answered {status}"))),
        Err(problem) => (None, Some(problem)),
    };
    let (people, now, which) = (people.clone(), clock.now(), (due.scope_id, due.id));
    let noted = move || people.delivery_done(now, which, status, problem.as_deref());
    if let Ok(Err(error)) = tokio::task::spawn_blocking(noted).await {
        tracing::warn!(%error, "what became of a delivery could not be noted");
    }
}

/// Tells webhooks what is to be told, until the server ends. A receiver that is slow is waited for by itself.
pub async fn tell_webhooks(people: People, clock: Clock, client: HookClient) {
    let busy: Arc<Mutex<BTreeSet<(ScopeId, WebhookId)>>> = Arc::default();
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    loop {
        let (asked, now, most) = (people.clone(), clock.now(), room.available_permits());
        let of = busy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let due = tokio::task::spawn_blocking(move || asked.due_deliveries(now, most, &of)).await;
        let due = match due {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => {
                tracing::warn!(%error, "webhooks could not be looked after");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        if due.is_empty() {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        for one in due {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let whose = (one.scope_id, one.webhook_id);
            busy.lock().unwrap_or_else(PoisonError::into_inner).insert(whose);
            let (people, client, busy) = (people.clone(), client.clone(), Arc::clone(&busy));
            tokio::spawn(async move {
                tell(&people, clock, &client, one).await;
                busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&whose);
                drop(permit);
            });
        }
        // Those that were quick may be told the next thing.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
