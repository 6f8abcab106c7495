//! The list of product instances as CSV, both ways (CSLU-015, G-03).

use rumline_protocol::{Timestamp, Udi};
use schemars::JsonSchema;

use crate::ids::{InstanceId, TenantId};
use crate::journal::add_event;
use crate::{Actor, Collector, Error, inventory, tenants};

/// The columns, in the order they are written. They are read in any order, and by some other names.
const COLUMNS: [&str; 9] = [
    "PID",
    "Serial Number",
    "Host Name",
    "Smart Account",
    "Virtual Account",
    "Software Version",
    "Last Contact",
    "Last Report",
    "Last ACK",
];
/// The most rows in one file.
const ROWS_MAX: usize = 200_000;
/// Rows with errors that are told one by one.
const ERRORS_MAX: usize = 200;

/// What became of an imported file.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, JsonSchema)]
pub struct CsvOutcome {
    /// Product instances that were added.
    pub added: usize,
    /// Those that were there already.
    pub known: usize,
    /// Rows that could not be taken, and why; the first line is the header's.
    pub errors: Vec<CsvError>,
    /// All rows that could not be taken.
    pub error_count: usize,
}

/// A row that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, JsonSchema)]
pub struct CsvError {
    /// Its line in the file.
    pub line: u64,
    /// What is wrong with it.
    pub text: String,
}

/// A value that no spreadsheet takes for a formula: devices choose their names. A mark also does harm behind whatever a
/// spreadsheet may take for the end of a cell, behind blanks, and in its wide form.
fn harmless(value: &str) -> String {
    let is_mark = |c: char| "=+-@\t\r|%\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c);
    let (mut out, mut at_start) = (String::with_capacity(value.len() + 1), true);
    for c in value.chars() {
        if at_start && is_mark(c) {
            out.push('\'');
        }
        out.push(c);
        // Quotes, blanks and ends of cells leave the next character at the start of something.
        at_start = ";,\t\n\r\"'".contains(c) || (at_start && c.is_whitespace());
    }
    out
}

fn time(at: Option<i64>) -> String {
    at.map_or(String::new(), |at| Timestamp(at).to_string())
}

/// The place of each column in a file: of PID, serial number, host name, Smart Account, Virtual Account.
struct Places([Option<usize>; 5]);

impl Places {
    fn of(header: &csv::StringRecord) -> Result<Self, Error> {
        const NAMES: [&[&str]; 5] = [
            &["pid", "productid", "udipid"],
            &["serialnumber", "serial", "sn", "udiserialnumber"],
            &["hostname", "host", "name", "ip", "ipaddress", "hostnameip"],
            &["smartaccount", "smartaccountname", "sa"],
            &["virtualaccount", "virtualaccountname", "va"],
        ];
        let plain = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let header: Vec<String> = header.iter().map(plain).collect();
        let place =
            |names: &[&str]| header.iter().position(|found| names.contains(&found.as_str()));
        let places = NAMES.map(place);
        if places[0].is_none() || places[1].is_none() {
            let text = "the first line names no columns PID and Serial Number";
            return Err(Error::invalid(text));
        }
        Ok(Self(places))
    }

    fn value<'r>(&self, column: usize, record: &'r csv::StringRecord) -> &'r str {
        let value = self.0[column].and_then(|place| record.get(place)).unwrap_or_default().trim();
        value.strip_prefix('\'').unwrap_or(value)
    }
}

impl Collector {
    /// The product instances of a tenant as CSV.
    ///
    /// # Errors
    /// When the store fails.
    pub fn export_csv(&self, tenant_id: TenantId) -> Result<String, Error> {
        let tenant = self.tenant(tenant_id)?;
        let mut writer = csv::Writer::from_writer(Vec::new());
        let bad = |error: csv::Error| Error::invalid(error.to_string());
        writer.write_record(COLUMNS).map_err(bad)?;
        let mut after = InstanceId(0);
        loop {
            let page = self.instances(tenant_id, "", after, 1000)?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for row in &page {
                let udi = format!("PID:{},SN:{}", row.pid, row.serial);
                let hostname = if row.name == udi { "" } else { &row.name };
                writer
                    .write_record([
                        harmless(&row.pid),
                        harmless(&row.serial),
                        harmless(hostname),
                        harmless(&tenant.smart_account),
                        harmless(&tenant.virtual_account),
                        harmless(row.software_version.as_deref().unwrap_or_default()),
                        time(row.last_contact_at),
                        time(row.last_report_at),
                        time(row.last_ack_at),
                    ])
                    .map_err(bad)?;
            }
        }
        let bytes = writer.into_inner().map_err(|error| Error::invalid(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| Error::invalid(error.to_string()))
    }

    /// Adds the product instances of a CSV file: good rows are taken, bad ones are told.
    ///
    /// # Errors
    /// When the file as a whole is not usable.
    pub fn import_csv(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        bytes: &[u8],
    ) -> Result<CsvOutcome, Error> {
        let tenant = self.tenant(tenant_id)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // So that lines are counted as people see them.
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let bytes = text.as_bytes();
        // Spreadsheets of some countries write semicolons.
        let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let many = |wanted: u8| first_line.iter().filter(|byte| **byte == wanted).count();
        let delimiter = if many(b';') > many(b',') { b';' } else { b',' };
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes);
        let header = reader.headers().map_err(|_| Error::invalid("the file is no CSV text"))?;
        let places = Places::of(header)?;
        let (mut outcome, mut rows) = (CsvOutcome::default(), Vec::new());
        for (index, record) in reader.records().enumerate() {
            if index == ROWS_MAX {
                return Err(Error::invalid(format!("the file has more than {ROWS_MAX} rows")));
            }
            let read =
                record.map_err(|error| (index as u64 + 2, error.to_string())).and_then(|record| {
                    let line = record.position().map_or(0, csv::Position::line);
                    row(&places, &record, &tenant).map_err(|text| (line, text))
                });
            match read {
                Ok(row) => rows.push(row),
                Err((line, text)) => {
                    outcome.error_count += 1;
                    if outcome.errors.len() < ERRORS_MAX {
                        outcome.errors.push(CsvError { line, text });
                    }
                }
            }
        }
        let actor = actor.clone();
        self.db.write("inventory.csv", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            let mut outcome = outcome.clone();
            for (udi, hostname) in &rows {
                let added = inventory::add(tx, now, &actor, tenant_id, udi, hostname.as_deref())?;
                outcome.added += usize::from(added.is_some());
                outcome.known += usize::from(added.is_none());
            }
            let text = format!("{} product instances added from a CSV file", outcome.added);
            add_event(tx, now, tenant_id, &actor, &text)?;
            Ok(outcome)
        })
    }
}

fn row(
    places: &Places,
    record: &csv::StringRecord,
    tenant: &crate::Tenant,
) -> Result<(Udi, Option<String>), String> {
    let udi = Udi::new(places.value(0, record), places.value(1, record));
    let udi = udi.map_err(|error| error.to_string())?;
    let hostname = places.value(2, record);
    if hostname.chars().count() > 100 || hostname.contains(char::is_control) {
        return Err("a host name has up to 100 printable characters".to_owned());
    }
    for (column, own, what) in [
        (3, &tenant.smart_account, "Smart Account"),
        (4, &tenant.virtual_account, "Virtual Account"),
    ] {
        let told = places.value(column, record);
        // Names are case-sensitive (CSLU-012).
        if !told.is_empty() && told != own {
            return Err(format!("the {what} is {told:?}, here it is {own:?}"));
        }
    }
    Ok((udi, (!hostname.is_empty()).then(|| hostname.to_owned())))
}
