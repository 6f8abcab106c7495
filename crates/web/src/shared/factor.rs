//! One's second factor: begun with a QR code and recovery codes, confirmed by a code, taken away.

use maud::{Markup, PreEscaped, html};
use qrcode::{Color, EcLevel, QrCode};
use rumline_server::{Enrolment, Error, FactorState};

use super::Frames;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind, form};
use crate::ui::{Around, Ask, Done, Page, Post, copyable};

pub(super) const AT: &str = "/me/second-factor";

pub(super) struct SecondFactor {
    state: FactorState,
    uri: String,
}

/// What an app reads with a camera, as a picture of the page itself: nothing is loaded, and no style is needed.
fn qr_code(text: &str) -> Option<Markup> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            // Around it stands a margin of four.
            let (x, y) = (at % width + 4, at / width + 4);
            path.push_str(&format!("M{x} {y}h1v1h-1z"));
        }
    }
    let size = width + 8;
    Some(html! {
        svg role="img" aria-label="QR code with the secret" width="240" height="240"
            viewBox=(format!("0 0 {size} {size}")) xmlns="http://www.w3.org/2000/svg" {
            (PreEscaped(format!("<rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/>")))
            (PreEscaped(format!("<path d=\"{path}\" fill=\"#000\"/>")))
        }
    })
}

impl<S: Frames> Page<S> for SecondFactor {
    const AT: &'static str = AT;
    const ACCESS: Access = Access::Oneself;

    fn load(site: &S, ask: &Ask) -> Result<Self, Error> {
        let login = &ask.caller.login;
        let state = site.people().second_factor(ask.now, login, ask.caller.login_id)?;
        let begun = state.begun.as_ref();
        let uri = begun.map_or(String::new(), |begun| begun.secret.to_uri(site.title(), login));
        Ok(Self { state, uri })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, "Second Factor".to_owned())
    }

    fn show(&self, _: &S, ask: &Ask) -> Markup {
        html! {
            p.path { a href="/me" { (ask.caller.login) } " > Second Factor" }
            h1 { "Second Factor" }
            @match (&self.state.since, &self.state.begun) {
                (Some(since), _) => (self.set(ask, since.0)),
                (None, Some(begun)) => (self.begun(ask, begun)),
                (None, None) => (none(ask)),
            }
        }
    }
}

fn password<'a>() -> Field<'a> {
    Field::text("password", "Password").kind(Kind::Secret("current-password"))
}

fn none(ask: &Ask) -> Markup {
    html! {
        p { "With a second factor a login takes, beside the password, a code that an app on your phone shows and that changes "
            "every thirty seconds. Any app for time-based codes (TOTP) will do." }
        (form(ask, AT, &[password()], "Set Up"))
    }
}

impl SecondFactor {
    fn begun(&self, ask: &Ask, begun: &Enrolment) -> Markup {
        let code = Field::text("code", "Code").help("The six digits that the app shows now.");
        html! {
            h2 { "1. Add It to Your App" }
            p { "Scan this with the app, or type the secret." }
            @if let Some(picture) = qr_code(&self.uri) { (picture) }
            p { "Secret " (copyable(&begun.secret.to_text())) }
            h2 { "2. Keep the Recovery Codes" }
            p { "Each counts once in the place of a code of the app, on the day on which that is lost. They are shown to this "
                "login until the second factor is confirmed, and never again." }
            pre { (begun.recovery_codes.join("\n")) }
            h2 { "3. Confirm" }
            p { "From then on a code is asked for at each login. Your other logins end; API tokens go on." }
            (form(ask, "/me/second-factor/confirm", &[code], "Confirm"))
        }
    }

    fn set(&self, ask: &Ask, since: i64) -> Markup {
        let code = Field::text("code", "Code").help("Of the app, or a recovery code.");
        html! {
            dl.facts {
                div { dt { "Asked for" } dd { "since " (ask.time(Some(since))) } }
                div { dt { "Recovery codes left" } dd { (self.state.recovery_codes) } }
            }
            h2 { "Remove" }
            p { "To get new recovery codes, or to use another app, remove it and set it up anew." }
            (form(ask, "/me/second-factor/remove", &[password(), code], "Remove"))
        }
    }
}

/// Begins one.
pub(super) struct Begin;

impl<S: Frames> Post<S> for Begin {
    type Page = SecondFactor;
    const AT: &'static str = AT;
    const ACCESS: Access = Access::Oneself;
    const BLAMES: &'static [(&'static str, &'static str)] = &[("password", "password is wrong")];
    const HASHES: bool = true;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let by = ask.caller.actor();
        let login_id = ask.caller.login_id;
        site.people().begin_second_factor(ask.now, &by, ask.secret("password"), login_id)?;
        Ok(Done::at(AT, "It is asked for once you have confirmed it below."))
    }
}

/// Confirms it.
pub(super) struct Confirm;

impl<S: Frames> Post<S> for Confirm {
    type Page = SecondFactor;
    const AT: &'static str = "/me/second-factor/confirm";
    const ACCESS: Access = Access::Oneself;
    const BLAMES: &'static [(&'static str, &'static str)] = &[("code", "code is wrong")];

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (by, keep) = (ask.caller.actor(), ask.caller.login_id);
        site.people().confirm_second_factor(ask.now, &by, ask.typed("code"), keep)?;
        Ok(Done::at(AT, "The second factor is set: a code is asked for at each login."))
    }
}

/// Takes it away.
pub(super) struct Remove;

impl<S: Frames> Post<S> for Remove {
    type Page = SecondFactor;
    const AT: &'static str = "/me/second-factor/remove";
    const ACCESS: Access = Access::Oneself;
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("password", "password is wrong"), ("code", "code is wrong")];
    const HASHES: bool = true;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (by, password, code) = (ask.caller.actor(), ask.secret("password"), ask.typed("code"));
        site.people().remove_second_factor(ask.now, &by, password, code)?;
        Ok(Done::at(AT, "The second factor is removed: the password alone logs you in."))
    }
}

#[cfg(test)]
mod tests {
    use super::qr_code;

    #[test]
    fn a_qr_code_is_drawn_with_its_three_corners() {
        let drawn = qr_code("otpauth://totp/CSSM:eve?secret=MZXW6YTBOI&issuer=CSSM").unwrap();
        let drawn = drawn.into_string();
        let size = drawn.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap();
        let size: usize = size.parse().unwrap();
        // Versions are 21, 25, 29 ... wide, with a margin of four on each side.
        assert!((size - 8 - 21).is_multiple_of(4), "{size}");
        for (x, y) in [(4, 4), (size - 5, 4), (4, size - 5)] {
            assert!(drawn.contains(&format!("M{x} {y}h1v1h-1z")), "{x} {y}");
        }
        assert!(!drawn.contains(&format!("M{} {}h1", size - 4, 4)) && !drawn.contains("style="));
    }
}
