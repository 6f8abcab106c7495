//! The keys of product instances that spoke lately, so that what they say next is checked without asking the database. What is at hand
//! may be of yesterday: whoever writes looks whether it still is so, and what does not fit it is looked up anew. Losing it costs time only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rumline_protocol::{PublicKey, Udi};
use rumline_store::Tx;

use crate::Error;
use crate::ids::InstanceId;
use crate::instances::{self, Instance};

/// So many are kept; then it begins anew.
const KEPT_MAX: usize = 20_000;

/// Whose key it is.
#[derive(Debug)]
pub(crate) struct KnownKey {
    pub id: InstanceId,
    pub udi: Udi,
    pub public_key: PublicKey,
}

impl KnownKey {
    /// The product instance as it is now, if it is there still and has this key.
    pub(crate) fn instance(&self, tx: &mut Tx<'_>) -> Result<Option<Instance>, Error> {
        let is_it = |found: &Instance| !found.removed && found.public_key == self.public_key;
        if let Some(found) = instances::by_id(tx, self.id)?.filter(is_it) {
            return Ok(Some(found));
        }
        Ok(instances::find(tx, &self.udi)?.filter(is_it))
    }
}

#[derive(Default)]
pub(crate) struct KeysAtHand(Mutex<BTreeMap<Udi, Arc<KnownKey>>>);

impl KeysAtHand {
    pub(crate) fn get(&self, udi: &Udi) -> Option<Arc<KnownKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(udi).map(Arc::clone)
    }

    pub(crate) fn forget(&self, udi: &Udi) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(udi);
    }

    pub(crate) fn put(&self, instance: Instance) -> Arc<KnownKey> {
        let Instance { id, udi, public_key, .. } = instance;
        let known = Arc::new(KnownKey { id, udi: udi.clone(), public_key });
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(udi, Arc::clone(&known));
        known
    }
}
