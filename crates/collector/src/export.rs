//! Writing what waits into a signed file for CSSM (guide p. 25, 30, 73; CSLU-016, 019, ONPREM-008, 009).
//!
//! An export changes nothing but the list of transfers: what is in it waits on until its ACK is imported, so a file
//! that is lost on its way is simply written again.

use std::collections::BTreeSet;
use std::io::{Read, Seek, Write};
use std::sync::mpsc;
use std::thread;

use rumline_protocol::{BundleWriter, Timestamp, bundle_time};
use rumline_server::next_id;
use rumline_store::Row;

use crate::forward::{DevicePart, KeptReport, device_file_name};
use crate::ids::{InstanceId, TenantId};
use crate::journal::add_event;
use crate::transfers::{Transfer, insert_transfer};
use crate::{Actor, Collector, Error, older};

/// Devices that are read at a time.
const PAGE: i64 = 1000;
/// A file of a device is full with this many bytes of reports.
const FILE_BYTES_MAX: usize = 12 << 20;
/// Files are handed over when they are so large together.
const PIECE_BYTES_MIN: usize = 256 << 10;

/// Files of devices, each by its name.
type Files = Vec<(String, String)>;

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
struct Exported {
    devices: i64,
    reports: i64,
}

/// Hands files over to whoever packs them.
struct Outbox {
    waiting: Files,
    bytes: usize,
    /// None once nobody takes any more.
    sender: Option<mpsc::SyncSender<Files>>,
}

impl Outbox {
    fn put(&mut self, name: String, document: String) {
        self.bytes += document.len();
        self.waiting.push((name, document));
        if self.bytes >= PIECE_BYTES_MIN {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let files = std::mem::take(&mut self.waiting);
        if self.sender.as_ref().is_some_and(|sender| sender.send(files).is_err()) {
            self.sender = None;
        }
    }
}

impl Collector {
    /// Writes a bundle of all that waits, or of some product instances only; `scratch` holds it meanwhile. Returns
    /// the transfer, whose name is that of the file.
    ///
    /// # Errors
    /// When there is nothing to export, no account is chosen, or the file cannot be written.
    pub fn export<S: Read + Write + Seek>(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        selection: Option<&[InstanceId]>,
        scratch: S,
        out: &mut dyn Write,
    ) -> Result<Transfer, Error> {
        let tenant = self.tenant(tenant_id)?;
        if !tenant.has_account() {
            let text = "choose the Smart Account and Virtual Account in Preferences first";
            return Err(Error::Conflict(text.to_owned()));
        }
        let time = bundle_time(now);
        let selection: Option<BTreeSet<InstanceId>> =
            selection.map(|ids| ids.iter().copied().collect());
        let mut writer = BundleWriter::new(scratch, format!("UD_VA_{time}.tar.gz"), now);
        // Files are read and put together while those before are packed.
        let Exported { devices, reports } = thread::scope(|scope| {
            let (sender, pieces) = mpsc::sync_channel(1);
            let outbox = Outbox { waiting: Vec::new(), bytes: 0, sender: Some(sender) };
            let reader =
                scope.spawn(|| self.read_devices(now, tenant_id, selection.as_ref(), outbox));
            let packed = pieces.iter().flatten().try_for_each(|(name, document)| {
                writer.add(&name, &document).map_err(Error::Unwritten)
            });
            // Who reads is not kept waiting where nothing can be written.
            drop(pieces);
            let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            packed.and(read)
        })?;
        if devices == 0 {
            let text = "there is nothing to export: no report waits for an acknowledgement";
            return Err(Error::Conflict(text.to_owned()));
        }
        self.finish_bundle(&tenant, self.random_hex(16), writer, out)?;
        let actor = actor.clone();
        self.db.write("export.note", move |tx| {
            let transfer = Transfer {
                id: next_id(tx, "transfer")?,
                kind: Transfer::EXPORT.to_owned(),
                name: format!("UD_SA_{time}.tar.gz"),
                at: now.0,
                login: actor.name().to_owned(),
                status: "Done".to_owned(),
                members: devices,
                members_done: devices,
                changed: reports,
                problems: String::new(),
            };
            insert_transfer(tx, tenant_id, &transfer, None)?;
            let text = format!("{} exported to Cisco: {}", transfer.name, transfer.message());
            add_event(tx, now, tenant_id, &actor, &text)?;
            Ok(transfer)
        })
    }

    /// Reads what waits, device by device, until nobody takes it.
    fn read_devices(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        selection: Option<&BTreeSet<InstanceId>>,
        mut outbox: Outbox,
    ) -> Result<Exported, Error> {
        let (mut after, mut exported) = (InstanceId(0), Exported::default());
        loop {
            let page = self.export_page(tenant_id, after)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (id, part) in page {
                if selection.is_some_and(|chosen| !chosen.contains(&id)) {
                    continue;
                }
                if outbox.sender.is_none() {
                    return Ok(exported);
                }
                exported.devices += 1;
                exported.reports += self.read_device(now, tenant_id, (id, &part), &mut outbox)?;
            }
        }
        outbox.flush();
        Ok(exported)
    }

    /// Reads the files of a device: one, or several where it has more to report than one file may hold. Returns the
    /// number of its reports.
    fn read_device(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        (id, part): (InstanceId, &DevicePart),
        outbox: &mut Outbox,
    ) -> Result<i64, Error> {
        let (mut after, mut reports, mut file) = (0, 0, 0);
        loop {
            let (kept, is_full) = self.export_reports(tenant_id, id, after)?;
            file += 1;
            let mut document = part.document(file == 1);
            kept.iter().for_each(|report| report.write(&part.udi, &mut document));
            outbox.put(device_file_name(id, now, file), document.finish());
            reports += i64::try_from(kept.len()).unwrap_or(0);
            match kept.last() {
                Some(last) if is_full && outbox.sender.is_some() => after = last.report_id,
                _ => return Ok(reports),
            }
        }
    }

    /// The next reports of a device, and whether they fill a file.
    fn export_reports(
        &self,
        tenant_id: TenantId,
        instance_id: InstanceId,
        after: i64,
    ) -> Result<(Vec<KeptReport>, bool), Error> {
        self.db.read("export.reports", move |tx| {
            let sql = format!(
                "SELECT {} FROM report WHERE tenant_id = $1 AND instance_id = $2
                AND state IN (0, 2) AND report_id > $3 ORDER BY report_id",
                KeptReport::COLUMNS
            );
            let (mut bytes, mut kept) = (0, Vec::new());
            tx.each(&sql, &[tenant_id.into(), instance_id.into(), after.into()], |row| {
                let report = KeptReport::from_row(row)?;
                bytes += report.written_bytes_max();
                kept.push(report);
                Ok::<_, Error>(bytes < FILE_BYTES_MAX)
            })?;
            Ok((kept, bytes >= FILE_BYTES_MAX))
        })
    }

    /// The next devices with something to export.
    fn export_page(
        &self,
        tenant_id: TenantId,
        after: InstanceId,
    ) -> Result<Vec<(InstanceId, DevicePart)>, Error> {
        self.db.read("export.page", move |tx| {
            let sql = format!(
                "SELECT id, {} FROM instance WHERE tenant_id = $1 AND id > $2
                AND (waiting > 0 OR refused > 0 OR wants_answer = 1) ORDER BY id LIMIT $3",
                DevicePart::COLUMNS
            );
            let values = [tenant_id.into(), after.into(), PAGE.into()];
            let read = |row: &Row<'_>| Ok::<_, Error>((row.id(0)?, DevicePart::from_row(row, 1)?));
            let mut page = tx.rows(&sql, &values, read)?;
            if let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) {
                let mut words = older::untold(tx, tenant_id, (*first, *last), PAGE)?;
                for (id, part) in &mut page {
                    part.older = words.remove(id).map(|untold| untold.word);
                }
            }
            Ok(page)
        })
    }
}
