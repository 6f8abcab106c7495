//! Registrations of before Smart Licensing Using Policy at an SSM On-Prem, message by message, on every engine (ONPREM-018).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::io::Cursor;
use std::sync::{Arc, Mutex, mpsc};

use rumline_collector::{
    Answer, Batch, Collector, Error, Kind, NewIdToken, OtherWay, Settings, TenantId,
};
use rumline_protocol::{
    CallHomeRequest, EntitlementTag, OlderAnswer, OlderCall, OlderResult, Request, Signed,
    SimulatedSuite, Suite as _,
};
use rumline_store::Db;
use rumline_testkit::*;

const TENANT: TenantId = TenantId(1);

/// An SSM On-Prem over a database, beside a CSSM.
struct Ground {
    lab: Lab,
    collector: Collector,
    token: String,
}

impl Ground {
    fn new(db: Db) -> Self {
        let lab = Lab::in_memory(&at_once());
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap().into();
        let random = Arc::new(Mutex::new(chance()));
        let settings = Settings {
            kind: Kind::OnPrem,
            name: "lab".to_owned(),
            version: Settings::ON_PREM_VERSION.to_owned(),
            root_certificate: lab.root.clone(),
        };
        let suite = Arc::new(SimulatedSuite);
        let collector = Collector::open(Arc::new(db), suite, signer, random, settings).unwrap();
        let made = collector.create_tenant(lab.now, &admin(), "ONE", &account("Default", true));
        let tenant = made.unwrap();
        assert_eq!(tenant.id, TENANT);
        let new = registration(&collector, &tenant);
        lab.cssm.register_collector(lab.now, &admin(), lab.sa, lab.va, &new).unwrap();
        collector.note_registered(lab.now, &admin(), TENANT).unwrap();
        let new =
            NewIdToken { description: String::new(), expires_after_days: 365, uses_max: None };
        let token = collector.create_id_token(lab.now, &admin(), TENANT, &new).unwrap().value;
        Self { lab, collector, token }
    }

    fn said(&self, message: &Request) -> Result<OlderResult, String> {
        let envelope = CallHomeRequest {
            message_id: message.request_id.clone(),
            created_at: self.lab.now,
            subtype: message.body.class().to_owned(),
            sudi: message.sudi.clone(),
            hostname: None,
            contact_email: None,
            message: serde_json::to_vec(message).unwrap(),
        };
        let (sender, receiver) = mpsc::channel();
        let way = (OtherWay::OnPrem, "10.0.0.1");
        let url_of = |name: &str| format!("https://onprem/cslu/v1/pi/{name}");
        let body = envelope.write();
        self.collector.receive_other(self.lab.now, way, url_of, body.as_bytes(), move |answer| {
            sender.send(answer).unwrap();
        });
        let Answer::Message { response, .. } = receiver.recv().unwrap() else { panic!() };
        let Some(said) = response.smart_licensing else { return Err(response.status_message) };
        let signed: Signed<OlderAnswer> =
            Signed::parse("older", said.data, &said.signature).unwrap();
        assert!(signed.verify(&SimulatedSuite, self.collector.signer().public_key()));
        Ok(signed.value.result)
    }

    fn register(&self, device: &Device) {
        let asks = device.older_registration(self.lab.now, &self.token, false);
        assert!(matches!(self.said(&asks), Ok(OlderResult::Registered { .. })));
    }

    /// What a switch uses now; says of what there is not enough.
    fn uses(&self, device: &Device, count: u32) -> Vec<EntitlementTag> {
        let asks = device.older(self.lab.now, OlderCall::Authorize, &[(lan_tag(), count)]);
        match self.said(&asks) {
            Ok(OlderResult::Authorized { out_of_compliance, .. }) => out_of_compliance,
            other => panic!("{other:?}"),
        }
    }

    fn farewell(&self, device: &Device) {
        let asks = device.older(self.lab.now, OlderCall::Deregister, &[]);
        assert_eq!(self.said(&asks), Ok(OlderResult::Deregistered));
    }

    fn batch(&self) -> Option<Batch> {
        self.collector.next_batch(self.lab.now, TENANT).unwrap()
    }

    /// Brings a batch to CSSM, and its answer back.
    fn brought(&self, batch: &Batch) {
        let answer = self.lab.cssm.receive_bundle(self.lab.now, &batch.bytes).unwrap();
        self.collector.take_answer(self.lab.now, TENANT, batch, &answer).unwrap();
    }

    fn exchange(&self) {
        let batch = self.batch().unwrap();
        self.brought(&batch);
        assert_eq!(self.batch(), None, "nothing is left");
    }

    /// What is in use here, and what CSSM says this device uses, if it has it.
    fn books(&self, serial: &str) -> (i64, Option<i64>) {
        let here = self.collector.licenses(TENANT).unwrap();
        let there = self.lab.instances().into_iter().find(|own| own.serial == serial);
        let there = there.map(|own| own.licenses.iter().map(|l| l.count).sum());
        (here.iter().map(|own| own.in_use).sum(), there)
    }

    fn state(&self) -> Vec<(String, Option<String>)> {
        let rows = self.collector.instances(TENANT, "", Default::default(), 10).unwrap();
        rows.into_iter().map(|own| (own.state, own.alert)).collect()
    }

    fn device(&self, serial: &str) -> Device {
        Device { version: "9.3(5)", ..Device::new(&self.lab.cssm, serial) }
    }
}

fn on_each(test: impl Fn(&mut Ground)) {
    let directory = tempfile::tempdir().unwrap();
    for db in empty_databases(directory.path()) {
        let mut ground = Ground::new(db);
        test(&mut ground);
        assert_eq!(ground.lab.cssm.verify_totals().unwrap(), []);
    }
}

#[test]
fn what_is_said_while_an_exchange_goes_on_is_in_the_next_one() {
    on_each(|ground| {
        let device = ground.device("SN1");
        ground.register(&device);
        assert_eq!(ground.batch(), None, "it has said nothing for CSSM yet");
        assert_eq!(ground.uses(&device, 1), []);
        let batch = ground.batch().unwrap();
        ground.lab.now = ground.lab.now + 5;
        ground.uses(&device, 2);
        ground.brought(&batch);
        assert_eq!(ground.books("SN1"), (2, Some(1)));
        ground.exchange();
        assert_eq!(ground.books("SN1"), (2, Some(2)));
        // An answer that got lost costs a repetition and nothing else.
        ground.lab.now = ground.lab.now + 5;
        ground.uses(&device, 3);
        let batch = ground.batch().unwrap();
        ground.lab.cssm.receive_bundle(ground.lab.now, &batch.bytes).unwrap();
        ground.exchange();
        assert_eq!(ground.books("SN1"), (3, Some(3)));
        // It goes and comes back while the word of its going is on its way.
        ground.lab.now = ground.lab.now + 5;
        ground.farewell(&device);
        let batch = ground.batch().unwrap();
        ground.lab.now = ground.lab.now + 5;
        ground.register(&device);
        ground.uses(&device, 4);
        ground.lab.now = ground.lab.now + 60;
        ground.brought(&batch);
        ground.exchange();
        assert_eq!(ground.books("SN1"), (4, Some(4)));
        assert_eq!(ground.state(), [("Registered by Smart Licensing".to_owned(), None)]);
        // Nothing was bought, and that is known by now.
        ground.lab.now = ground.lab.now + 5;
        assert_eq!(ground.uses(&device, 4), [lan_tag()]);
        // What was carried before comes once more, by file: it says nothing new.
        ground.brought(&batch);
        assert_eq!(ground.books("SN1"), (4, Some(4)));
    });
}

#[test]
fn files_carry_the_same_in_any_order() {
    on_each(|ground| {
        let (one, two) = (ground.device("SN1"), ground.device("SN2"));
        let export = |ground: &Ground| {
            let (scratch, mut out) = (Cursor::new(Vec::new()), Vec::new());
            let (now, collector) = (ground.lab.now, &ground.collector);
            collector.export(now, &admin(), TENANT, None, scratch, &mut out).unwrap();
            out
        };
        let carry = |ground: &Ground, bundle: &[u8], name: &str| {
            let lab = &ground.lab;
            let by = admin();
            let file = lab.cssm.upload_usage(lab.now, &by, lab.sa, lab.va, name, bundle).unwrap();
            assert_eq!(file.status, "No Errors", "{file:?}");
            let mut answer = Vec::new();
            let scratch = Cursor::new(Vec::new());
            lab.cssm.write_answer(lab.now, lab.sa, file.id, scratch, &mut answer).unwrap();
            let (collector, name) = (&ground.collector, format!("ACK_{name}"));
            let mut reader = Cursor::new(&answer);
            let begun = collector.begin_import(lab.now, &by, TENANT, &name, &mut reader).unwrap();
            let mut again = answer.as_slice();
            let done = collector
                .work_on_import(lab.now, TENANT, begun.id, &mut again, &mut |_| {})
                .unwrap();
            assert_eq!((done.status.as_str(), done.problems.as_str()), ("Done", ""));
        };
        for device in [&one, &two] {
            ground.register(device);
            ground.uses(device, 1);
        }
        let first = export(ground);
        ground.lab.now = ground.lab.now + 60;
        ground.uses(&one, 5);
        ground.farewell(&two);
        let second = export(ground);
        // The later one first: what the other says is of before.
        carry(ground, &second, "second.tar.gz");
        assert_eq!((ground.books("SN1"), ground.books("SN2").1), ((5, Some(5)), None));
        carry(ground, &first, "first.tar.gz");
        assert_eq!((ground.books("SN1"), ground.books("SN2").1), ((5, Some(5)), None));
        // All of it was told.
        assert_eq!(ground.batch(), None);
    });
}

#[test]
fn an_owner_who_removes_it_at_cssm_ends_it_and_one_whose_account_does_not_take_it_is_told() {
    on_each(|ground| {
        let device = ground.device("SN1");
        ground.register(&device);
        ground.uses(&device, 1);
        let batch = ground.batch().unwrap();
        ground.brought(&batch);
        ground.lab.now = ground.lab.now + 60;
        ground.uses(&device, 1);
        let batch = ground.batch().unwrap();
        ground.lab.now = ground.lab.now + 60;
        ground.lab.let_go("SN1");
        ground.brought(&batch);
        assert_eq!(ground.books("SN1"), (0, None));
        let asks = device.older(ground.lab.now, OlderCall::Authorize, &[(lan_tag(), 1)]);
        assert_eq!(ground.said(&asks), Ok(OlderResult::Unknown));
        assert_eq!(ground.state()[0].0, "No report yet");
        // One that is of another Smart Account.
        let other = ground.lab.other_account("Other");
        let token = ground.lab.token_of(other);
        let device = ground.device("SN2");
        ground.lab.response(&device.trust(ground.lab.now, &token, false));
        ground.register(&device);
        ground.uses(&device, 2);
        ground.exchange();
        let (state, alert) = ground.state().pop().unwrap();
        assert_eq!(state, "Registered by Smart Licensing");
        assert!(alert.unwrap().starts_with("CSSM did not take what it said of its licenses"));
        assert_eq!(ground.books("SN2"), (2, None));
        // Its owner lets it go there: with what it says next all is well.
        ground.lab.now = ground.lab.now + 60;
        let all =
            ground.lab.cssm.instances(other.0, &rumline_server::Only::All, Default::default(), 9);
        let id = all.unwrap()[0].id;
        ground.lab.cssm.remove_instance(ground.lab.now, &admin(), other.0, id).unwrap();
        ground.lab.now = ground.lab.now + 60;
        ground.uses(&device, 2);
        ground.exchange();
        assert_eq!((ground.books("SN2"), ground.state().pop().unwrap().1), ((2, Some(2)), None));
    });
}

#[test]
fn a_registration_that_is_not_renewed_ends_here_and_at_cssm() {
    on_each(|ground| {
        let device = ground.device("SN1");
        ground.register(&device);
        ground.uses(&device, 1);
        ground.exchange();
        // Renewed after half a year, which CSSM hears of.
        ground.lab.now = ground.lab.now.plus_days(180);
        let asks = device.older(ground.lab.now, OlderCall::Renew, &[]);
        assert!(matches!(ground.said(&asks), Ok(OlderResult::Registered { .. })));
        ground.uses(&device, 1);
        ground.exchange();
        ground.lab.now = ground.lab.now.plus_days(364);
        let tidy = |ground: &Ground| {
            ground.collector.tidy(ground.lab.now).unwrap();
            ground.lab.cssm.tidy(ground.lab.now).unwrap();
        };
        tidy(ground);
        assert_eq!(ground.books("SN1"), (1, Some(1)));
        ground.lab.now = ground.lab.now.plus_days(2);
        tidy(ground);
        assert_eq!(ground.books("SN1"), (0, Some(0)));
        let asks = device.older(ground.lab.now, OlderCall::Authorize, &[(lan_tag(), 1)]);
        assert_eq!(ground.said(&asks), Ok(OlderResult::Unknown));
        assert_eq!(ground.lab.instance("SN1").smart_licensing, None);
    });
}

#[test]
fn another_account_of_a_tenant_hears_of_all_and_a_tenant_with_something_untold_stays() {
    on_each(|ground| {
        let device = ground.device("SN1");
        ground.register(&device);
        ground.uses(&device, 1);
        let refused = ground.collector.remove_tenant(ground.lab.now, &admin(), TENANT);
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("what 1 switches of this tenant said of their licenses"), "{told}");
        ground.exchange();
        // A device that moves within the server belongs to one tenant at any instant.
        let collector = &ground.collector;
        let two = collector.create_tenant(ground.lab.now, &admin(), "TWO", &account("Lab", true));
        let two = two.unwrap().id;
        let new =
            NewIdToken { description: String::new(), expires_after_days: 365, uses_max: None };
        let token = collector.create_id_token(ground.lab.now, &admin(), two, &new).unwrap().value;
        ground.lab.now = ground.lab.now + 60;
        let asks = device.older_registration(ground.lab.now, &token, false);
        assert!(matches!(ground.said(&asks), Ok(OlderResult::Registered { .. })));
        ground.uses(&device, 1);
        assert_eq!(ground.state()[0].0, "Reports to another tenant");
        let in_use = |tenant| ground.collector.licenses(tenant).unwrap().len();
        assert_eq!((in_use(TENANT), in_use(two)), (0, 1));
        // Another pair of accounts: it is told, and what the one before said holds no more.
        let settings = account("Default", true);
        ground.collector.set_tenant(ground.lab.now, &admin(), two, &settings).unwrap();
        let tenant = ground.collector.tenant(two).unwrap();
        assert!(!tenant.registered);
        ground.collector.note_registered(ground.lab.now, &admin(), two).unwrap();
        assert!(ground.collector.next_batch(ground.lab.now, two).unwrap().is_some());
        ground.collector.remove_tenant(ground.lab.now, &admin(), TENANT).unwrap();
        assert!(matches!(ground.collector.tenant(TENANT), Err(Error::NotFound(_))));
    });
}

#[test]
fn a_collector_can_make_nothing_up_for_a_switch() {
    // What is carried is signed by the switch for CSSM: an altered count is refused, with all that comes in the file.
    on_each(|ground| {
        let device = ground.device("SN1");
        ground.register(&device);
        ground.uses(&device, 1);
        let batch = ground.batch().unwrap();
        let (one, nine) = ("\\\"count\\\":1", "\\\"count\\\":9");
        let bytes = rewritten(&batch.bytes, ground.collector.signer(), |_, text| {
            assert!(text.contains(one), "{text}");
            Some(text.replace(one, nine))
        });
        ground.lab.cssm.receive_bundle(ground.lab.now, &bytes).unwrap();
        assert_eq!(ground.books("SN1"), (1, None));
        let events = ground.lab.cssm.events(ground.lab.sa, 5).unwrap();
        assert!(
            events.iter().any(|event| event.text.contains("is not signed by it")),
            "{events:?}"
        );
    });
}
