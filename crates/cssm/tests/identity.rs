//! Whose database it is (T11).

use std::sync::{Arc, Mutex};

use rumline_cssm::{Cssm, Error};
use rumline_protocol::SimulatedSuite;
use rumline_store::Db;
use rumline_testkit::*;

#[test]
fn a_database_beside_the_keys_of_another_cssm_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cssm.db");
    let open = |seed: u64| {
        let mut random = Chance::of(seed);
        let (_, issuer) = SimulatedSuite::authority(&mut random);
        let db = Arc::new(Db::open_sqlite(&path).unwrap());
        let random = Arc::new(Mutex::new(random));
        Cssm::open(db, Arc::new(SimulatedSuite), issuer, random, at_once())
    };
    let first = open(1).unwrap().id().to_owned();
    assert_eq!(open(1).unwrap().id(), first, "its own keys open it again");
    let Err(Error::Conflict(text)) = open(2).map(|_| ()) else { panic!("another one opens it") };
    assert!(text.contains(&first) && text.contains("put the keys back"), "{text}");
    assert_eq!(open(1).unwrap().id(), first, "nothing was changed");
}
