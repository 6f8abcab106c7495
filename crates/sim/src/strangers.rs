//! Attacks: what is altered or repeated on the way, and devices, persons and collectors that are not who they say.

use rumline_agent::Input;
use rumline_protocol::{
    HaMember, Lineage, Measurement, Request, RequestBody, Role, RumReport, SimulatedSuite, Suite,
    Timestamp, Udi, UsageItem, sign_report,
};

use crate::chance::Chance;
use crate::world::{Event, World, person};

impl World<'_> {
    /// Something hostile happens to a switch.
    pub(crate) fn attack(&mut self, node: usize, kind: u64) -> Result<(), String> {
        match kind % 5 {
            0 => self.alter(node, kind),
            1 => self.answer_with_another(node),
            2 => self.speak_as(node, kind),
            3 => self.upload_elsewhere(node),
            _ => self.carry_elsewhere(node),
        }
    }

    /// The last message of a switch once more, with one bit changed.
    fn alter(&mut self, node: usize, kind: u64) -> Result<(), String> {
        // One that is on its way, so that the altered one is there first.
        self.command(node, "license smart sync all")?;
        let Some((url, mut body)) = self.nodes[node].last_body.clone() else { return Ok(()) };
        let bit = usize::try_from(kind >> 3).unwrap_or(0) % (body.len() * 8).max(1);
        if let Some(byte) = body.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        self.meet("altered on the way");
        self.hear(node, &url, &body)
    }

    /// Somebody sends what nobody will listen to: whatever it is answered, nobody hears that.
    fn hear(&mut self, node: usize, url: &str, body: &[u8]) -> Result<(), String> {
        match self.ask_collector(url, body) {
            // A collector may well refuse it.
            Some(_) => {}
            None => drop(self.ask_cssm(node, "attack", body)),
        }
        self.check_all_not_more()
    }

    /// A switch that waits for an answer gets an old one.
    fn answer_with_another(&mut self, node: usize) -> Result<(), String> {
        // One that is asked for now.
        self.command(node, "license smart sync all")?;
        let Some(body) = self.nodes[node].last_answer.clone() else { return Ok(()) };
        for index in 0..self.nodes.len() {
            let waits = self.queue.values().find_map(|(of, event)| match event {
                Event::Lost { request_id, .. } if *of == index => Some(request_id.clone()),
                _ => None,
            });
            if let Some(request_id) = waits {
                self.meet("stale answer");
                let before = self.successes(index);
                self.input(index, Input::Answer { request_id, body: body.clone() })?;
                if self.successes(index) > before {
                    return Err(format!("switch {index} takes an answer to something else"));
                }
            }
        }
        Ok(())
    }

    /// Exchanges that brought a switch what it asked for; none while it is off.
    fn successes(&self, node: usize) -> Option<u64> {
        let agent = self.nodes[node].switch.as_ref()?.agent();
        Some(agent.statistics().values().map(|class| class.success).sum())
    }

    /// A device with a key of its own says that it is the switch, and that it used a lot.
    fn speak_as(&mut self, node: usize, kind: u64) -> Result<(), String> {
        let mut chance = Chance::new(self.plan.seed ^ kind, 9_000_000);
        let signer = SimulatedSuite.generate_device_key(&mut chance).map_err(|e| e.to_string())?;
        let hardware = &self.nodes[node].hardware;
        let udi = Udi::new(&hardware.pid, &hardware.serial).map_err(|error| error.to_string())?;
        let Some(tag) = self.tag_in_use(node) else { return Ok(()) };
        let (from, to) = (self.now - 3 * Timestamp::DAY, self.now - 60);
        let report = RumReport {
            software_tag: String::new(),
            udi: udi.clone(),
            product_instance_identifier: "another".to_owned(),
            asset_signature: None,
            entitlement_tag: tag,
            report_id: 1 + kind % 1_000_000,
            software_version: "10.4(3)".to_owned(),
            previous: None,
            lineage: Some(Lineage {
                audience: self.cssm.id().to_owned(),
                position: 1,
                ..Lineage::default()
            }),
            ha_udi: vec![HaMember { role: Role::Active, sudi: udi.clone() }],
            measurements: vec![Measurement {
                log_time: to,
                start_time: from,
                end_time: to,
                count: 900,
                termination_reason: None,
                clock_change_delta: None,
                resolution_seconds: None,
            }],
        };
        let signed = sign_report(report, signer.as_ref());
        let usage = vec![UsageItem { payload: signed.payload, signature: signed.signature }];
        let request = Request {
            message_version: rumline_protocol::MESSAGE_VERSION.to_owned(),
            request_id: format!("{kind:032x}"),
            timestamp: self.now.millis(),
            nonce: format!("{kind:016x}"),
            sudi: udi,
            hostname: None,
            software_version: None,
            customer_tags: Default::default(),
            software_tag_identifier: String::new(),
            agent_version: String::new(),
            public_key: Some(signer.public_key().clone()),
            proof: None,
            body: RequestBody::UsageReport {
                usage,
                trust_requests: Vec::new(),
                smart_license: None,
                sync: false,
            },
        };
        let body = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
        self.meet("stranger with a known UDI");
        // Where it is unknown it would be a device like any other: only known ones are attacked.
        let is_known = self.is_known(node)?;
        let url = self.nodes[node].last_body.as_ref().map(|(url, _)| url.clone());
        match url {
            Some(url) if is_known => self.hear(node, &url, &body),
            _ => Ok(()),
        }
    }

    fn is_known(&self, node: usize) -> Result<bool, String> {
        let serial = &self.nodes[node].hardware.serial;
        for account in self.accounts() {
            if !self.instances_of(account, serial)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn tag_in_use(&self, node: usize) -> Option<rumline_protocol::EntitlementTag> {
        let switch = self.nodes[node].switch.as_ref()?;
        switch.agent().licenses_in_use().first().map(|license| license.tag.clone())
    }

    /// Somebody of the other Smart Account uploads a usage file that is not theirs.
    fn upload_elsewhere(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].account == 1 || !self.is_known(node)? {
            return Ok(());
        }
        let text =
            self.command_output(node, "license smart save usage all bootflash:stolen.txt")?;
        if text.contains("Failure") || self.nodes[node].switch.is_none() {
            return Ok(());
        }
        let file = self.command_output(node, "show file bootflash:stolen.txt")?;
        let (account, va) = self.other_smart_account;
        let now = self.cssm_now();
        self.meet("hostile upload");
        let taken =
            self.cssm.upload_usage(now, &person(), account, va, "stolen.txt", file.as_bytes());
        if let Ok(taken) = taken
            && taken.reports_new > 0
        {
            return Err(format!("CSSM takes a file of another Smart Account: {taken:?}"));
        }
        self.check_all_not_more()
    }

    /// A bundle that was sent before reaches CSSM once more, as it was and altered.
    fn carry_elsewhere(&mut self, node: usize) -> Result<(), String> {
        let Some(mut bytes) = self.last_bundle.clone() else { return Ok(()) };
        self.meet("hostile upload");
        let now = self.cssm_now();
        let _its_own_answer = self.cssm.receive_bundle(now, &bytes);
        self.check_all_not_more()?;
        let middle = bytes.len() / 2 + node;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x20;
        }
        if self.cssm.receive_bundle(now, &bytes).is_ok() {
            return Err("CSSM takes an altered bundle".to_owned());
        }
        self.check_all_not_more()
    }
}
