//! Several processes over one database (G-42): each kind of work is done by one of them, and files that one has taken in are there for all.

use std::io::Read as _;
use std::time::Duration;

use rumline_server::{BEAT, LEASE};
use rumline_testkit::*;

const KINDS: &[&str] = &["jobs", "tidy"];

#[test]
fn work_is_done_by_one_process_at_a_time_and_by_another_once_it_is_gone() {
    on_every_engine(&at_once(), |lab| {
        let (one, other) = (lab.cssm.works(KINDS), lab.cssm.works(KINDS));
        // Their clocks have nothing to do with each other.
        let (mut at, ahead) = (Duration::from_secs(5), Duration::from_secs(86_400));
        if !lab.cssm.db().is_shared() {
            assert!(one.is_mine(at, "jobs"), "there is no other process");
            return;
        }
        assert!(!one.is_mine(at, "jobs"), "nothing is known yet");
        for _ in 0..20 {
            one.renew(|| at).unwrap();
            other.renew(|| at + ahead).unwrap();
            assert!(one.is_mine(at, "jobs") && one.is_mine(at, "tidy"));
            assert!(!other.is_mine(at + ahead, "jobs"));
            at += BEAT;
        }
        // The one stops. When the other begins it has long known that it does nothing more.
        let last = at - BEAT;
        while !other.is_mine(at + ahead, "jobs") {
            other.renew(|| at + ahead).unwrap();
            at += BEAT;
            assert!(at < last + LEASE + 3 * BEAT, "nobody waits for ever");
        }
        assert!(at >= last + LEASE && !one.is_mine(last + LEASE / 2, "jobs"));
        // It comes back, and leaves it where it is; until it is given back.
        one.renew(|| at).unwrap();
        assert!(!one.is_mine(at, "jobs") && other.is_mine(at + ahead, "jobs"));
        other.give_back().unwrap();
        other.renew(|| at + ahead).unwrap();
        assert!(!other.is_mine(at + ahead, "jobs"), "it ends");
        one.renew(|| at).unwrap();
        assert!(one.is_mine(at, "jobs"));
    });
}

#[test]
fn what_is_done_once_a_day_is_done_once_a_day_whoever_does_it() {
    on_every_engine(&at_once(), |lab| {
        const DAY: i64 = 86_400;
        let (one, other) = (lab.cssm.works(KINDS), lab.cssm.works(KINDS));
        assert!(one.is_due(lab.now, "tidy", DAY).unwrap());
        one.done(lab.now, "tidy").unwrap();
        let is_due = |after| other.is_due(lab.now + after, "tidy", DAY).unwrap();
        assert!(!is_due(0) && !is_due(DAY - 1) && is_due(DAY));
        assert!(is_due(-1), "a clock that was ahead holds nothing up");
        assert!(other.is_due(lab.now, "jobs", DAY).unwrap(), "another kind");
    });
}

#[test]
fn a_file_that_one_process_keeps_is_there_for_all_once_it_is_whole() {
    on_every_engine(&at_once(), |lab| {
        let (Some(one), Some(other)) = (lab.cssm.kept_files(), lab.cssm.kept_files()) else {
            assert!(!lab.cssm.db().is_shared());
            return;
        };
        let read = |name: &str| {
            let mut bytes = Vec::new();
            other.reader(name).map(|mut file| file.read_to_end(&mut bytes).map(|_| bytes)).ok()
        };
        for bytes in [0, 1, 512 << 10, (512 << 10) + 1, 3 << 20] {
            let file: Vec<u8> =
                (0..bytes).map(|at: usize| u8::try_from(at % 251).unwrap()).collect();
            assert!(read("a").is_none());
            one.keep(lab.now, "a", &mut &file[..]).unwrap();
            assert_eq!(read("a").unwrap().unwrap(), file);
            let mut half = one.reader("a").unwrap();
            other.keep(lab.now, "a", &mut &b"another one"[..]).unwrap();
            assert_eq!(read("a").unwrap().unwrap(), file, "what is there stays");
            // What is removed while somebody reads it does not end: it breaks off.
            let has_begun = half.read(&mut [0; 7]).unwrap() == 7;
            other.remove("a").unwrap();
            let rest = half.read_to_end(&mut Vec::new());
            assert_eq!(rest.is_err(), has_begun && bytes > 512 << 10);
        }
        // Somebody whose clock is two days ahead takes pieces for old that are none: half a file is kept by nobody.
        struct Meanwhile<'a>(usize, &'a dyn Fn());
        impl std::io::Read for Meanwhile<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                if self.0 == 0 {
                    (self.1)();
                    return Ok(0);
                }
                let count = buffer.len().min(self.0);
                self.0 -= count;
                Ok(count)
            }
        }
        let ahead = || other.keep(lab.now + 2 * 86_400, "b", &mut &b"b"[..]).unwrap();
        assert!(one.keep(lab.now, "half", &mut Meanwhile(1 << 20, &ahead)).is_err());
        assert!(read("half").is_none());
        other.remove("b").unwrap();
        // What breaks off is no file.
        struct Breaks(usize);
        impl std::io::Read for Breaks {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0 = self.0.checked_sub(buffer.len()).ok_or(std::io::ErrorKind::BrokenPipe)?;
                Ok(buffer.len())
            }
        }
        assert!(one.keep(lab.now, "export-1", &mut Breaks(1 << 20)).is_err());
        assert!(read("export-1").is_none() && other.names("").unwrap().is_empty());
        one.keep(lab.now + 10, "export-2", &mut &b"2"[..]).unwrap();
        one.keep(lab.now + 10, "usage-1", &mut &b"3"[..]).unwrap();
        assert_eq!(other.names("export-").unwrap(), ["export-2"]);
        assert!(other.older_than(lab.now + 60, 50).unwrap().is_empty());
        assert_eq!(other.older_than(lab.now + 61, 50).unwrap(), ["export-2", "usage-1"]);
    });
}

/// What one process knows of a product instance may be of before another one took it in anew.
#[test]
fn a_key_that_is_at_hand_is_not_believed_when_it_holds_no_more() {
    on_every_engine(&at_once(), |lab| {
        let mut other = lab.other_process();
        let mut told = |lab: &mut Lab, by_other: bool, device: &Device, id| {
            let usage = device.usage(&[&device.report(id, lab.now, &[(60, 1)])]);
            if by_other {
                std::mem::swap(&mut lab.cssm, &mut other);
            }
            let response = lab.response(&usage);
            if by_other {
                std::mem::swap(&mut lab.cssm, &mut other);
            }
            format!("{:?} {}", response.status, response.status_message)
        };
        let first = Device::new(&lab.cssm, "SN1");
        lab.register(&first);
        // Both have its key at hand.
        for (by_other, id) in [(false, 1), (true, 2), (false, 3), (true, 4)] {
            assert!(told(lab, by_other, &first, id).starts_with("Ok"));
        }
        // The one takes it in anew, with another key: the other takes what it says, and nothing that the first one signs.
        let second = Device::new(&lab.cssm, "SN1");
        assert_ne!(second.signer.public_key(), first.signer.public_key());
        lab.response(&second.trust(lab.now, &lab.token(), true));
        for (by_other, id) in [(true, 1), (false, 2), (true, 3)] {
            let refused = told(lab, by_other, &first, id + 10);
            assert!(refused.contains("does not verify"), "{refused}");
            let taken = told(lab, by_other, &second, id);
            assert!(taken.starts_with("Ok"), "{taken}");
        }
        // It goes, and comes back with the key it had.
        lab.let_go("SN1");
        assert!(told(lab, true, &second, 4).starts_with("Failed"));
        lab.register(&second);
        assert!(told(lab, true, &second, 5).starts_with("Ok"));
    });
}
