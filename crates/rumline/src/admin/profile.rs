//! Which server the commands are for: as it is named, as it was remembered, or the one that was started here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rumline_net::write_private;
use serde::{Deserialize, Serialize};

use super::{Client, Server};
use crate::server_parts::URL_FILE;

/// The name of the profile that was logged in with last.
const CURRENT: &str = "current";

/// A server, and what the commands need for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub server: String,
    pub ca_file: PathBuf,
    pub token_file: PathBuf,
}

/// What is remembered of a server; the token of the login lies beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    server: String,
    ca_file: PathBuf,
    /// Where the token is, if it lies elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
}

/// The profiles of a kind of server.
#[derive(Clone, Debug)]
pub(super) struct Profiles {
    /// Where they are kept.
    folder: PathBuf,
    server: Server,
}

fn check(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(is_plain) {
        bail!(
            "a profile's name has 1 to 64 letters, digits, '-', '_' and '.', and begins with no '.'"
        );
    }
    Ok(())
}

impl Profiles {
    /// Those of whoever is logged in on this machine, if they have a home.
    pub(super) fn of_home(server: Server) -> Option<Self> {
        let home = std::env::home_dir()?;
        Some(Self { folder: home.join(".config/rumline").join(server.command), server })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn token_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.token"))
    }

    fn read(&self, name: &str) -> Result<Target> {
        check(name)?;
        let file = self.file(name);
        if !file.exists() {
            let command = self.server.command;
            bail!(
                "there is no profile {name}; `rumline {command} --profile {name} login` makes it"
            );
        }
        let text =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let Profile { server, ca_file, token_file } = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no profile", file.display()))?;
        let token_file = token_file.unwrap_or_else(|| self.token_file(name));
        Ok(Target { server, ca_file, token_file })
    }

    fn current(&self) -> Option<String> {
        let name = std::fs::read_to_string(self.folder.join(CURRENT)).ok()?;
        Some(name.trim().to_owned())
    }

    /// Which server the commands are for, with a folder as the one they are given in.
    pub(super) fn target(
        this: Option<&Self>,
        server: Server,
        client: &Client,
        here: &Path,
    ) -> Result<Target> {
        let home = || this.context("there is no home folder to remember profiles in");
        let named =
            [client.server.is_some(), client.ca_file.is_some(), client.api_token_file.is_some()];
        let started_here =
            here.join(server.ca_file).exists() || here.join(server.token_file).exists();
        let remembered = match &client.profile {
            Some(name) => Some(home()?.read(name)?),
            None if named.contains(&true) || started_here => None,
            None => {
                let current = this.and_then(|all| Some((all, all.current()?)));
                current.map(|(all, name)| all.read(&name)).transpose()?
            }
        };
        let of_here = Target {
            server: url_beside(&here.join(server.ca_file)).unwrap_or_else(|| server.url.to_owned()),
            ca_file: server.ca_file.into(),
            token_file: server.token_file.into(),
        };
        let Target { server, ca_file, token_file } = remembered.unwrap_or(of_here);
        Ok(Target {
            server: client.server.clone().unwrap_or(server),
            ca_file: client.ca_file.clone().unwrap_or(ca_file),
            token_file: client.api_token_file.clone().unwrap_or(token_file),
        })
    }

    /// The server that a login under a name is for: as it is named now, or was before.
    pub(super) fn login_target(&self, client: &Client, name: &str) -> Result<Target> {
        check(name)?;
        let before = self.read(name).ok();
        let server = client.server.clone().or_else(|| before.as_ref().map(|b| b.server.clone()));
        let ca_file = client.ca_file.clone().or_else(|| before.map(|b| b.ca_file));
        let ca_file = ca_file.unwrap_or_else(|| self.server.ca_file.into());
        let ca_file = std::fs::canonicalize(&ca_file)
            .with_context(|| format!("cannot read the root certificate {}", ca_file.display()))?;
        let token_file = match &client.api_token_file {
            Some(file) => std::path::absolute(file)?,
            None => self.token_file(name),
        };
        crate::server_parts::prepare_directory(&self.folder)?;
        let server = server.or_else(|| url_beside(&ca_file));
        let server = server.unwrap_or_else(|| self.server.url.to_owned());
        Ok(Target { server, ca_file, token_file })
    }

    /// Remembers a server that was logged in to, as the one that is used where none is named.
    pub(super) fn remember(&self, name: &str, target: &Target) -> Result<()> {
        let Target { server, ca_file, token_file } = target.clone();
        let token_file = Some(token_file).filter(|file| *file != self.token_file(name));
        let text = serde_json::to_string_pretty(&Profile { server, ca_file, token_file })? + "\n";
        write_private(&self.file(name), text.as_bytes())
            .with_context(|| format!("cannot write {}", self.file(name).display()))?;
        Ok(write_private(&self.folder.join(CURRENT), format!("{name}\n").as_bytes())?)
    }

    /// Name, server, and whether it is the one that is used where none is named.
    pub(super) fn list(&self) -> Vec<(String, String, bool)> {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = files
            .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
        let mut names: Vec<String> = names.collect();
        names.sort();
        let current = self.current();
        let row = |name: String| {
            let server = self.read(&name).ok()?.server;
            let is_current = current.as_deref() == Some(&name);
            Some((name, server, is_current))
        };
        names.into_iter().filter_map(row).collect()
    }
}

/// Where the server listens whose root certificate this is: it says so in its folder.
fn url_beside(ca_file: &Path) -> Option<String> {
    let told = std::fs::read_to_string(ca_file.with_file_name(URL_FILE)).ok()?;
    Some(told.trim().to_owned()).filter(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Server = Server {
        command: "cssm",
        url: "https://127.0.0.1:8443",
        ca_file: "cssm-data/root.pem",
        token_file: "cssm-token",
        columns: |_| &[],
    };

    fn client(profile: Option<&str>, server: Option<&str>, ca_file: Option<&Path>) -> Client {
        Client {
            server: server.map(str::to_owned),
            ca_file: ca_file.map(Path::to_owned),
            api_token_file: None,
            profile: profile.map(str::to_owned),
            output: crate::out::Output::Table,
        }
    }

    #[test]
    fn a_server_is_remembered_and_what_is_named_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = Profiles { folder: folder.path().join("profiles"), server: SERVER };
        let (here, elsewhere) = (folder.path().join("here"), folder.path().join("elsewhere"));
        for place in [&here, &elsewhere] {
            std::fs::create_dir_all(place).unwrap();
        }
        std::fs::create_dir(here.join("cssm-data")).unwrap();
        let root = here.join(SERVER.ca_file);
        std::fs::write(&root, "x").unwrap();
        let target =
            |client: &Client, here: &Path| Profiles::target(Some(&profiles), SERVER, client, here);
        // Nothing is remembered, nothing is named.
        let nothing = client(None, None, None);
        assert_eq!(target(&nothing, &elsewhere).unwrap().server, SERVER.url);
        assert!(target(&client(Some("lab"), None, None), &here).is_err());
        let lab = client(Some("lab"), Some("https://lab:8443"), Some(&root));
        let remembered = profiles.login_target(&lab, "lab").unwrap();
        // Only once somebody is logged in.
        assert!(target(&client(Some("lab"), None, None), &here).is_err());
        profiles.remember("lab", &remembered).unwrap();
        assert_eq!(remembered.server, "https://lab:8443");
        assert!(remembered.ca_file.is_absolute() && remembered.token_file.ends_with("lab.token"));
        // Elsewhere it is used, here the server that was started here, unless it is named.
        assert_eq!(target(&nothing, &elsewhere).unwrap(), remembered);
        assert_eq!(target(&nothing, &here).unwrap().server, SERVER.url);
        assert_eq!(target(&client(Some("lab"), None, None), &here).unwrap(), remembered);
        // It says where it listens.
        std::fs::write(here.join("cssm-data").join(URL_FILE), "https://here:9443\n").unwrap();
        assert_eq!(target(&nothing, &here).unwrap().server, "https://here:9443");
        let beside = profiles.login_target(&client(None, None, Some(&root)), "beside").unwrap();
        assert_eq!(beside.server, "https://here:9443");
        let other = client(None, Some("https://other"), None);
        assert_eq!(target(&other, &elsewhere).unwrap().server, "https://other");
        assert_eq!(target(&other, &elsewhere).unwrap().token_file, Path::new(SERVER.token_file));
        // Another login under it keeps what is not named anew.
        let again = client(Some("lab"), None, None);
        assert_eq!(profiles.login_target(&again, "lab").unwrap(), remembered);
        let token = folder.path().join("token");
        let named = Client { api_token_file: Some(token.clone()), ..again };
        let elsewhere_kept = profiles.login_target(&named, "lab").unwrap();
        profiles.remember("lab", &elsewhere_kept).unwrap();
        assert_eq!(target(&client(Some("lab"), None, None), &here).unwrap().token_file, token);
        let told = [("lab".to_owned(), "https://lab:8443".to_owned(), true)];
        assert_eq!(profiles.list(), told);
        for wrong in ["", ".x", "a/b", "../x", "\u{e9}", &"x".repeat(65)] {
            assert!(profiles.login_target(&lab, wrong).is_err(), "{wrong:?}");
        }
        // The root has to be there when it is remembered, and a profile that was spoiled is named.
        let missing = folder.path().join("missing");
        assert!(profiles.login_target(&client(None, None, Some(&missing)), "other").is_err());
        std::fs::write(profiles.file("lab"), "{").unwrap();
        let spoiled = target(&nothing, &elsewhere).unwrap_err().to_string();
        assert!(spoiled.contains("lab.json is no profile"), "{spoiled}");
        assert_eq!(profiles.list(), []);
        // Without a home nothing is remembered.
        assert!(Profiles::target(None, SERVER, &client(Some("lab"), None, None), &here).is_err());
        assert_eq!(
            Profiles::target(None, SERVER, &nothing, &elsewhere).unwrap().server,
            SERVER.url
        );
    }
}
