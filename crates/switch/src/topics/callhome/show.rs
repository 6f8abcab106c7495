//! What Call Home shows of itself (PI-SHOW-032, PI-SHOW-037).

use rumline_agent::Transport;
use rumline_cli::Fields;

use super::profiles::{self, Profile};
use super::{
    EMAIL, EMAIL_FROM, EMAIL_REPLY_TO, EMAIL_SERVER, ENABLE, INVENTORY, PHONE, PROXY_ENABLE,
    SOURCE, USE_VRF, server, value,
};
use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;
use crate::topics::network::MANAGEMENT;

const NOT_SET: &str = "Not configured";

impl Switch {
    fn callhome_value(&self, head: &str) -> &str {
        value(&self.running, head).unwrap_or(NOT_SET)
    }

    fn callhome_is_on(&self, head: &str) -> &'static str {
        if value(&self.running, head).is_some() { "Enabled" } else { "Disabled" }
    }

    /// PI-SHOW-032.
    pub(super) fn show_callhome(&self) -> String {
        format!(
            "callhome {}\nCallhome Information:\n contact person's email:{}\n\
             contact person's phone number:{}\nsource interface:{}\n\
             periodic inventory time-period, in days:{}\n",
            self.callhome_is_on(ENABLE),
            self.callhome_value(EMAIL),
            self.callhome_value(PHONE),
            self.callhome_value(SOURCE),
            self.callhome_value(INVENTORY),
        )
    }

    pub(super) fn callhome_fields(&self) -> Fields {
        Fields::new()
            .text("callhome", self.callhome_is_on(ENABLE))
            .text("email_contact", self.callhome_value(EMAIL))
            .text("phone_contact", self.callhome_value(PHONE))
            .text("source_interface", self.callhome_value(SOURCE))
            .text("periodic_inventory_days", self.callhome_value(INVENTORY))
    }

    /// The proxy server with its port.
    fn callhome_proxy(&self) -> String {
        let told = |(host, port)| format!("{host} port {port}");
        server(&self.running).map_or_else(|| NOT_SET.to_owned(), told)
    }

    fn callhome_vrf(&self) -> &str {
        value(&self.running, USE_VRF).unwrap_or(MANAGEMENT)
    }

    /// PI-NET-024, PI-NET-026, PI-SHOW-032.
    pub(super) fn show_callhome_transport(&self) -> String {
        let profile = profiles::of_licensing(&self.running);
        format!(
            "http vrf:{}\nhttp proxy server:{}\nhttp proxy:{}\n\nfrom email addr:{}\n\
             reply to email addr:{}\nsmtp server:{}\n\nurl:{}\nmaximum message size:{}\n",
            self.callhome_vrf(),
            self.callhome_proxy(),
            self.callhome_is_on(PROXY_ENABLE),
            self.callhome_value(EMAIL_FROM),
            self.callhome_value(EMAIL_REPLY_TO),
            self.callhome_value(EMAIL_SERVER),
            profile.url(),
            profile.size_max,
        )
    }

    pub(super) fn transport_fields(&self) -> Fields {
        let profile = profiles::of_licensing(&self.running);
        Fields::new()
            .text("http_vrf", self.callhome_vrf())
            .text("http_proxy_server", self.callhome_proxy())
            .text("http_proxy", self.callhome_is_on(PROXY_ENABLE))
            .text("from_email", self.callhome_value(EMAIL_FROM))
            .text("reply_to_email", self.callhome_value(EMAIL_REPLY_TO))
            .text("smtp_server", self.callhome_value(EMAIL_SERVER))
            .text("url", profile.url())
            .text("max_message_size", profile.size_max)
    }

    /// `show callhome destination-profile [profile NAME]`.
    pub(super) fn show_profiles(&self, call: &mut Call<'_, '_>) -> Answer {
        let wanted = call.command.get("profile");
        let mut all = profiles::all(&self.running);
        all.retain(|profile| wanted.is_none_or(|name| name == profile.name));
        if let (Some(name), true) = (wanted, all.is_empty()) {
            let text = format!("% There is no destination profile {name}");
            return Err(CommandError::Failed(text));
        }
        call.shown(
            || all.iter().map(profile_text).collect::<Vec<_>>().join("\n"),
            || Fields::new().table("profile", all.iter().map(profile_fields)),
        )
    }

    fn sends_by_callhome(&self) -> bool {
        self.agent.config().transport == Transport::Callhome
    }

    fn licensing_messages(&self) -> &'static str {
        if self.sends_by_callhome() { "enabled" } else { "disabled" }
    }

    /// `show callhome status`: nothing of it is shared with other switches.
    pub(super) fn show_callhome_status(&self) -> String {
        format!(
            "Distribution : Disabled\nOperational State : {}\nSmart-license messages : {}\n\
             Destination profile : {}\n",
            self.callhome_is_on(ENABLE),
            self.licensing_messages(),
            profiles::of_licensing(&self.running).name,
        )
    }

    pub(super) fn callhome_status_fields(&self) -> Fields {
        Fields::new()
            .text("distribution", "Disabled")
            .text("operational_state", self.callhome_is_on(ENABLE))
            .text("smart_license_messages", self.licensing_messages())
            .text("destination_profile", profiles::of_licensing(&self.running).name)
    }

    fn profile_status(&self) -> &'static str {
        if value(&self.running, ENABLE).is_some() { "ACTIVE" } else { "INACTIVE" }
    }

    /// PI-SHOW-037, C-27: IOS XE's words for the profile that licensing sends by.
    pub(super) fn show_profile_of_licensing(&self) -> String {
        let profile = profiles::of_licensing(&self.running);
        format!(
            "Current smart-licensing transport settings: Smart-license messages: {}\n\
             Profile: {} (status: {})\nDestination URL(s): {}\n",
            self.licensing_messages(),
            profile.name,
            self.profile_status(),
            profile.url(),
        )
    }

    pub(super) fn profile_of_licensing_fields(&self) -> Fields {
        let profile = profiles::of_licensing(&self.running);
        Fields::new()
            .text("smart_license_messages", self.licensing_messages())
            .text("profile", profile.name)
            .text("status", self.profile_status())
            .text("url", profile.url())
    }

    /// The interface and the VRF that licensing sends by, whatever the transport.
    fn http_client(&self) -> (&str, &str) {
        if self.sends_by_callhome() {
            return (self.callhome_value(SOURCE), self.callhome_vrf());
        }
        let of = |head: &str| self.running.value(head).filter(|value| !value.is_empty());
        let source = of("license smart source-interface").unwrap_or(NOT_SET);
        (source, of("license smart vrf").unwrap_or(MANAGEMENT))
    }

    /// PI-SHOW-037, C-27.
    pub(super) fn show_http_client(&self) -> String {
        let (source, vrf) = self.http_client();
        format!("HTTP client source interface = {source}\nHTTP client VRF = {vrf}\n")
    }

    pub(super) fn http_client_fields(&self) -> Fields {
        let (source, vrf) = self.http_client();
        Fields::new().text("source_interface", source).text("vrf", vrf)
    }
}

fn profile_text(profile: &Profile<'_>) -> String {
    let list = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    format!(
        "{} destination profile information\nmaximum message size:{}\nmessage format:{}\n\
         transport-method:{}\nemail addresses configured:\n{}url addresses configured:\n{}",
        profile.name,
        profile.size_max,
        profile.format.name(),
        profile.method(),
        list(&profile.emails),
        list(&profile.urls),
    )
}

fn profile_fields(profile: &Profile<'_>) -> Fields {
    Fields::new()
        .text("name", profile.name)
        .text("max_message_size", profile.size_max)
        .text("format", profile.format.name())
        .text("transport_method", profile.method())
        .text("email_addresses", profile.emails.join(","))
        .text("urls", profile.urls.join(","))
}
