//! The ledger of certificates: each is used once in the whole lake, revised, withdrawn, listed and told as of
//! an instant.

use greenpark_proto::query::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    assessment::{STEEL, WHOLE, assessment, certificate, declare, steel},
    fixture::*,
};

fn fields(status: &tonic::Status) -> Vec<String> {
    let details = status.get_details_bad_request().expect("details");
    let violations = details.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().expect("details").reason
}

async fn listed(world: &mut World, parent: &str) -> Vec<String> {
    let request = pb::ListCertificatesRequest {
        parent: parent.to_owned(),
        ..pb::ListCertificatesRequest::default()
    };
    let answer = world.registry.list_certificates(request).await;
    let certificates = answer.expect("listed").into_inner().certificates;
    let told = |of: pb::Certificate| format!("{} {} {}", of.id, of.used_for, of.mwh);
    certificates.into_iter().map(told).collect()
}

fn used_for(name: &str, of: pb::Certificate) -> pb::Certificate {
    pb::Certificate {
        used_for: name.to_owned(),
        ..of
    }
}

fn withdrawal(name: &str, id: &str) -> pb::Certificate {
    pb::Certificate {
        id: id.to_owned(),
        used_for: name.to_owned(),
        withdrawn: true,
        reason: "wrong enterprise".to_owned(),
        ..pb::Certificate::default()
    }
}

#[tokio::test]
async fn a_certificate_of_two_parks_is_refused_with_both_names_and_nothing_is_recorded() {
    let mut world = World::new().await;
    let mut other = world.another().await;
    let of = certificate("GEC-1", "certificate", "10", "sichuan");
    declare(&mut world, WHOLE, vec![of.clone()])
        .await
        .expect("taken");
    let again = used_for("parks/q/enterprises/mill", of.clone());
    let fresh = used_for("parks/q", certificate("GEC-2", "trade", "1", "sichuan"));
    // A second service over the same lake knows it as well.
    let refused = declare(&mut other, "parks/q", vec![fresh, again.clone()]).await;
    let refused = refused.expect_err("used");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "CERTIFICATE_USED_TWICE");
    for name in [STEEL, "parks/q/enterprises/mill", "GEC-1"] {
        assert!(refused.message().contains(name), "{}", refused.message());
    }
    assert_eq!(
        listed(&mut other, "parks/-").await,
        ["GEC-1 parks/p/enterprises/steel 10"]
    );
    // Neither another year, nor the park as a whole, nor the same file twice over.
    let later = pb::Certificate {
        year: 2026,
        ..of.clone()
    };
    let whole = used_for(WHOLE, of.clone());
    for second in [later, whole] {
        let refused = declare(&mut world, WHOLE, vec![second]).await;
        assert_eq!(
            reason(&refused.expect_err("used")),
            "CERTIFICATE_USED_TWICE"
        );
    }
    let revised = pb::Certificate {
        mwh: "9.5".to_owned(),
        ..of.clone()
    };
    declare(&mut world, WHOLE, vec![of])
        .await
        .expect("the same");
    declare(&mut world, WHOLE, vec![revised])
        .await
        .expect("revised");
    assert_eq!(
        listed(&mut world, WHOLE).await,
        ["GEC-1 parks/p/enterprises/steel 9.5"]
    );
    other.stop().await;
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawn_certificate_is_free_again_and_only_its_holder_withdraws_it() {
    let mut world = World::new().await;
    let of = certificate("GEC-1", "certificate", "10", "sichuan");
    declare(&mut world, WHOLE, vec![of.clone()])
        .await
        .expect("taken");
    let absent = declare(&mut world, WHOLE, vec![withdrawal(STEEL, "GEC-9")]).await;
    assert_eq!(reason(&absent.expect_err("absent")), "NO_SUCH_CERTIFICATE");
    let others = declare(&mut world, "parks/q", vec![withdrawal("parks/q", "GEC-1")]).await;
    let others = others.expect_err("another's");
    assert_eq!(reason(&others), "CERTIFICATE_NOT_HELD");
    assert!(others.message().contains(STEEL), "{}", others.message());
    let silent = pb::Certificate {
        reason: String::new(),
        ..withdrawal(STEEL, "GEC-1")
    };
    let silent = declare(&mut world, WHOLE, vec![silent]).await;
    assert_eq!(
        fields(&silent.expect_err("why?")),
        ["certificates[0].reason"]
    );
    declare(&mut world, WHOLE, vec![withdrawal(STEEL, "GEC-1")])
        .await
        .expect("withdrawn");
    assert!(listed(&mut world, "parks/-").await.is_empty());
    let elsewhere = used_for("parks/q", of);
    declare(&mut world, "parks/q", vec![elsewhere])
        .await
        .expect("free again");
    assert_eq!(listed(&mut world, "parks/q").await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn every_mistake_of_a_certificate_is_named_and_nothing_is_recorded() {
    let mut world = World::new().await;
    let good = certificate("GEC-0", "certificate", "1", "sichuan");
    let bad = pb::Certificate {
        id: "a/b".to_owned(),
        mwh: "0".to_owned(),
        generated: "2025-13".to_owned(),
        region: String::new(),
        kind: "solar".to_owned(),
        used_for: "parks/q".to_owned(),
        year: 20_250,
        retired_on: "soon".to_owned(),
        ..pb::Certificate::default()
    };
    let early = pb::Certificate {
        year: 2024,
        retired_on: "2025-02-28".to_owned(),
        region: "national".to_owned(),
        ..certificate("GEC-1", "certificate", "1.5", "x")
    };
    let not_retired = pb::Certificate {
        retired_on: String::new(),
        ..certificate("GEC-2", "certificate", "-1", "sichuan")
    };
    let to_come = pb::Certificate {
        generated: "2027-01".to_owned(),
        year: 2027,
        retired_on: "2027-02-01".to_owned(),
        ..certificate("GEC-3", "trade", "1", "四川")
    };
    let twice = used_for(WHOLE, good.clone());
    let all = vec![good, bad, early, not_retired, to_come, twice];
    let refused = declare(&mut world, WHOLE, all).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let mut named = fields(&refused);
    named.sort();
    let expected = [
        "certificates[1].generated",
        "certificates[1].id",
        "certificates[1].kind",
        "certificates[1].mwh",
        "certificates[1].region",
        "certificates[1].retired_on",
        "certificates[1].used_for",
        "certificates[1].year",
        "certificates[2].region",
        "certificates[2].retired_on",
        "certificates[2].year",
        "certificates[3].mwh",
        "certificates[3].retired_on",
        "certificates[4].generated",
        "certificates[4].region",
        "certificates[4].retired_on",
        "certificates[5].id",
    ];
    assert_eq!(named, expected);
    let entries = world.lake.reference().entries().await.expect("read");
    assert!(entries.entries.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn raw_material_above_zero_is_declared_as_a_statistic_and_listed() {
    let mut world = World::new().await;
    let gas = |amount: &str, series: &str| pb::Statistic {
        series: series.to_owned(),
        price_base: String::new(),
        ..value_added(PARK, "steel", year(2025), amount)
    };
    let request = pb::DeclareStatisticsRequest {
        parent: WHOLE.to_owned(),
        statistics: vec![
            gas("0", "raw_material:natural_gas"),
            gas("1", "raw_material:fresh_water"),
        ],
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let refused = world.registry.declare_statistics(request).await;
    let refused = refused.expect_err("wrong");
    assert_eq!(
        fields(&refused),
        [
            "statistics[0].amount",
            "statistics[1].series",
            "statistics[1].price_base"
        ]
    );
    world
        .declare(PARK, vec![gas("12.5", "raw_material:natural_gas")])
        .await;
    let request = pb::ListStatisticsRequest {
        parent: STEEL.to_owned(),
        ..pb::ListStatisticsRequest::default()
    };
    let listed = world.registry.list_statistics(request).await;
    let listed = listed.expect("listed").into_inner().statistics;
    assert_eq!(
        (listed[0].series.as_str(), listed[0].amount.as_str()),
        ("raw_material:natural_gas", "12.5")
    );
    let divided = pb::GetIndicatorRequest {
        denominator: "raw_material:natural_gas".to_owned(),
        ..get(STEEL, year(2025))
    };
    let refused = world.indicators.get_energy_intensity(divided).await;
    assert_eq!(fields(&refused.expect_err("no output")), ["denominator"]);
    world.stop().await;
}

#[tokio::test]
async fn an_assessed_figure_as_of_an_instant_knows_only_what_was_declared_then() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    world.go_on();
    let before = world.clock().now();
    world.go_on();
    let own = certificate("PV-1", "self_use", "100", "chongqing");
    declare(&mut world, WHOLE, vec![own]).await.expect("taken");
    world.go_on();
    let declared = world.clock().now();
    world.go_on();
    declare(&mut world, WHOLE, vec![withdrawal(STEEL, "PV-1")])
        .await
        .expect("withdrawn");
    for (at, expected) in [
        (Some(before), "122.900000"),
        (Some(declared), "110.610000"),
        (None, "122.900000"),
    ] {
        let as_of = at.map(|at| prost_types::Timestamp {
            seconds: at.millis().div_euclid(1_000),
            nanos: i32::try_from(at.millis().rem_euclid(1_000)).expect("small") * 1_000_000,
        });
        let request = pb::GetIndicatorRequest {
            as_of,
            ..get(WHOLE, year(2025))
        };
        let figure = world.indicators.get_energy_intensity(request).await;
        let figure = figure.expect("a figure").into_inner();
        assert_eq!(value(&assessment(&figure).assessed), expected, "{at:?}");
        let request = pb::ListCertificatesRequest {
            parent: STEEL.to_owned(),
            as_of,
            ..pb::ListCertificatesRequest::default()
        };
        let listed = world.registry.list_certificates(request).await;
        let count = listed.expect("listed").into_inner().certificates.len();
        assert_eq!(count, usize::from(expected == "110.610000"));
    }
    world.stop().await;
}

#[tokio::test]
async fn a_certificate_in_use_is_part_of_the_figures_lineage() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    let own = certificate("PV-1", "self_use", "100", "chongqing");
    declare(&mut world, WHOLE, vec![own]).await.expect("taken");
    let request = pb::ExplainRequest {
        indicator: "energy-intensity".to_owned(),
        question: Some(get(WHOLE, year(2025))),
    };
    let stream = world.indicators.explain(request).await.expect("a lineage");
    let mut stream = stream.into_inner();
    let (mut figures, mut records) = (Vec::new(), Vec::new());
    while let Some(part) = stream.message().await.expect("a part") {
        match part.part {
            Some(pb::explain_part::Part::Figure(figure)) => figures.push(figure),
            Some(pb::explain_part::Part::Record(record)) => records.push(record),
            _ => {}
        }
    }
    assert_eq!(value(&assessment(&figures[0]).assessed), "110.610000");
    let of = records.iter().find(|record| record.kind == "certificate");
    let of = of.expect("the certificate's record");
    assert!(of.body.contains("PV-1"), "{}", of.body);
    assert_eq!(of.evidence, "settlement 7");
    world.stop().await;
}
