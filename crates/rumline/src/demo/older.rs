//! Switches of before Smart Licensing Using Policy, one of each kind: they are upgraded while they are used, and report then
//! (guide p. 50-65; PI-MIG-001 to 019).

use std::path::PathBuf;

use anyhow::{Result, ensure};
use rumline_legacy::{Increment, LicenseFile, Terms};
use rumline_net::{Clock, LabClock};
use rumline_protocol::{OlderAnswer, Purpose, SoftwareImage, Timestamp};
use serde_json::{Value, json};

use super::checks::Checks;
use super::lab::{Lab, SMART_ACCOUNT};
use super::topology2::compare_with_cssm;
use crate::image_command;

const T: u32 = 2;
const ON_PREM: u32 = 4;
/// A model that was there on all trains.
const PID: &str = "N9K-C93180YC-EX";
const BEFORE: &str = "9.3(7)";
/// Two steps: the second is made while reports are under way.
const AFTER: [&str; 2] = ["10.2(1)F", "10.5(1)F"];
/// What the license file was bought with.
const PAK: &str = "4XRV7A2";
const SHOWN: &str = "show license status";
const CONVERSION: &str = "show license data conversion";

/// How licenses are held before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Registered,
    Evaluation,
    Expired,
    Files,
    RightToUse,
}

const ALL: [(Kind, &str, &str); 5] = [
    (Kind::Registered, "older-registered", "RMLDEMOOLD1"),
    (Kind::Evaluation, "older-evaluation", "RMLDEMOOLD2"),
    (Kind::Files, "older-files", "RMLDEMOOLD3"),
    (Kind::RightToUse, "older-right-to-use", "RMLDEMOOLD4"),
    (Kind::Expired, "older-expired", "RMLDEMOOLD5"),
];

impl Kind {
    fn is_smart(self) -> bool {
        matches!(self, Self::Registered | Self::Evaluation | Self::Expired)
    }

    /// What `show license status` says of it, and where nothing is said of it another command.
    fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Registered => (SHOWN, "Status: REGISTERED"),
            Self::Evaluation => (SHOWN, "Status: EVAL MODE"),
            Self::Expired => (SHOWN, "Status: EVAL EXPIRED"),
            Self::Files => ("show license brief", "own.lic"),
            Self::RightToUse => ("show running-config license all", "no license smart enable"),
        }
    }

    fn config(self, name: &str, cssm: &str) -> String {
        let smart = if self.is_smart() { "license smart enable\n" } else { "" };
        let entry = if self == Self::RightToUse {
            "ip access-list tap\n  permit ip any any redirect Ethernet1/1\n"
        } else {
            ""
        };
        format!(
            "hostname {name}\nfeature bgp\nfeature pim\n{smart}{entry}callhome\n  email-contact \
             noc@example.net\n  destination-profile xml index 1 http \
             {cssm}/its/service/oddce/services/DDCEService\n  enable\n"
        )
    }

    /// A clock that runs ahead of the world's, from so long ago to now: of what takes long before.
    fn clock(self) -> Option<LabClock> {
        let (seconds, rate) = match self {
            // 90 days of use.
            Self::Expired => (100 * Timestamp::DAY, 500_000),
            // What there is to convert is found out within an hour.
            Self::Files => (4 * Timestamp::HOUR, 241),
            _ => return None,
        };
        let base_millis = Clock::world_millis() + seconds * 1000 / (i64::from(rate) - 1);
        Some(LabClock { base_millis, rate })
    }

    /// What is in use after the upgrade: the same, and tap aggregation, which was counted nowhere.
    fn licenses(self) -> &'static [&'static str] {
        match self {
            Self::RightToUse => &["LAN_ENTERPRISE_SERVICES_PKG", "DCN_NDB"],
            _ => &["LAN_ENTERPRISE_SERVICES_PKG"],
        }
    }
}

pub(super) async fn run(lab: &mut Lab, checks: &mut Checks) -> Result<()> {
    lab.doing("making images");
    let images = Images::make(lab)?;
    let token = lab.token("Default").await?;
    let mut switches = Vec::new();
    for (kind, name, serial) in ALL {
        let told = [("--release", BEFORE.to_owned()), ("--maker", images.maker.clone())];
        let clock = kind.clock().map(|clock| ("--lab-clock", clock.to_string()));
        let told: Vec<_> = told.into_iter().chain(clock).collect();
        let config = kind.config(name, &lab.url);
        let switch = lab.add_switch_told(T, (PID, serial), &config, &told).await?;
        switches.push((kind, switch));
    }
    for (kind, switch) in &switches {
        stand(lab, *switch, *kind, &token, checks).await?;
    }
    for (kind, switch) in &switches {
        upgrade(lab, *switch, *kind, &images, checks).await?;
        report(lab, *switch, *kind, &token).await?;
    }
    // Once more, with reports open and on their way.
    for (_, switch) in &switches {
        lab.run(*switch, "configure terminal\nfeature itd\nend").await?;
        images.install(lab, *switch, AFTER[1]).await?;
        lab.run(*switch, "configure terminal\nno feature bgp\nno feature itd\nend").await?;
    }
    for (kind, switch) in &switches {
        settle(lab, *switch).await?;
        compare_with_cssm(lab, T, *switch, checks).await?;
        booked(lab, *switch, *kind, checks).await?;
    }
    lab.say(
        "five switches of before, of each kind one: upgraded twice in use, each second counted once",
    );
    Ok(())
}

/// One that is registered with an SSM On-Prem goes to the tenant's URL (ONPREM-018; guide p. 27).
pub(super) async fn on_prem(lab: &mut Lab, server: usize, checks: &mut Checks) -> Result<()> {
    const T: u32 = ON_PREM;
    let images = Images::make(lab)?;
    let new = json!({ "description": "demo", "expires_after_days": 1, "uses_max": null });
    let (url, api) = (lab.collectors[server].url.clone(), &lab.collectors[server].api);
    let token = api.json("POST", "/tenants/1/tokens", Some(new)).await?;
    let token = token["value"].as_str().unwrap_or_default().to_owned();
    let name = "older-onprem";
    let config = format!(
        "hostname {name}\nfeature bgp\nfeature pim\nlicense smart enable\ncallhome\n  email-contact \
         noc@example.net\n  destination-profile xml index 1 http {url}{}\n  enable\n",
        OlderAnswer::ON_PREM_PATH
    );
    let told = [("--release", BEFORE.to_owned()), ("--maker", images.maker.clone())];
    let switch = lab.add_switch_told(T, (PID, "RMLDEMOOLD6"), &config, &told).await?;
    lab.run(switch, &format!("license smart register idtoken {token}")).await?;
    let sign = Kind::Registered.sign().1;
    let shown = lab.wait_for(switch, SHOWN, |shown| shown.contains(sign)).await?;
    ensure!(shown.contains(sign), "{name} says no {sign:?}: {shown}");
    checks.contains(T, &format!("{name}: it is registered with SSM On-Prem"), &shown, sign);
    lab.print(name, &shown);
    lab.run(switch, "copy running-config startup-config").await?;
    images.install(lab, switch, AFTER[1]).await?;
    let status = lab.run(switch, SHOWN).await?;
    let transport = format!("Cslu address: {}", lab.collectors[server].device_url);
    let what = format!("{name}: after the upgrade it reports to the URL of the tenant");
    checks.contains(T, &what, &status, &transport);
    lab.run(switch, "copy running-config startup-config\nlicense smart sync all").await?;
    settle(lab, switch).await?;
    compare_with_cssm(lab, T, switch, checks).await?;
    lab.say(&format!("{name}: registered as before, upgraded, each second counted once"));
    Ok(())
}

/// The images of both releases.
struct Images {
    maker: String,
    folder: PathBuf,
}

impl Images {
    fn make(lab: &Lab) -> Result<Self> {
        let maker = lab.path("maker");
        let signer = image_command::maker(&maker)?;
        let folder = lab.path("images");
        std::fs::create_dir_all(&folder)?;
        for release in AFTER {
            let image = SoftwareImage {
                purpose: Purpose::SoftwareImage,
                release: release.to_owned(),
                platforms: vec![PID.to_owned()],
                made_at: Clock::real().now(),
            };
            std::fs::write(folder.join(release), image.signed(signer.as_ref()))?;
        }
        let maker = image_command::public_file(&maker).display().to_string();
        Ok(Self { maker, folder })
    }

    /// Installs one; it runs when this is over.
    async fn install(&self, lab: &Lab, switch: usize, release: &str) -> Result<String> {
        let name = &lab.switches[switch].name;
        lab.doing(&format!("{name}: installing {release}"));
        let flash = lab.switches[switch].dir.join("bootflash");
        std::fs::copy(self.folder.join(release), flash.join("new.bin"))?;
        let told = lab.run(switch, "install all nxos bootflash:new.bin non-interruptive").await?;
        // It shows releases without their last letter.
        let line = format!("NXOS: version {}", release.trim_end_matches('F'));
        let runs = |shown: &str| shown.contains(&line);
        let shown = lab.wait_for(switch, "show version", runs).await?;
        ensure!(runs(&shown), "{name} does not run {release}: {told}\n{shown}");
        Ok(told)
    }
}

/// Brings a switch to where it stands before.
async fn stand(
    lab: &mut Lab,
    switch: usize,
    kind: Kind,
    token: &str,
    checks: &mut Checks,
) -> Result<()> {
    let (name, serial) = (lab.switches[switch].name.clone(), lab.switches[switch].serial.clone());
    match kind {
        Kind::Registered => {
            lab.run(switch, &format!("license smart register idtoken {token}")).await?;
        }
        Kind::Files => {
            let increment = Increment {
                name: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
                count: None,
                terms: Terms::Permanent,
                file_id: "20210716142549123".to_owned(),
                line_id: 1,
                pak: PAK.to_owned(),
            };
            let file =
                LicenseFile { host_id: format!("VDH={serial}"), increments: vec![increment] };
            let flash = lab.switches[switch].dir.join("bootflash");
            std::fs::write(flash.join("own.lic"), file.write())?;
            lab.run(switch, "install license bootflash:own.lic").await?;
        }
        Kind::Evaluation | Kind::Expired | Kind::RightToUse => {}
    }
    let (command, sign) = kind.sign();
    let shown = lab.wait_for(switch, command, |shown| shown.contains(sign)).await?;
    ensure!(shown.contains(sign), "{name} says no {sign:?}: {shown}");
    let what = format!("{name}: before the upgrade it says {sign:?}");
    checks.contains(T, &what, &shown, sign);
    lab.print(&name, &lab.run(switch, SHOWN).await?);
    lab.run(switch, "copy running-config startup-config").await?;
    if kind == Kind::Expired {
        lab.start_at_lab_time(switch).await?;
        let shown = lab.run(switch, command).await?;
        checks.contains(T, &format!("{name}: its evaluation is over for good"), &shown, sign);
    }
    Ok(())
}

/// What was in use is in use after it, and how it reaches CSSM is as in the guide's table (p. 51).
async fn upgrade(
    lab: &mut Lab,
    switch: usize,
    kind: Kind,
    images: &Images,
    checks: &mut Checks,
) -> Result<()> {
    let name = lab.switches[switch].name.clone();
    let features = lab.run(switch, "show feature | include enabled").await?;
    images.install(lab, switch, AFTER[0]).await?;
    let after = lab.run(switch, "show feature | include enabled").await?;
    checks.add(T, &format!("{name}: its features are as they were"), features == after, &after);
    let summary = lab.run(switch, "show license summary").await?;
    for license in kind.licenses() {
        let is = |line: &str| line.contains(&format!("({license})")) && line.ends_with("IN USE");
        let what = format!("{name}: {license} is in use after the upgrade");
        checks.add(T, &what, summary.lines().any(is), &summary);
    }
    let status = lab.run(switch, SHOWN).await?;
    let transport = if kind == Kind::Registered { "Type: Callhome" } else { "Type: CSLU" };
    checks.contains(T, &format!("{name}: its transport is as in the guide"), &status, transport);
    lab.print(&name, &status);
    if kind == Kind::Files {
        let found = |shown: &str| shown.contains("In progress");
        let shown = lab.wait_for(switch, CONVERSION, found).await?;
        checks.contains(T, &format!("{name}: its license file is found"), &shown, "In progress");
        lab.start_at_lab_time(switch).await?;
    }
    Ok(())
}

/// What was registered goes on by itself; the others are brought to topology 2.
async fn report(lab: &Lab, switch: usize, kind: Kind, token: &str) -> Result<()> {
    if kind != Kind::Registered {
        let lines = format!(
            "configure terminal\nlicense smart transport smart\nlicense smart url smart \
             {}/licservice/license\nend\ncopy running-config startup-config\nlicense smart trust \
             idtoken {token} all",
            lab.url
        );
        lab.run(switch, &lines).await?;
    }
    let has_trust = |shown: &str| !shown.contains("Trust Code installed: <none>");
    let status = lab.wait_for(switch, SHOWN, has_trust).await?;
    let name = &lab.switches[switch].name;
    ensure!(has_trust(&status), "{name} got no trust code: {status}");
    lab.run(switch, "license smart sync all").await?;
    Ok(())
}

/// All it used is reported and acknowledged.
async fn settle(lab: &Lab, switch: usize) -> Result<()> {
    lab.run(switch, "license smart sync all").await?;
    let settled = |shown: &str| !["CLOSED", "UNACK"].iter().any(|word| shown.contains(word));
    lab.wait_for(switch, "show license rum id all", settled).await?;
    Ok(())
}

/// A license file that was converted is a purchase, once, with the papers to show for it (PI-MIG-018, CSSM-036).
async fn booked(lab: &Lab, switch: usize, kind: Kind, checks: &mut Checks) -> Result<()> {
    if kind != Kind::Files {
        return Ok(());
    }
    let name = &lab.switches[switch].name;
    let done = |shown: &str| shown.contains("Completed");
    let shown = lab.wait_for(switch, CONVERSION, done).await?;
    checks.contains(T, &format!("{name}: its license file is converted"), &shown, "Completed");
    let path = lab.api.smart_account(SMART_ACCOUNT).await?;
    let all = lab.api.json("GET", &format!("{path}/purchases"), None).await?;
    let of = |row: &&Value| row.to_string().contains(PAK);
    let booked = all.as_array().into_iter().flatten().filter(of).count();
    let what = format!("{name}: CSSM booked it once, and names the PAK");
    checks.add(T, &what, booked == 1, &all.to_string());
    Ok(())
}
