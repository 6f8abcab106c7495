//! Everything that touches the world: clock, chance, disk, TLS, HTTP, SSH, console.
//!
//! This is the only crate that reads a clock, opens a socket or a device file. What it finds there it hands to
//! pure code above as plain values.

mod clock;
mod console;
mod copies;
mod database_tls;
mod disk;
mod hooks;
mod http_client;
mod http_server;
mod kept_files;
mod lab_clock;
mod lab_names;
mod mail;
mod outlets;
mod pace;
mod peer_link;
mod private_file;
mod probes;
mod random;
mod ssh;
mod ssh_client;
mod tls;
mod traces;

pub use clock::{Clock, StepWatch, boot_millis};
pub use console::{RawConsole, read_console, read_secret};
pub use copies::{Copy, CopyError, HostKey, SshAccess};
pub use database_tls::connect_database;
pub use disk::FileDisk;
pub use hooks::{HookClient, check_hook_url, is_internal};
pub use http_client::{HttpClient, HttpError, Reply};
pub use http_server::{PeerAddress, Secured, Security, Shutdown, serve};
pub use kept_files::KeptFiles;
pub use lab_clock::LabClock;
pub use lab_names::LabNames;
pub use mail::{MailError, MailServer, Mailer};
pub use outlets::{
    Binding, Contact, ContactReply, DNS_PORT, InterfaceBinding, NameLookup, NameServerAt,
    NameSpace, NameSpaceError, Outlet, Outlets, Progress, VrfBinding, reason_of,
};
pub use peer_link::{CHASSIS_NAME, ChassisKey, Message, PeerLink};
pub use private_file::{is_still_there, lock_directory, make_private, read_private, write_private};
pub use probes::{NotSent, PingPlan, ProbeAnswer, ProbeError, Probed, TracePlan, Why, ping, trace};
pub use random::OsRandom;
pub use ssh::{
    FileAnswer, FileError, FileRequest, HostKeys, Proof, Screen, SshEvent, SshServer,
    TerminalOutput,
};
pub use ssh_client::{SshClient, SshError};
pub use tls::{
    TlsClient, TlsError, certificate_to_pem, client_config, device_server_config,
    old_client_config, pem_to_der, roots_of, server_config,
};
pub use traces::{Doing, Recorded, Span, SpanKind, TRACEPARENT, TraceContext, Traces, otlp};

/// A line on standard output: what a command says, or a server that has just come up. Whoever reads no more ends nothing.
#[macro_export]
macro_rules! say {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        // Nobody may be reading any more.
        let _gone = writeln!(std::io::stdout().lock(), $($arguments)*);
    }};
}
