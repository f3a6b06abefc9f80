//! Grants of gateways that are recorded outside the settings, by caller.

use std::collections::BTreeMap;

use greenpark_model::id::{EnterpriseId, ParkId};

/// The enterprises that gateways may publish for, each under its own name.
///
/// A caller is `certificate:COMMON-NAME`, or `user:NAME` for a gateway that proves its name by a password alone.
///
/// ```
/// use greenpark_ingest::GatewayGrants;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut grants = GatewayGrants::default();
/// grants.grant("certificate:gw-1", "demo".parse()?, "steel-01".parse()?);
/// assert_eq!(grants.of("certificate:gw-1").count(), 1);
/// assert_eq!(grants.of("user:gw-1").count(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayGrants {
    by_caller: BTreeMap<String, Vec<(ParkId, EnterpriseId)>>,
}

impl GatewayGrants {
    /// Lets `caller` publish for an enterprise.
    pub fn grant(&mut self, caller: &str, park: ParkId, enterprise: EnterpriseId) {
        let granted = self.by_caller.entry(caller.to_owned()).or_default();
        granted.push((park, enterprise));
    }

    /// The enterprises that `caller` may publish for.
    pub fn of(&self, caller: &str) -> impl Iterator<Item = &(ParkId, EnterpriseId)> {
        self.by_caller.get(caller).into_iter().flatten()
    }
}
