//! What people install: a Debian package, an image for containers, and the list of what is in it. Made of the release executable with the
//! tools that every Debian has, and the same byte for byte each time.

mod deb;
mod image;
mod sbom;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::root;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Deb,
    Image,
    Sbom,
}

impl Kind {
    fn named(word: &str) -> Result<Self> {
        match word {
            "deb" => Ok(Self::Deb),
            "image" => Ok(Self::Image),
            "sbom" => Ok(Self::Sbom),
            _ => bail!("nothing is called {word}"),
        }
    }
}

/// What things are made of.
struct Parts {
    /// Where they are put.
    out: PathBuf,
    /// The release executable.
    rumline: PathBuf,
    version: String,
    /// The time of all files, in seconds since 1970.
    epoch: u64,
}

/// Makes it, of an executable that is there, or of one that is built so that it does not matter where.
pub(crate) fn run(word: &str, executable: Option<&Path>) -> Result<()> {
    let kind = Kind::named(word)?;
    let root = root().canonicalize()?;
    let epoch = epoch()?;
    let rumline = match executable {
        Some(executable) => executable.to_owned(),
        None if kind == Kind::Sbom => PathBuf::new(),
        None => build(&root, epoch)?,
    };
    let parts =
        Parts { out: root.join("target/package"), rumline, version: version(&root)?, epoch };
    fs::create_dir_all(&parts.out)?;
    let made = match kind {
        Kind::Deb => deb::make(&root, &parts)?,
        Kind::Image => image::make(&parts)?,
        Kind::Sbom => {
            let file = parts.out.join("rumline.cdx.json");
            fs::write(&file, sbom::make(&root, &parts)?)?;
            file
        }
    };
    println!("{}", made.display());
    Ok(())
}

/// Two builds in two folders, and whether they are the same.
pub(crate) fn same_twice() -> Result<()> {
    println!("\n== two builds, byte for byte");
    let mut sums = Vec::new();
    for name in ["one", "another, with a longer name"] {
        let copy = std::env::temp_dir().join(format!("rumline-{name}"));
        let _left_over = fs::remove_dir_all(&copy);
        run_tool(Command::new("git").args(["clone", "--quiet"]).arg(root()).arg(&copy))?;
        for kind in ["deb", "image"] {
            let mut xtask = Command::new("cargo");
            xtask
                .args(["xtask", kind])
                .current_dir(&copy)
                .env("SOURCE_DATE_EPOCH", epoch()?.to_string());
            let made = run_tool(&mut xtask)?;
            let made = made.lines().next_back().context("nothing was made")?.to_owned();
            sums.push((kind, sha256(Path::new(&made))?));
        }
        fs::remove_dir_all(&copy)?;
    }
    let (first, second) = sums.split_at(2);
    for ((kind, sum), other) in first.iter().zip(second) {
        println!("{kind} {sum}");
        ensure!((kind, sum) == (&other.0, &other.1), "the other {kind} is {}", other.1);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the variable of reproducible builds")]
/// The time of what is made: that of the last commit, unless somebody says otherwise.
fn epoch() -> Result<u64> {
    if let Ok(told) = std::env::var("SOURCE_DATE_EPOCH") {
        return told.parse().context("SOURCE_DATE_EPOCH is no number of seconds");
    }
    let told =
        run_tool(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))?;
    told.trim().parse().context("git names no time")
}

fn version(root: &Path) -> Result<String> {
    let text = fs::read_to_string(root.join("Cargo.toml"))?;
    let table: toml::Table = text.parse()?;
    let version = table["workspace"]["package"]["version"].as_str().context("no version")?;
    Ok(version.to_owned())
}

/// Builds the executable so that no path of this machine is in it.
fn build(root: &Path, epoch: u64) -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    let cargo = cargo.context("neither CARGO_HOME nor HOME says where crates are")?;
    let target = root.join("target/reproducible");
    let renamed = [(root, "/rumline"), (cargo.as_path(), "/cargo")];
    let rust = renamed.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let c = renamed.map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    let mut build = Command::new("cargo");
    build
        .args(["build", "--release", "--locked", "--package", "rumline"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
        // A blank in a path would be the end of it.
        .env(
            "CFLAGS",
            c.iter().filter(|flag| !flag.contains(' ')).cloned().collect::<Vec<_>>().join(" "),
        )
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .stdout(Stdio::null());
    ensure!(build.status()?.success(), "the executable cannot be built");
    Ok(target.join("release/rumline"))
}

/// What a tool says; its failure is one.
fn run_tool(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?} failed: {}", command.get_program(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn sha256(file: &Path) -> Result<String> {
    let told = run_tool(Command::new("sha256sum").arg(file))?;
    Ok(told.split(' ').next().unwrap_or_default().trim_start_matches('\\').to_owned())
}

/// Writes a file of a tree with its folders and its mode.
fn put(tree: &Path, name: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = tree.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, bytes)?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
}

/// All files and folders of a tree get one time, and folders one mode.
fn settle(tree: &Path, epoch: u64) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            settle(&entry.path(), epoch)?;
        } else if entry.file_type()?.is_file() {
            File::options().write(true).open(entry.path())?.set_modified(time)?;
        }
    }
    fs::set_permissions(tree, fs::Permissions::from_mode(0o755))?;
    Ok(File::open(tree)?.set_modified(time)?)
}

/// An empty folder.
fn fresh(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Compressed without a time and a name.
fn gzipped(bytes: &[u8]) -> Result<Vec<u8>> {
    use std::io::Write;
    let mut gzip = Command::new("gzip")
        .args(["-6", "-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("gzip")?;
    let mut input = gzip.stdin.take().context("gzip takes nothing")?;
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = gzip.wait_with_output()?;
    ensure!(
        output.status.success() && writer.join().is_ok_and(|written| written.is_ok()),
        "gzip failed"
    );
    Ok(output.stdout)
}
