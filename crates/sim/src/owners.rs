//! What the owners of accounts do: policies, tokens, removals, and a second Smart Account.

use rumline_cssm::{
    InstanceId, InstanceView, NewToken, RegistrationToken, SmartAccountId, VirtualAccountId,
};
use rumline_protocol::{ClassPolicy, Policy, Timestamp};

use crate::collectors::Place;
use crate::plan::Fate;
use crate::world::{Event, Node, World, person};

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn say(error: rumline_cssm::Error) -> String {
    error.to_string()
}

impl World<'_> {
    pub(crate) fn accounts(&self) -> [SmartAccountId; 2] {
        [self.smart_account, self.other_smart_account.0]
    }

    /// The account and virtual account a switch is to be in.
    pub(crate) fn home_of(&self, node: usize) -> (SmartAccountId, VirtualAccountId) {
        let n = &self.nodes[node];
        match n.account {
            1 => self.other_smart_account,
            _ if n.place == Place::OnPremFile => (self.smart_account, self.other_virtual_account),
            _ => (self.smart_account, self.virtual_account),
        }
    }

    pub(crate) fn instances_of(
        &self,
        account: SmartAccountId,
        serial: &str,
    ) -> Result<Vec<InstanceView>, String> {
        // Of a thousand switches those of one are not looked for in a list of all.
        let serial = serial.to_owned();
        let ids = self.db.read("sim.instances", move |tx| {
            let sql = "SELECT id FROM product_instance WHERE serial = $1 AND smart_account_id = $2
                AND removed_at IS NULL ORDER BY id";
            tx.rows(sql, &[(&serial).into(), account.into()], |row| row.id::<InstanceId>(0))
        });
        let ids = ids.map_err(|error: rumline_store::StoreError| error.to_string())?;
        ids.into_iter().map(|id| self.cssm.instance(account, id).map_err(say)).collect()
    }

    /// The same of a switch, under whichever serial number.
    pub(crate) fn instances_of_node(
        &self,
        account: SmartAccountId,
        node: usize,
    ) -> Result<Vec<InstanceView>, String> {
        let mut views = Vec::new();
        for serial in self.nodes[node].serials() {
            views.extend(self.instances_of(account, &serial)?);
        }
        Ok(views)
    }

    /// A token for where a switch is to be.
    pub(crate) fn token_for(&self, node: usize, days: u32) -> Result<String, String> {
        let (account, va) = self.home_of(node);
        let new = NewToken { description: String::new(), expires_after_days: days, uses_max: None };
        let token = self.cssm.create_token(self.cssm_now(), &person(), account, va, &new);
        Ok(token.map_err(say)?.value)
    }

    /// Somebody keeps a token for longer than it lasts.
    pub(crate) fn keep_token(&mut self, node: usize) -> Result<(), String> {
        let token = self.token_for(node, 1)?;
        self.push(self.now.plus_days(2), node, Event::OldToken { token });
        Ok(())
    }

    /// It is refused, and nothing else changes.
    pub(crate) fn use_old_token(&mut self, node: usize, token: &str) -> Result<(), String> {
        if self.nodes[node].place != Place::Cssm {
            return Ok(());
        }
        self.meet("token expired");
        self.command(node, &format!("license smart trust idtoken {token} all force"))
    }

    /// A policy of any kind, for the account or for one of its virtual accounts, or the Cisco default again.
    pub(crate) fn set_policy(&mut self, kind: u64) -> Result<(), String> {
        const DAYS: [u32; 6] = [0, 0, 7, 30, 90, 365];
        let pick = |shift: u32| DAYS[usize::try_from((kind >> shift) % 6).unwrap_or(0)];
        let class = ClassPolicy {
            first_report_days: pick(0),
            ongoing_report_days: pick(8),
            on_change_report_days: pick(16),
        };
        // Whoever asks for no ACK does not hear of what a copy has told otherwise.
        let copies = [Fate::Clone, Fate::SwitchCopy, Fate::CollectorCopy, Fate::CssmCopy];
        let may_do_without = !copies.into_iter().any(|fate| self.plan.has(fate));
        let policy = Policy {
            policy_name: format!("Policy {}", kind % 1000),
            reporting_ack_required: !may_do_without || !(kind >> 24).is_multiple_of(4),
            unenforced: class,
            ..Policy::cisco_default()
        };
        let va = match (kind >> 26) % 3 {
            0 => None,
            1 => Some(self.virtual_account),
            _ => Some(self.other_virtual_account),
        };
        let lifetime = (kind >> 28).is_multiple_of(3).then(|| policy.lifetime_days_min().max(60));
        let set = (!(kind >> 32).is_multiple_of(5)).then_some((&policy, lifetime));
        let account = self.smart_account;
        self.cssm.set_policy(self.cssm_now(), &person(), account, va, set).map_err(say)?;
        self.meet("policy changed");
        if set.is_some() && class == ClassPolicy::NONE {
            self.meet("policy of zeros");
        }
        if set.is_some() && lifetime.is_some() {
            self.meet("policy with a lifetime");
        }
        Ok(())
    }

    /// The owner removes a product instance, which goes on reporting.
    pub(crate) fn remove(&mut self, node: usize) -> Result<(), String> {
        for account in self.accounts() {
            for view in self.instances_of_node(account, node)? {
                let now = self.cssm_now();
                self.cssm.remove_instance(now, &person(), account, view.id).map_err(say)?;
                self.nodes[node].crossed = true;
            }
        }
        Ok(())
    }

    /// A switch goes to the other Smart Account, where it speaks to CSSM, or comes back: its owner lets it go, and it asks for
    /// trust with a token of the other one.
    pub(crate) fn change_account(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].place != Place::Cssm {
            self.move_to(node, Place::Cssm)?;
        }
        self.remove(node)?;
        self.nodes[node].account = 1 - self.nodes[node].account;
        self.meet("other Smart Account");
        self.ask_for_trust(node)
    }

    /// Whoever administers the account says yes to what waits there of switches that belong there, and no to the rest.
    pub(crate) fn decide_claims(&mut self) -> Result<(), String> {
        self.decide_claims_at_collectors()?;
        for account in self.accounts() {
            for claim in self.cssm.claims(account).map_err(say)? {
                let node = self.nodes.iter().position(|node| {
                    node.clone_of.is_none() && node.serials().contains(&claim.serial)
                });
                let key = node.and_then(|node| self.nodes[node].switch.as_ref());
                let is_its_key =
                    key.is_some_and(|switch| switch.agent().public_key().key_id() == claim.key_id);
                let is_here = node
                    .is_some_and(|node| self.home_of(node) == (account, claim.virtual_account_id));
                let now = self.cssm_now();
                let decided = if is_its_key && is_here {
                    // What another account has of it is let go there.
                    self.cssm.accept_claim(now, &person(), account, claim.id)
                } else {
                    self.cssm.dismiss_claim(now, &person(), account, claim.id)
                };
                match decided {
                    // One decision may settle another.
                    Ok(())
                    | Err(rumline_cssm::Error::Conflict(_) | rumline_cssm::Error::NotFound(_)) => {}
                    Err(error) => return Err(format!("CSSM decides nothing: {error}")),
                }
            }
        }
        Ok(())
    }

    /// Whoever is in another virtual account than it reports to is moved there by its owner.
    pub(crate) fn transfer(&mut self, node: usize) -> Result<(), String> {
        let (home, va) = self.home_of(node);
        for account in self.accounts().into_iter().filter(|account| *account != home) {
            for view in self.instances_of_node(account, node)? {
                let now = self.cssm_now();
                self.cssm.remove_instance(now, &person(), account, view.id).map_err(say)?;
            }
        }
        for view in self.instances_of_node(home, node)? {
            if view.virtual_account_id != va {
                let now = self.cssm_now();
                self.cssm.transfer_instance(now, &person(), home, view.id, va).map_err(say)?;
            }
        }
        Ok(())
    }

    /// The same at collectors, for keys they do not know.
    /// Whether a switch waits for its owner to say that it is the one, where it reports to.
    pub(crate) fn has_claim(&self, node: usize) -> Result<bool, String> {
        let serials = self.nodes[node].serials();
        let Node { place, switch, .. } = &self.nodes[node];
        let (Some((index, tenant_id)), Some(switch)) = (place.tenant(), switch) else {
            return Ok(false);
        };
        let key_id = switch.agent().public_key().key_id();
        let claims =
            self.collectors[index].collector.claims(tenant_id).map_err(|e| e.to_string())?;
        Ok(claims.iter().any(|claim| serials.contains(&claim.serial) && claim.key_id == key_id))
    }

    fn decide_claims_at_collectors(&mut self) -> Result<(), String> {
        let real = (0..self.nodes.len()).filter(|node| self.nodes[*node].clone_of.is_none());
        for node in real.collect::<Vec<_>>() {
            let Some((index, tenant_id)) = self.nodes[node].place.tenant() else { continue };
            let Some(switch) = self.nodes[node].switch.as_ref() else { continue };
            let key_id = switch.agent().public_key().key_id();
            let serials = self.nodes[node].serials();
            let here = self.collector_now(index);
            let collector = self.collectors[index].collector.clone();
            let claims = collector.claims(tenant_id).map_err(|error| error.to_string())?;
            for claim in
                claims.into_iter().filter(|c| serials.contains(&c.serial) && c.key_id == key_id)
            {
                collector
                    .accept_claim(here, &person(), tenant_id, claim.id)
                    .map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Nobody else has a switch: each is where it was told to be.
    pub(crate) fn check_owners(&self) -> Result<(), String> {
        for (number, node) in self.nodes.iter().enumerate().filter(|(_, n)| n.clone_of.is_none()) {
            let home = self.home_of(number);
            for account in self.accounts() {
                for view in self.instances_of_node(account, number)? {
                    if (account, view.virtual_account_id) != home {
                        return Err(format!(
                            "switch {number} at {:?} is to be in {home:?} and is in {account:?}, {:?}",
                            node.place, view.virtual_account_id
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// A token that somebody showed after its end was of no use.
    pub(crate) fn check_tokens(&self) -> Result<(), String> {
        let own = [self.virtual_account, self.other_virtual_account];
        let own = own.map(|va| (self.smart_account, va));
        for (account, va) in own.into_iter().chain([self.other_smart_account]) {
            let tokens = self.cssm.tokens(account, va).map_err(say)?;
            // Those that are kept too long last a day, all others a year.
            let was_kept =
                |token: &&RegistrationToken| token.expires_at - token.created_at == Timestamp::DAY;
            if let Some(token) = tokens.iter().filter(was_kept).find(|token| token.uses > 0) {
                return Err(format!("CSSM takes a token that has expired: {token:?}"));
            }
        }
        Ok(())
    }

    /// Nothing is in use once all features are off.
    pub(crate) fn check_in_use(&self) -> Result<(), String> {
        for (number, node) in self.nodes.iter().enumerate().filter(|(_, node)| !node.end_is_lost) {
            for account in self.accounts() {
                for view in self.instances_of_node(account, number)? {
                    if let Some(license) = view.licenses.iter().find(|license| license.count != 0) {
                        let serial = &node.hardware.serial;
                        return Err(format!("{serial}: in use in the end: {license:?}"));
                    }
                }
            }
        }
        let all_end = self.nodes.iter().all(|node| !node.end_is_lost);
        for account in self.accounts().into_iter().filter(|_| all_end) {
            let views = self.cssm.licenses(self.now, account).map_err(say)?;
            if let Some(view) = views.iter().find(|view| view.balance != view.purchased) {
                return Err(format!("in use in the end: {view:?}"));
            }
        }
        Ok(())
    }
}
