//! `rumline_VERSION_ARCHITECTURE.deb`: executable, units, completions, manual pages, documents, a configuration in which nothing is set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Parts, fresh, gzipped, put, run_tool, sbom, settle};

/// The servers: command, what it is, and what its unit may do besides.
const SERVERS: [(&str, &str, bool); 3] = [
    ("cssm", "Rumline CSSM, the license portal and receiver", true),
    ("cslu", "Rumline CSLU, the collector of one account", false),
    ("onprem", "Rumline SSM On-Prem, the collector of many accounts", true),
];

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: rumline

Files: *
Copyright: The Rumline contributors
License: Apache-2.0 or MIT
 On Debian systems the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0. The text of the MIT license is in
 /usr/share/doc/rumline/LICENSE-MIT. What the executable is made of, with the
 license of each part, is in /usr/share/doc/rumline/rumline.cdx.json.
";

/// Makes the package; returns its file.
pub(super) fn make(root: &Path, parts: &Parts) -> Result<PathBuf> {
    let tree = fresh(parts.out.join("deb"))?;
    let executable = fs::read(&parts.rumline)
        .with_context(|| format!("{} is not built", parts.rumline.display()))?;
    put(&tree, "usr/bin/rumline", 0o755, &executable)?;
    run_tool(Command::new("strip").arg("--strip-unneeded").arg(tree.join("usr/bin/rumline")))?;
    for (name, what, low_ports) in SERVERS {
        let unit = format!("usr/lib/systemd/system/rumline-{name}.service");
        put(&tree, &unit, 0o644, unit_text(name, what, low_ports).as_bytes())?;
        let configuration = configuration_text(parts, name)?;
        put(&tree, &format!("etc/rumline/{name}.toml"), 0o644, configuration.as_bytes())?;
    }
    for (shell, file) in [
        ("bash", "usr/share/bash-completion/completions/rumline"),
        ("zsh", "usr/share/zsh/vendor-completions/_rumline"),
        ("fish", "usr/share/fish/vendor_completions.d/rumline.fish"),
    ] {
        let text = run_tool(Command::new(&parts.rumline).args(["completions", shell]))?;
        put(&tree, file, 0o644, text.as_bytes())?;
    }
    let pages = fresh(parts.out.join("man"))?;
    run_tool(Command::new(&parts.rumline).arg("man").arg(&pages))?;
    for entry in fs::read_dir(&pages)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        put(&tree, &format!("usr/share/man/man1/{name}.gz"), 0o644, &gzipped(&fs::read(&path)?)?)?;
    }
    documents(root, parts, &tree)?;
    control(parts, &tree)?;
    settle(&tree, parts.epoch)?;
    let architecture = architecture()?;
    let file = parts.out.join(format!("rumline_{}_{architecture}.deb", parts.version));
    run_tool(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zzstd", "-z9", "--build"])
            .arg(&tree)
            .arg(&file)
            .env("SOURCE_DATE_EPOCH", parts.epoch.to_string()),
    )?;
    Ok(file)
}

fn architecture() -> Result<String> {
    Ok(run_tool(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned())
}

fn documents(root: &Path, parts: &Parts, tree: &Path) -> Result<()> {
    let docs = "usr/share/doc/rumline";
    put(tree, &format!("{docs}/copyright"), 0o644, COPYRIGHT.as_bytes())?;
    put(tree, &format!("{docs}/LICENSE-MIT"), 0o644, &fs::read(root.join("LICENSE-MIT"))?)?;
    put(tree, &format!("{docs}/README.md"), 0o644, &fs::read(root.join("README.md"))?)?;
    let changes = gzipped(&fs::read(root.join("CHANGELOG.md"))?)?;
    put(tree, &format!("{docs}/changelog.gz"), 0o644, &changes)?;
    put(tree, &format!("{docs}/rumline.cdx.json"), 0o644, sbom::make(root, parts)?.as_bytes())?;
    for folder in ["docs", "docs/prometheus"] {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.is_file() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                put(tree, &format!("{docs}/{folder}/{name}"), 0o644, &fs::read(&path)?)?;
            }
        }
    }
    Ok(())
}

fn control(parts: &Parts, tree: &Path) -> Result<()> {
    let kilobytes = run_tool(Command::new("du").args(["-sk", "--apparent-size"]).arg(tree))?;
    let kilobytes = kilobytes.split_whitespace().next().unwrap_or("0").to_owned();
    let (architecture, glibc) = (architecture()?, newest_glibc(&parts.rumline)?);
    let text = format!(
        "Package: rumline\n\
         Version: {}\n\
         Architecture: {architecture}\n\
         Maintainer: The Rumline contributors <rumline@rumline.invalid>\n\
         Installed-Size: {kilobytes}\n\
         Depends: libc6 (>= {glibc}), libgcc-s1, passwd\n\
         Suggests: postgresql, prometheus\n\
         Section: net\n\
         Priority: optional\n\
         Description: Smart Licensing Using Policy, self-hosted\n \
         Product instances, CSLU, SSM On-Prem and CSSM of Smart Licensing Using\n \
         Policy in one executable, with the labs and tools around them.\n",
        parts.version
    );
    put(tree, "DEBIAN/control", 0o644, text.as_bytes())?;
    let files: String =
        SERVERS.iter().map(|(name, ..)| format!("/etc/rumline/{name}.toml\n")).collect();
    put(tree, "DEBIAN/conffiles", 0o644, files.as_bytes())?;
    for (name, text) in [
        ("postinst", include_str!("../../package/postinst")),
        ("prerm", include_str!("../../package/prerm")),
        ("postrm", include_str!("../../package/postrm")),
    ] {
        put(tree, &format!("DEBIAN/{name}"), 0o755, text.as_bytes())?;
    }
    let sums = run_tool(
        Command::new("sh")
            .arg("-c")
            .arg("find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum")
            .current_dir(tree),
    )?;
    put(tree, "DEBIAN/md5sums", 0o644, sums.as_bytes())
}

/// The newest version of glibc that an executable names symbols of.
fn newest_glibc(executable: &Path) -> Result<String> {
    let names = ["--only-matching", "--text", "--extended-regexp", "GLIBC_2\\.[0-9]+"];
    Ok(newest(&run_tool(Command::new("grep").args(names).arg(executable))?))
}

fn newest(names: &str) -> String {
    let numbers = names.lines().filter_map(|name| name.strip_prefix("GLIBC_2.")?.parse().ok());
    format!("2.{}", numbers.max().unwrap_or(36_u32))
}

/// The configuration that is installed: where things lie, and nothing that is a secret.
fn configuration_text(parts: &Parts, name: &str) -> Result<String> {
    let all = run_tool(Command::new(&parts.rumline).args(["configuration", name]))?;
    let folder = format!("/var/lib/rumline/{name}");
    let mut text = String::new();
    for line in all.lines() {
        let set = match line {
            line if line.starts_with("#dir = ") => format!("dir = {folder:?}"),
            line if line.starts_with("#admin-password-file = ") => {
                format!("admin-password-file = \"{folder}/first-password\"")
            }
            line => line.to_owned(),
        };
        text += &set;
        text.push('\n');
    }
    Ok(text)
}

fn unit_text(name: &str, what: &str, low_ports: bool) -> String {
    let capabilities = if low_ports {
        "# To listen below 1024, as on 443.\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE"
    } else {
        "CapabilityBoundingSet="
    };
    include_str!("../../package/unit.service")
        .replace("@NAME@", name)
        .replace("@WHAT@", what)
        .replace("@CAPABILITIES@", capabilities)
        // In users of its own a capability is worth nothing outside.
        .replace("@PRIVATE_USERS@", if low_ports { "no" } else { "yes" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_glibc_is_found() {
        assert_eq!(newest("GLIBC_2.2\nGLIBC_2.34\nGLIBC_2.9\n"), "2.34");
    }

    #[test]
    fn units_are_filled() {
        for (name, what, low_ports) in SERVERS {
            let text = unit_text(name, what, low_ports);
            assert_eq!(text.matches('@').count(), 3, "but system calls nothing is left: {text}");
            assert!(text.contains(&format!("rumline {name} --config /etc/rumline/{name}.toml")));
        }
    }
}
