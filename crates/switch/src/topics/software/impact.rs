//! What an installation would do, as NX-OS prints it.

use rumline_catalogue::Release;
use rumline_cli::Fields;

use super::lines::Gone;
use super::start::kept_name;

/// A step that went well.
pub(super) const DONE: &str = "[####################] 100% -- SUCCESS\n\n";
/// One that did not.
pub(super) const FAILED: &str = "[#                   ]   0% -- FAIL.\n";
const MODULES: &str = "Compatibility check is done:\n\
    Module  bootable          Impact  Install-type  Reason\n\
    ------  --------  --------------  ------------  ------\n";
const IMAGES: &str = "Images will be upgraded according to following table:\n\
    Module       Image                  Running-Version(pri:alt)           New-Version  Upg-Required\n\
    ------  ----------  ----------------------------------------  --------------------  ------------\n";

/// What is known before the switch is asked to go on.
#[derive(Debug)]
pub(super) struct Impact<'a> {
    pub name: &'a str,
    /// The modules that restart.
    pub modules: Vec<u8>,
    pub from: &'static Release,
    pub to: &'static Release,
    /// The lines that go.
    pub gone: Vec<Gone>,
    /// What becomes of licensing, where the one release has Smart Licensing Using Policy and the other has not.
    pub licensing: String,
}

/// How the checks begin.
pub(super) fn beginning(name: &str) -> String {
    format!(
        "Installer will perform compatibility check first. Please wait.\nInstaller is forced disruptive\n\n\
         Verifying image bootflash:/{name} for boot variable \"nxos\".\n"
    )
}

impl Impact<'_> {
    /// A row for each image of each module: module, image, what runs, what would, whether that is another.
    fn images(&self) -> impl Iterator<Item = (u8, &'static str, String, String, &'static str)> {
        let (from, to) = (self.from, self.to);
        let bios = |release: &Release| {
            let day = release.compiled.split(' ').next().unwrap_or_default();
            format!("v{}({day})", release.bios)
        };
        let is_other = |is_other| if is_other { "yes" } else { "no" };
        self.modules.iter().flat_map(move |module| {
            let own = bios(from);
            [
                (
                    *module,
                    "nxos",
                    from.nxos.clone(),
                    to.nxos.clone(),
                    is_other(from.nxos != to.nxos),
                ),
                (*module, "bios", format!("{own}:{own}"), bios(to), is_other(from.bios != to.bios)),
            ]
        })
    }

    pub(super) fn text(&self) -> String {
        let name = self.name;
        let mut text = format!(
            "{}{DONE}Verifying image type.\n{DONE}\
             Preparing \"nxos\" version info using image bootflash:/{name}.\n{DONE}\
             Preparing \"bios\" version info using image bootflash:/{name}.\n{DONE}\
             Performing module support checks.\n{DONE}Notifying services about system upgrade.\n{DONE}\n\
             {MODULES}",
            beginning(name)
        );
        for module in &self.modules {
            text.push_str(&format!(
                "{module:>6}       yes      disruptive         reset  default upgrade is not hitless\n"
            ));
        }
        text.push_str(&format!("\n\n{IMAGES}"));
        for (module, image, own, new, needed) in self.images() {
            text.push_str(&format!(
                "{module:>6}  {image:>10}  {own:>40}  {new:>20}  {needed:>12}\n"
            ));
        }
        text.push_str("\n\n");
        text.push_str(&self.lines_text());
        text.push_str(&self.licensing);
        text
    }

    /// What becomes of the configuration.
    fn lines_text(&self) -> String {
        let to = &self.to.version;
        if self.gone.is_empty() {
            return format!("All lines of the configuration are there on {to}.\n\n");
        }
        let mut text =
            format!("Lines of the configuration that {to} does not have, and that go:\n");
        for gone in &self.gone {
            text.push_str(&format!("  {gone}\n"));
        }
        let kept = kept_name(self.from);
        text.push_str(&format!("The configuration as it is stays in bootflash:{kept}.\n\n"));
        text
    }

    pub(super) fn fields(&self) -> Fields {
        let modules = self.modules.iter().map(|module| {
            Fields::new()
                .number("module", *module)
                .text("bootable", "yes")
                .text("impact", "disruptive")
                .text("install_type", "reset")
                .text("reason", "default upgrade is not hitless")
        });
        let images = self.images().map(|(module, image, own, new, needed)| {
            Fields::new()
                .number("module", module)
                .text("image", image)
                .text("running_version", own)
                .text("new_version", new)
                .text("upg_required", needed)
        });
        Fields::new()
            .text("image_file", format!("bootflash:/{}", self.name))
            .table("compat", modules)
            .table("images", images)
            .table("lines_gone", self.gone_fields())
    }

    /// A row for each line that goes.
    pub(super) fn gone_fields(&self) -> impl Iterator<Item = Fields> {
        self.gone.iter().map(|gone| {
            Fields::new()
                .text("section", gone.sections.join(" "))
                .text("line", &gone.line)
                .text("needs", &gone.has_it)
        })
    }

    /// The lines that go, as `show incompatibility-all` has them.
    pub(super) fn incompatibility_text(&self, hostname: &str) -> String {
        let title = format!("Checking incompatible configuration(s) for vdc '{hostname}':\n");
        let mut text = format!("{title}{}\n", "-".repeat(title.len() - 1));
        if self.gone.is_empty() {
            text.push_str("No incompatible configurations\n");
            return text;
        }
        text.push_str(
            "The following configurations on active are incompatible with the system image\n",
        );
        for (number, gone) in (1..).zip(&self.gone) {
            let lines = gone.sections.iter().chain([&gone.line]);
            let lines: Vec<&str> = lines.map(String::as_str).collect();
            text.push_str(&format!(
                "{number}) Line : {}\nDescription : {}\n",
                lines.join(", "),
                gone.has_it
            ));
        }
        text
    }
}
