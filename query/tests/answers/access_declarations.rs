//! A valid request of every method of the registry that declares, records or withdraws.

use greenpark_proto::query::v1 as pb;
use prost::Message as _;

use crate::{
    access_requests::{About, BY, Needs, Row},
    fixture::*,
};

/// Each method, the right it needs, what it is about, and a request.
pub(crate) const WRITES: &[Row] = &[
    (
        "Registry/DeclareAssessmentBasis",
        Needs::Register,
        About::Park,
        |t| {
            let basis = pb::AssessmentBasis {
                plan: "chongqing-parks-14fyp".to_owned(),
                basis_of_assessment: "gross".to_owned(),
                valid_from: "2024-01-01".to_owned(),
                ..Default::default()
            };
            pb::DeclareAssessmentBasisRequest {
                parent: t.park(),
                basis: Some(basis),
                recorded_by: BY.to_owned(),
                evidence: "a notice".to_owned(),
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/DeclareCalorificValues",
        Needs::Declare,
        About::Enterprise,
        |t| {
            let value = pb::CalorificValue {
                enterprise: t.enterprise(),
                medium: "raw_coal".to_owned(),
                kj_per_unit: "20934000".to_owned(),
                valid_from: "2024-01-01".to_owned(),
                ..Default::default()
            };
            pb::DeclareCalorificValuesRequest {
                parent: t.park(),
                values: vec![value],
                recorded_by: BY.to_owned(),
                evidence: "a laboratory".to_owned(),
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/DeclareCertificates",
        Needs::Declare,
        About::Enterprise,
        |t| {
            let certificate = pb::Certificate {
                id: "GEC-1".to_owned(),
                mwh: "1".to_owned(),
                generated: "2024-03".to_owned(),
                region: "chongqing".to_owned(),
                kind: "certificate".to_owned(),
                used_for: t.enterprise(),
                year: 2024,
                retired_on: "2024-12-31".to_owned(),
                ..Default::default()
            };
            pb::DeclareCertificatesRequest {
                parent: t.park(),
                certificates: vec![certificate],
                recorded_by: BY.to_owned(),
                evidence: "a register".to_owned(),
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/DeclareDeflators",
        Needs::Register,
        About::Park,
        |t| {
            let deflator = pb::Deflator {
                form: "price-index".to_owned(),
                year: 2021,
                base: "constant-2020".to_owned(),
                value: "1.05".to_owned(),
                ..Default::default()
            };
            pb::DeclareDeflatorsRequest {
                parent: t.park(),
                deflators: vec![deflator],
                recorded_by: BY.to_owned(),
                evidence: "a yearbook".to_owned(),
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/DeclareIndicators",
        Needs::Register,
        About::Park,
        |t| {
            let value = pb::DeclaredValue {
                plan: "chongqing-parks-14fyp".to_owned(),
                indicator: "green-parks".to_owned(),
                year: 2025,
                value: "30".to_owned(),
            };
            pb::DeclareIndicatorsRequest {
                parent: t.park(),
                values: vec![value],
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/DeclareSides",
        Needs::Register,
        About::Enterprise,
        |t| {
            let side = pb::BalanceSide {
                enterprise: t.enterprise(),
                medium: "electricity".to_owned(),
                side: "supply".to_owned(),
                valid_from: "2024-01-01".to_owned(),
                ..Default::default()
            };
            pb::DeclareSidesRequest {
                parent: t.park(),
                sides: vec![side],
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/DeclareStatistics",
        Needs::Declare,
        About::Enterprise,
        |t| {
            pb::DeclareStatisticsRequest {
                parent: t.park(),
                statistics: vec![value_added(t.park, t.enterprise, year(2024), "100")],
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/RecordCorrection",
        Needs::Register,
        About::Enterprise,
        |t| {
            let correction = pb::Correction {
                meter: t.meter(),
                quantity: "electricity".to_owned(),
                kind: "interval".to_owned(),
                days: Some(pb::Days {
                    first: "2024-05-01".to_owned(),
                    last: "2024-05-01".to_owned(),
                }),
                amount: "1".to_owned(),
                reason: "a test".to_owned(),
                ..Default::default()
            };
            pb::RecordCorrectionRequest {
                correction: Some(correction),
                recorded_by: BY.to_owned(),
                evidence: "a photo".to_owned(),
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/RecordMeterChange",
        Needs::Register,
        About::Enterprise,
        |t| {
            let change = pb::MeterChange {
                meter: t.meter(),
                quantity: "electricity".to_owned(),
                at: Some(timestamp_of(day("2024-05-01"))),
                old_final: "1".to_owned(),
                new_initial: "0".to_owned(),
                ..Default::default()
            };
            pb::RecordMeterChangeRequest {
                change: Some(change),
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/RegisterEnterprise",
        Needs::Register,
        About::Enterprise,
        |t| {
            let enterprise = pb::Enterprise {
                name: t.enterprise(),
                title: "works".to_owned(),
                valid_from: "2018-01-01".to_owned(),
                ..Default::default()
            };
            pb::RegisterEnterpriseRequest {
                enterprise: Some(enterprise),
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/RegisterMeter",
        Needs::Register,
        About::Enterprise,
        |t| {
            let meter = pb::Meter {
                name: t.meter(),
                quantity: "electricity".to_owned(),
                kind: "register".to_owned(),
                counted: true,
                valid_from: "2018-01-01".to_owned(),
                ..Default::default()
            };
            pb::RegisterMeterRequest {
                meter: Some(meter),
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "Registry/Withdraw",
        Needs::Register,
        About::Enterprise,
        |t| {
            let statistic = value_added(t.park, t.enterprise, year(2024), "");
            let withdrawal = pb::Withdrawal {
                of: Some(pb::withdrawal::Of::Statistic(statistic)),
                reason: "a test".to_owned(),
            };
            pb::WithdrawRequest {
                parent: t.park(),
                withdrawals: vec![withdrawal],
                recorded_by: BY.to_owned(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    ),
];
