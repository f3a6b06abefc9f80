//! The vectors of METHOD (j) and their consequences.

use proptest::prelude::*;

use super::*;
use crate::{
    energy::coal::{Basis, Media},
    indicator::{Indicator, Key, Ratio, round},
    money::PriceBase,
    positive::{Positive, RatioError},
};

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// The shipped rules: everything counts, certificates of other regions for at most half of the saving.
fn rules() -> RuleSet {
    let rule = |deductible, other_regions_max| Rule {
        deductible,
        other_regions_max,
        source: "vector".to_owned(),
    };
    let kinds = NonFossilKind::ALL.into_iter().map(|kind| {
        let half = Decimal::new(5, 1);
        let bound = (kind == NonFossilKind::Certificate).then_some(half);
        rule(Deductible::NonFossil(kind), bound)
    });
    RuleSet {
        id: "vector".to_owned(),
        rules: kinds.chain([rule(Deductible::RawMaterial, None)]).collect(),
    }
}

fn claim(kind: NonFossilKind, is_of_other_region: bool, tce: &str) -> Claim {
    Claim {
        deductible: Deductible::NonFossil(kind),
        is_of_other_region,
        tce: decimal(tce),
    }
}

fn raw(tce: &str) -> Claim {
    Claim {
        deductible: Deductible::RawMaterial,
        is_of_other_region: false,
        tce: decimal(tce),
    }
}

fn ratio(basis_of_assessment: BasisOfAssessment, energy: Decimal, output: &str) -> Ratio {
    let key = Key {
        indicator: Indicator::EnergyIntensity,
        basis: Some(Basis::Calorific),
        basis_of_assessment,
        price_base: Some(PriceBase::Constant(2020)),
        media: Media::Excluded,
    };
    let positive = |value| Positive::new(value).expect("above zero");
    Ratio::new(key, positive(energy), positive(decimal(output))).expect("a ratio")
}

fn percent(fall: Decimal) -> String {
    round(fall * Decimal::ONE_HUNDRED, 4).to_string()
}

/// The assessed fall since 1,000 tce over 1,000, of 1,000 tce over 1,100 with these claims.
fn fall(claims: &[Claim], saving: Option<Decimal>) -> (Ratio, Decimal) {
    let thousand = Decimal::from(1_000);
    let base = assess(thousand, &[], &rules(), None).expect("in range");
    let base = ratio(BasisOfAssessment::Assessed, base.energy, "1000");
    let made = assess(thousand, claims, &rules(), saving).expect("in range");
    let year = ratio(BasisOfAssessment::Assessed, made.energy, "1100");
    (year, year.fall_since(&base).expect("one key"))
}

#[test]
fn method_j_1_own_generation_and_raw_material_are_deducted() {
    let base = ratio(BasisOfAssessment::Gross, Decimal::from(1_000), "1000");
    let gross = ratio(BasisOfAssessment::Gross, Decimal::from(1_000), "1100");
    assert_eq!(percent(gross.fall_since(&base).expect("one key")), "9.0909");
    let (_, fall) = fall(
        &[claim(NonFossilKind::SelfUse, false, "60"), raw("40")],
        None,
    );
    assert_eq!(percent(fall), "18.1818");
}

#[test]
fn method_j_2_certificates_of_another_province_count_for_half_of_the_saving() {
    let saving = Saving {
        target: decimal("0.16"),
        base_energy: Decimal::from(1_000),
        base_output: Decimal::from(1_000),
        output: Decimal::from(1_100),
    };
    let saving = saving.tce().expect("a saving");
    assert_eq!(saving, Decimal::from(176));
    let claims = [claim(NonFossilKind::Certificate, true, "200"), raw("40")];
    let (year, fall) = fall(&claims, Some(saving));
    assert_eq!(round(year.value.get(), 6).to_string(), "0.792727");
    assert_eq!(percent(fall), "20.7273");
    let made = assess(Decimal::from(1_000), &claims, &rules(), Some(saving)).expect("in range");
    assert_eq!(made.deductions[0].tce, Decimal::from(88));
    assert_eq!(made.deductions[0].limit, Some(Limit::OtherRegions));
    assert_eq!(made.deductions[1].limit, None);
}

#[test]
fn method_j_3_without_a_claim_both_bases_agree_bit_for_bit() {
    for gross in ["1000", "219.85180", "117.939794099", "0.000", "-3.5"] {
        let gross = decimal(gross);
        let made = assess(gross, &[], &rules(), Some(Decimal::TEN)).expect("in range");
        assert_eq!(made.energy.serialize(), gross.serialize());
    }
}

#[test]
fn gross_and_assessed_are_never_compared() {
    let gross = ratio(BasisOfAssessment::Gross, Decimal::TEN, "10");
    let assessed = ratio(BasisOfAssessment::Assessed, Decimal::TEN, "10");
    assert_eq!(assessed.fall_since(&gross), Err(RatioError::MixedBases));
    assert_eq!(gross.fall_since(&assessed), Err(RatioError::MixedBases));
}

#[test]
fn the_base_year_has_deductions_of_its_own() {
    let base = assess(Decimal::from(1_000), &[raw("100")], &rules(), None).expect("in range");
    let base = ratio(BasisOfAssessment::Assessed, base.energy, "1000");
    let year = assess(Decimal::from(1_000), &[raw("40")], &rules(), None).expect("in range");
    let year = ratio(BasisOfAssessment::Assessed, year.energy, "1100");
    // 960 ÷ 1,100 against 900 ÷ 1,000.
    let fall = year.fall_since(&base).expect("one key");
    assert_eq!(percent(fall), "3.0303");
}

#[test]
fn certificates_below_the_limit_and_of_the_own_region_count_in_full() {
    let saving = Some(Decimal::from(176));
    let below = [
        claim(NonFossilKind::Certificate, true, "50"),
        claim(NonFossilKind::Certificate, true, "38"),
    ];
    let made = assess(Decimal::from(1_000), &below, &rules(), saving).expect("in range");
    assert_eq!(made.energy, Decimal::from(912));
    assert!(made.deductions.iter().all(|d| d.limit.is_none()));
    let own = [
        claim(NonFossilKind::Certificate, false, "200"),
        claim(NonFossilKind::Trade, true, "100"),
    ];
    let made = assess(Decimal::from(1_000), &own, &rules(), saving).expect("in range");
    assert_eq!(made.energy, Decimal::from(700));
}

#[test]
fn without_a_target_claims_that_it_would_limit_do_not_count() {
    let claims = [claim(NonFossilKind::Certificate, true, "50")];
    let made = assess(Decimal::from(1_000), &claims, &rules(), None).expect("in range");
    assert_eq!(made.energy, Decimal::from(1_000));
    assert_eq!(made.deductions, [nothing(Limit::NoSaving)]);
    let none = RuleSet {
        id: "none".to_owned(),
        rules: Vec::new(),
    };
    let made = assess(Decimal::from(1_000), &claims, &none, None).expect("in range");
    assert_eq!(made.deductions, [nothing(Limit::NoRule)]);
}

#[test]
fn a_saving_needs_a_base_and_is_never_below_zero() {
    let saving = Saving {
        target: decimal("0.16"),
        base_energy: Decimal::from(-10),
        base_output: Decimal::from(10),
        output: Decimal::from(10),
    };
    assert_eq!(saving.tce(), Ok(Decimal::ZERO));
    let empty = Saving {
        base_output: Decimal::ZERO,
        ..saving
    };
    assert_eq!(empty.tce(), Err(AssessError::NoBase));
}

#[test]
fn a_megawatt_hour_converts_by_the_factor_to_tonnes() {
    let mwh: Amount = "488.2".parse().expect("a decimal");
    let tce = tce_of_mwh(mwh, decimal("0.1229")).expect("in range");
    assert_eq!(tce.to_string(), "59.99978");
}

#[test]
fn printed_names_parse_back() {
    for kind in NonFossilKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        let deductible = Deductible::NonFossil(kind);
        assert_eq!(deductible.to_string().parse(), Ok(deductible));
    }
    let raw = Deductible::RawMaterial;
    assert_eq!(raw.to_string().parse(), Ok(raw));
    for basis in [BasisOfAssessment::Gross, BasisOfAssessment::Assessed] {
        assert_eq!(basis.to_string().parse(), Ok(basis));
    }
    assert!("solar".parse::<NonFossilKind>().is_err());
    assert!("solar".parse::<Deductible>().is_err());
    assert!("net".parse::<BasisOfAssessment>().is_err());
}

proptest! {
    /// Deductions of other regions never exceed the limit, and the result is the gross less all deductions.
    #[test]
    fn a_bound_is_never_exceeded(
        claims in prop::collection::vec((0..4_usize, any::<bool>(), 0..1_000_000_i64), 0..20),
        saving in 0..1_000_000_i64,
    ) {
        let claims: Vec<Claim> = claims
            .into_iter()
            .map(|(kind, is_of_other_region, tce)| Claim {
                deductible: Deductible::NonFossil(NonFossilKind::ALL[kind]),
                is_of_other_region,
                tce: Decimal::new(tce, 3),
            })
            .collect();
        let (gross, saving) = (Decimal::from(1_000_000), Decimal::new(saving, 3));
        let made = assess(gross, &claims, &rules(), Some(saving)).expect("in range");
        let deducted: Decimal = made.deductions.iter().map(|d| d.tce).sum();
        prop_assert_eq!(made.energy, gross - deducted);
        let rules = rules();
        let pairs = || claims.iter().zip(&made.deductions);
        let bounded: Decimal =
            pairs().filter(|(of, _)| rules.is_bounded(of)).map(|(_, d)| d.tce).sum();
        prop_assert!(bounded <= saving * Decimal::new(5, 1));
        for (claim, deduction) in pairs() {
            prop_assert!(deduction.tce <= claim.tce);
            prop_assert_eq!(deduction.limit.is_none(), deduction.tce == claim.tce);
        }
    }
}
