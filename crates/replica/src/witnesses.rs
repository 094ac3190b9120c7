//! Who testifies that an instance lives, and when each last did: known to its owner alone, because renewals are not spread.

use crate::{Replica, catalog};
use alloc::vec::Vec;
use whither_model::{InstanceId, Outcome, ServiceName, Testimony};

impl Replica {
    pub(crate) fn witnesses(&self, instances: &[(ServiceName, InstanceId)]) -> Outcome {
        Outcome::Witnessed(instances.iter().map(|(service, id)| self.witnesses_of(service, id)).collect())
    }

    fn witnesses_of(&self, service: &ServiceName, id: &InstanceId) -> Vec<Testimony> {
        let key = catalog::instance_key(service, id);
        let Some(row) = self.rows.find(self.me.node, catalog::INSTANCES, &key) else { return Vec::new() };
        let now = self.now.mono;
        let lease = self.leases.of(row);
        let lease = lease.map(|(from, until)| Testimony::Lease { renewed: now.since(from), left: until.since(now) });
        let session = self.sessions.holds(row).map(|held| Testimony::Session { held });
        let checks = self.findings.verdict(row).map(|health| Testimony::Checks { health });
        session.into_iter().chain(lease).chain(checks).collect()
    }
}
