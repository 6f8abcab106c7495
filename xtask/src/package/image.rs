//! `rumline_VERSION_oci.tar`: an image for containers as the OCI lays it out, from scratch: the executable, the libraries that it is
//! linked with, and nothing else. podman, docker and others load it; no registry and no other image is needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Parts, fresh, gzipped, put, run_tool, settle, sha256};

/// Whom servers run as.
const USER: u32 = 10_001;
/// Where data lie.
const DATA: &str = "var/lib/rumline";

/// Makes the image; returns its file.
pub(super) fn make(parts: &Parts) -> Result<PathBuf> {
    let tree = fresh(parts.out.join("image"))?;
    let executable = fs::read(&parts.rumline)
        .with_context(|| format!("{} is not built", parts.rumline.display()))?;
    put(&tree, "usr/bin/rumline", 0o755, &executable)?;
    run_tool(Command::new("strip").arg("--strip-unneeded").arg(tree.join("usr/bin/rumline")))?;
    for library in libraries(&parts.rumline)? {
        let name = library.to_string_lossy().trim_start_matches('/').to_owned();
        put(&tree, &name, 0o755, &fs::read(&library)?)?;
    }
    let passwd = format!("root:x:0:0::/:/\nrumline:x:{USER}:{USER}::/{DATA}:/\n");
    put(&tree, "etc/passwd", 0o644, passwd.as_bytes())?;
    put(&tree, "etc/group", 0o644, format!("root:x:0:\nrumline:x:{USER}:\n").as_bytes())?;
    // What servers of others are known by: mail, webhooks.
    let authorities = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if authorities.exists() {
        put(&tree, "etc/ssl/certs/ca-certificates.crt", 0o644, &fs::read(authorities)?)?;
    }
    fs::create_dir_all(tree.join("tmp"))?;
    settle(&tree, parts.epoch)?;
    let layer = layer(parts, &tree)?;
    let layout = fresh(parts.out.join("oci"))?;
    lay_out(parts, &layout, &layer)?;
    settle(&layout, parts.epoch)?;
    let file = parts.out.join(format!("rumline_{}_oci.tar", parts.version));
    tar(parts, &layout, &file, &["--owner=0", "--group=0", "."])?;
    Ok(file)
}

/// The libraries that an executable is linked with, and what loads them.
fn libraries(executable: &Path) -> Result<BTreeSet<PathBuf>> {
    let told = run_tool(Command::new("ldd").arg(executable))?;
    let paths = told.lines().filter_map(|line| {
        let place = line.split("=>").last()?.split_whitespace().next()?;
        place.starts_with('/').then(|| PathBuf::from(place))
    });
    let paths: BTreeSet<PathBuf> = paths.collect();
    ensure!(!paths.is_empty(), "the executable is linked with nothing: {told}");
    Ok(paths)
}

fn tar(parts: &Parts, folder: &Path, file: &Path, more: &[&str]) -> Result<()> {
    let time = format!("--mtime=@{}", parts.epoch);
    run_tool(
        Command::new("tar")
            .args(["--create", "--sort=name", "--numeric-owner", "--format=ustar", &time, "--file"])
            .arg(file)
            .arg("--directory")
            .arg(folder)
            .args(more),
    )?;
    Ok(())
}

/// One layer: all files are root's but the folder of data.
fn layer(parts: &Parts, tree: &Path) -> Result<Vec<u8>> {
    let file = parts.out.join("layer.tar");
    tar(parts, tree, &file, &["--owner=0", "--group=0", "."])?;
    let data = fresh(parts.out.join("image-data"))?;
    fs::create_dir_all(data.join(DATA))?;
    settle(&data, parts.epoch)?;
    let time = format!("--mtime=@{}", parts.epoch);
    let owner = [format!("--owner={USER}"), format!("--group={USER}")];
    run_tool(
        Command::new("tar")
            .args(["--append", "--numeric-owner", "--format=ustar", "--mode=0700", &time])
            .args(owner)
            .arg("--file")
            .arg(&file)
            .arg("--directory")
            .arg(&data)
            .args(["--no-recursion", &format!("./{DATA}")]),
    )?;
    let bytes = fs::read(&file)?;
    fs::remove_file(&file)?;
    Ok(bytes)
}

/// Writes blobs, each under its own digest.
fn lay_out(parts: &Parts, layout: &Path, layer: &[u8]) -> Result<()> {
    let blob = |kind: &str, bytes: &[u8]| -> Result<Value> {
        let file = layout.join("blob");
        fs::write(&file, bytes)?;
        let sum = sha256(&file)?;
        put(layout, &format!("blobs/sha256/{sum}"), 0o644, bytes)?;
        fs::remove_file(&file)?;
        Ok(json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": format!("sha256:{sum}"), "size": bytes.len(),
        }))
    };
    let plain = layout.join("plain");
    fs::write(&plain, layer)?;
    let diff_id = format!("sha256:{}", sha256(&plain)?);
    fs::remove_file(&plain)?;
    let layer = blob("layer.v1.tar+gzip", &gzipped(layer)?)?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let created = run_tool(Command::new("date").args([
        "-u",
        "+%Y-%m-%dT%H:%M:%SZ",
        "-d",
        &format!("@{}", parts.epoch),
    ]))?;
    let config = json!({
        "created": created.trim(),
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": ["/usr/bin/rumline"],
            "Cmd": ["cssm", "--dir", format!("/{DATA}/cssm"), "--listen", "0.0.0.0:8443"],
            "WorkingDir": format!("/{DATA}"),
            "ExposedPorts": { "8443/tcp": {} },
            "Volumes": { format!("/{DATA}"): {} },
            "Labels": {
                "org.opencontainers.image.title": "rumline",
                "org.opencontainers.image.version": parts.version,
                "org.opencontainers.image.licenses": "Apache-2.0 OR MIT",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": created.trim(), "created_by": "cargo xtask image" }],
    });
    let config = blob("config.v1+json", config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer],
    });
    let mut manifest = blob("manifest.v1+json", manifest.to_string().as_bytes())?;
    manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
    manifest["annotations"] =
        json!({ "org.opencontainers.image.ref.name": format!("rumline:{}", parts.version) });
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest],
    });
    put(layout, "index.json", 0o644, index.to_string().as_bytes())?;
    put(layout, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)
}
