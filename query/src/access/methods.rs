//! The right that each method needs. A method that is not listed is refused.

use super::role::Right;

/// The methods of `park.query.v1`, in the order of their names.
const METHODS: [(&str, Right); 50] = [
    ("Access/ListGrants", Right::Administer),
    ("Access/RecordGrant", Right::Administer),
    ("Access/RevokeGrant", Right::Administer),
    ("Access/StreamAccessLog", Right::Administer),
    ("Access/WhoAmI", Right::Identify),
    ("DeadLetters/CountDeadLetters", Right::Read),
    ("DeadLetters/GetDeadLetter", Right::Read),
    ("DeadLetters/ListDeadLetters", Right::Read),
    ("DeadLetters/RecordDeadLetterReplay", Right::Register),
    ("DeadLetters/StreamDeadLetters", Right::Read),
    ("Indicators/Explain", Right::Read),
    ("Indicators/GetCarbonIntensity", Right::Read),
    ("Indicators/GetCarbonPerEnergy", Right::Read),
    ("Indicators/GetEnergyIntensity", Right::Read),
    ("Indicators/GetProgress", Right::Read),
    ("Indicators/GetScorecard", Right::Read),
    ("Indicators/GetWasteLedger", Right::Read),
    ("Indicators/GetWasteUtilization", Right::Read),
    ("Indicators/GetWaterBalance", Right::Read),
    ("Indicators/GetWaterIntensity", Right::Read),
    ("Indicators/ListCarbonIntensities", Right::Read),
    ("Indicators/ListCarbonPerEnergies", Right::Read),
    ("Indicators/ListEnergyIntensities", Right::Read),
    ("Indicators/ListPlans", Right::Read),
    ("Indicators/ListWasteUtilizations", Right::Read),
    ("Indicators/ListWaterIntensities", Right::Read),
    ("Proofs/ExtractFolder", Right::Read),
    ("Proofs/ExtractForm", Right::Read),
    ("Proofs/GetCheckpoint", Right::Identify),
    ("Quality/GetQuality", Right::Read),
    ("Readings/Extract", Right::Read),
    ("Readings/StreamReadings", Right::Read),
    ("Registry/DeclareAssessmentBasis", Right::Register),
    ("Registry/DeclareCalorificValues", Right::Declare),
    ("Registry/DeclareCertificates", Right::Declare),
    ("Registry/DeclareDeflators", Right::Register),
    ("Registry/DeclareIndicators", Right::Register),
    ("Registry/DeclareSides", Right::Register),
    ("Registry/DeclareStatistics", Right::Declare),
    ("Registry/ListCertificates", Right::Read),
    ("Registry/ListCorrections", Right::Read),
    ("Registry/ListEnterprises", Right::Read),
    ("Registry/ListMeters", Right::Read),
    ("Registry/ListParks", Right::Read),
    ("Registry/ListStatistics", Right::Read),
    ("Registry/RecordCorrection", Right::Register),
    ("Registry/RecordMeterChange", Right::Register),
    ("Registry/RegisterEnterprise", Right::Register),
    ("Registry/RegisterMeter", Right::Register),
    ("Registry/Withdraw", Right::Register),
];

/// Methods that answer only if the access log can be written: what leaves the service as a whole, and who may do what.
const GUARDED: [&str; 5] = [
    "Extract",
    "ExtractFolder",
    "ExtractForm",
    "RecordGrant",
    "RevokeGrant",
];

/// Methods of Flight that are served, in order; further ones are not there.
const FLIGHT_METHODS: [&str; 3] = ["DoAction", "DoGet", "GetFlightInfo"];

/// The service of these methods.
const FLIGHT: &str = "/arrow.flight.protocol.FlightService/";

/// The package of the methods.
const PACKAGE: &str = "/park.query.v1.";

/// A method and the right that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    /// Its name without the service, such as `GetQuality`.
    pub(crate) name: &'static str,
    pub(crate) right: Right,
}

impl Method {
    /// True if it answers only if the access log can be written.
    pub(crate) fn is_guarded(self) -> bool {
        GUARDED.contains(&self.name)
    }
}

/// The method at `path`, such as `/park.query.v1.Quality/GetQuality`; `None` if it is not listed.
pub(crate) fn at(path: &str) -> Option<Method> {
    if let Some(method) = path.strip_prefix(FLIGHT) {
        let name = FLIGHT_METHODS.into_iter().find(|name| *name == method)?;
        return Some(Method {
            name,
            right: Right::Read,
        });
    }
    let method = path.strip_prefix(PACKAGE)?;
    let found = METHODS.binary_search_by(|(name, _)| (*name).cmp(method));
    let (full, right) = METHODS[found.ok()?];
    let name = full.split_once('/').map_or(full, |(_, name)| name);
    Some(Method { name, right })
}

/// True for a service that describes the process and shows nothing of a park: health and reflection.
pub(crate) fn is_public(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.v1")
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_of_the_descriptors_is_listed() {
        let set = FileDescriptorSet::decode(greenpark_proto::DESCRIPTORS).expect("descriptors");
        let mut paths = Vec::new();
        for file in set.file.iter().filter(|f| f.package() == "park.query.v1") {
            for service in &file.service {
                let methods = service.method.iter();
                paths.extend(methods.map(|m| format!("{}/{}", service.name(), m.name())));
            }
        }
        paths.sort();
        let listed: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
        assert!(listed.is_sorted(), "the search needs them in order");
        assert_eq!(paths, listed);
    }

    #[test]
    fn guarded_methods_exist() {
        let names = METHODS
            .iter()
            .map(|(name, _)| name.split_once('/').map(|parts| parts.1));
        let names: Vec<_> = names.collect();
        assert!(GUARDED.iter().all(|name| names.contains(&Some(name))));
    }

    #[test]
    fn what_is_not_listed_has_no_right() {
        assert_eq!(at("/park.query.v1.Indicators/Delete"), None);
        assert_eq!(at("/other.v1.Indicators/GetProgress"), None);
        assert_eq!(at("/arrow.flight.protocol.FlightService/DoPut"), None);
        assert!(!is_public("/park.query.v1.Quality/GetQuality"));
    }
}
