//! Evaluates an energy intensity on the assessment basis beside the gross one (METHOD (j)). Pure.
//!
//! The deductions of a population are the certificates that its enterprises use for the years of the range, those
//! that its parks use as a whole, and the raw-material energy that its enterprises declare. A certificate is used for
//! a whole year, so a range that cuts a year with certificates has no assessed figure.

use std::collections::BTreeSet;

use greenpark_model::{
    amount::Sum,
    assessment::{
        AssessError, Assessed, BasisOfAssessment, Claim, Deductible, Deduction, Limit, RuleSet,
        Saving, assess, tce_of_mwh,
    },
    carbon::Region,
    day::DayRange,
    id::EnterpriseId,
    indicator::{Key, Ratio, round},
    positive::Positive,
    quantity::{Medium, Quantity},
    soundness::{Reason, Term},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    error::QueryError,
    figures::{
        convert::{amount, unsound::on_wire},
        figure::{
            EvaluatedFigure, PLACES,
            numerator::{factor, tce_of},
            out_of_range,
        },
        measure::{CoalFactor, Question},
        park_days::ParkDays,
        population::{NAMED, Population, listed},
    },
    reference::ReferenceData,
    register::{
        certificates::{Certificate, Ledger},
        name::Name,
        statistics::{Finality, StatisticSeries, total_of},
    },
};

/// The basis for deciding on deductions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grounds<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) rules: &'a RuleSet,
    /// The region whose certificates have no limit.
    pub(crate) home: &'a Region,
}

impl<'a> Grounds<'a> {
    /// Combines the ledger with the rules of the service.
    pub(crate) fn new(ledger: &'a Ledger, data: &'a ReferenceData) -> Self {
        Self {
            ledger,
            rules: data.assessment_rules(),
            home: data.home_region(),
        }
    }
}

/// A target that requires a saving, with the gross numerator and denominator of its base year.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asks<'a> {
    pub(crate) plan: &'a str,
    pub(crate) percent: Decimal,
    pub(crate) base_year: i16,
    pub(crate) base: (Decimal, Decimal),
}

/// The deductions that a population claims.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    lines: Vec<Line>,
    /// The reasons against an assessed figure; empty if there is one.
    hindrances: Vec<String>,
    notes: Vec<String>,
    prorated: bool,
    preliminary: bool,
}

/// One claim and the texts for its line in the answer.
#[derive(Debug)]
struct Line {
    claim: Claim,
    id: String,
    used_for: String,
    year: i16,
    region: String,
    amount: pb::Amount,
    factor: (String, String),
    declared: String,
}

impl Claims {
    /// Collects the deductions that `population` claims from the energy of `question`.
    pub(crate) fn of(
        question: &Question<'_>,
        population: &Population<'_>,
        grounds: &Grounds<'_>,
    ) -> Result<Self, QueryError> {
        let mut claims = Self::default();
        let mut holders: Vec<Name> = Vec::new();
        for (park, enterprise, runs) in population.questions(question) {
            // A member that counts only on some days claims the raw material of those days.
            for run in &runs {
                claims.add_raw_materials(run, park, enterprise)?;
            }
            holders.push(Name::Enterprise(park.park.clone(), enterprise.clone()));
        }
        if grounds.ledger.is_empty() {
            return Ok(claims);
        }
        let parks = population.parks.iter();
        let parks: Vec<Name> = parks.map(|park| Name::Park(park.park.clone())).collect();
        let range = question.range;
        let years = range.first().year()..=range.last().year();
        let in_use = grounds.ledger.all();
        let in_use = in_use.filter(|of| years.contains(&of.year));
        claims.note_left_out(in_use, population, &holders, &parks);
        if population.rule != NAMED {
            holders.extend(parks);
        }
        for holder in &holders {
            for year in years.clone() {
                for certificate in grounds.ledger.used_for(holder, year) {
                    claims.add_certificate(question, certificate, grounds.home)?;
                }
            }
        }
        let order = |line: &Line| (line.claim.deductible, line.year);
        claims.lines.sort_by_key(order);
        Ok(claims)
    }

    /// Returns true if the saving that a target requires bounds any of the claims.
    pub(crate) fn need_saving(&self, grounds: &Grounds<'_>) -> bool {
        self.lines
            .iter()
            .any(|line| grounds.rules.is_bounded(&line.claim))
    }

    fn add_certificate(
        &mut self,
        question: &Question<'_>,
        of: &Certificate,
        home: &Region,
    ) -> Result<(), QueryError> {
        let Some(year) = DayRange::year(of.year) else {
            return Ok(());
        };
        if !(question.range.contains(year.first()) && question.range.contains(year.last())) {
            self.hindrances.push(format!(
                "certificate '{}' is used for all of {}, of which the period has a part only",
                of.id, of.year
            ));
            return Ok(());
        }
        let factors = question.factors_of(None, Medium::Electricity, year);
        let by = factors.last().map(|(_, by)| by);
        let set = question.rules.factors;
        let known = by.and_then(|by| match by.coal {
            CoalFactor::Set(place) => set.factors.get(place).map(|factor| (by, factor)),
            _ => None,
        });
        let Some((by, kgce)) = known else {
            self.hindrances
                .push(format!("no factor of electricity for {}", of.year));
            return Ok(());
        };
        let tce = tce_of_mwh(of.mwh, kgce.kgce_per_unit).map_err(|_| out_of_range())?;
        self.lines.push(Line {
            claim: Claim {
                deductible: Deductible::NonFossil(of.kind),
                is_of_other_region: of.region != *home,
                tce,
            },
            id: of.id.clone(),
            used_for: of.used_for.to_string(),
            year: of.year,
            region: of.region.to_string(),
            amount: amount(of.mwh, "MWh"),
            factor: factor(question, by),
            declared: declared(&of.recorded_by, &of.evidence),
        });
        Ok(())
    }

    fn add_raw_materials(
        &mut self,
        question: &Question<'_>,
        park: &ParkDays,
        enterprise: &EnterpriseId,
    ) -> Result<(), QueryError> {
        let all = park.registry.statistics.get(enterprise);
        let all = all.map_or(&[][..], Vec::as_slice);
        let media: BTreeSet<Medium> = all
            .iter()
            .filter_map(|of| match of.series {
                StatisticSeries::RawMaterial(medium) => Some(medium),
                _ => None,
            })
            .collect();
        for medium in media {
            let name = format!("parks/{}/enterprises/{enterprise}", park.park);
            let (series, mut used) = (StatisticSeries::RawMaterial(medium), false);
            let (mut sum, mut tce) = (Sum::ZERO, Decimal::ZERO);
            let mut factors = BTreeSet::new();
            let heats = park.registry.heats(enterprise, medium);
            for (part, by) in question.factors_of(heats, medium, question.range) {
                let Some(total) = total_of(all, &series, part, None) else {
                    continue;
                };
                let Some(of_part) = tce_of(question, &by, total.amount) else {
                    let name = medium.as_str();
                    self.hindrances.push(format!("no factor of {name}"));
                    continue;
                };
                let of_part = of_part.map_err(|_| out_of_range())?;
                used = true;
                sum += total.amount;
                tce = tce.checked_add(of_part).ok_or_else(out_of_range)?;
                factors.insert(factor(question, &by));
                self.prorated |= total.prorated_days > 0;
                self.preliminary |= total.finality == Finality::Preliminary;
            }
            if used {
                let mut factors = factors.into_iter();
                let factor = match (factors.next(), factors.next()) {
                    (Some(one), None) => one,
                    _ => (String::new(), "several in the period".to_owned()),
                };
                self.lines.push(Line {
                    claim: Claim {
                        deductible: Deductible::RawMaterial,
                        is_of_other_region: false,
                        tce: tce.normalize(),
                    },
                    id: medium.as_str().to_owned(),
                    used_for: name,
                    year: 0,
                    region: String::new(),
                    amount: amount(sum, medium.unit().symbol()),
                    factor,
                    declared: format!("statistic {series}"),
                });
            }
        }
        Ok(())
    }

    /// Notes the certificates that are in use but not deducted here.
    fn note_left_out<'c>(
        &mut self,
        in_use: impl Iterator<Item = &'c Certificate>,
        population: &Population<'_>,
        members: &[Name],
        parks: &[Name],
    ) {
        let of_park = |name: &Name| parks.iter().any(|park| park.park() == name.park());
        let left_out = |of: &&Certificate| match &of.used_for {
            Name::Park(_) => population.rule == NAMED && of_park(&of.used_for),
            name => population.rule != NAMED && of_park(name) && !members.contains(name),
        };
        let left: Vec<String> = in_use
            .filter(left_out)
            .map(|of| format!("{} of {}", of.id, of.used_for))
            .collect();
        if !left.is_empty() {
            self.notes.push(format!(
                "certificates in use that are not deducted here, for their user is not what is counted: {}",
                listed(&left)
            ));
        }
    }

    /// Adds the assessment to `gross` and returns the assessed figure.
    pub(crate) fn assess(
        self,
        grounds: &Grounds<'_>,
        target: Option<Asks<'_>>,
        gross: &mut EvaluatedFigure,
    ) -> Result<EvaluatedFigure, QueryError> {
        let (energy, output) = gross.parts;
        let target = target.filter(|_| self.need_saving(grounds));
        let saving = match target.map(|target| saving(&target, output).tce()) {
            Some(Err(AssessError::OutOfRange)) => return Err(out_of_range()),
            saving => saving.and_then(Result::ok),
        };
        let wanted: Vec<Claim> = self.lines.iter().map(|line| line.claim).collect();
        let made = assess(energy, &wanted, grounds.rules, saving).map_err(|_| out_of_range())?;
        let is_assessed = self.hindrances.is_empty();
        let ratio = gross
            .ratio
            .filter(|_| is_assessed && is_left(energy, made.energy));
        let ratio = ratio.and_then(|ratio| {
            let key = Key {
                basis_of_assessment: BasisOfAssessment::Assessed,
                ..ratio.key
            };
            let energy = Positive::new(made.energy).ok()?;
            Ratio::new(key, energy, Positive::new(output).ok()?).ok()
        });
        let bound = saving.zip(target).map(|(saving, target)| {
            let mut bounded = self.lines.iter().map(|line| line.claim);
            let rule = bounded.find(|claim| grounds.rules.is_bounded(claim));
            let rule = rule.and_then(|claim| grounds.rules.find(claim.deductible));
            let share = rule.and_then(|rule| rule.other_regions_max);
            bound(&target, saving, share.unwrap_or_default(), grounds.home)
        });
        let assessment = pb::Assessment {
            rule_set: grounds.rules.id.clone(),
            gross_value: gross.figure.value.clone(),
            assessed_value: ratio.map(|r| r.rounded().to_string()).unwrap_or_default(),
            gross: gross.figure.numerator.clone(),
            assessed: is_assessed.then(|| amount(round(made.energy, PLACES), "tce")),
            notes: self.notes(energy, &made, &gross.figure),
            deductions: self.deduction_lines(grounds.rules, &made.deductions, bound.as_ref()),
            bound,
        };
        gross.figure.basis_of_assessment = BasisOfAssessment::Gross.to_string();
        gross.figure.assessment = Some(assessment.clone());
        Ok(self.figure(assessment, ratio, (made.energy, output), gross))
    }

    /// Makes the assessed figure.
    fn figure(
        &self,
        of: pb::Assessment,
        ratio: Option<Ratio>,
        parts: (Decimal, Decimal),
        gross: &EvaluatedFigure,
    ) -> EvaluatedFigure {
        let mut evaluated = EvaluatedFigure {
            ratio,
            parts,
            ..gross.clone()
        };
        let figure = &mut evaluated.figure;
        figure.value.clone_from(&of.assessed_value);
        figure.numerator.clone_from(&of.assessed);
        figure.basis_of_assessment = BasisOfAssessment::Assessed.to_string();
        figure.notes.extend(of.notes.iter().cloned());
        let most = if self.prorated {
            let enterprises = vec![figure.name.clone()];
            evaluated.unsound.push(Reason::Prorated { enterprises });
            pb::PeriodStatus::Operational
        } else if self.preliminary {
            pb::PeriodStatus::Preliminary
        } else {
            pb::PeriodStatus::Final
        };
        if parts.0 <= Decimal::ZERO && gross.parts.0 > Decimal::ZERO {
            evaluated.unsound.push(Reason::NotPositive {
                term: Term::Numerator,
                value: parts.0,
                names: vec![figure.name.clone()],
            });
        }
        figure.unsound = on_wire(&evaluated.unsound, 0);
        figure.status = figure.status.min(most.into());
        figure.assessment = Some(of);
        evaluated
    }

    fn notes(&self, energy: Decimal, made: &Assessed, gross: &pb::Figure) -> Vec<String> {
        let mut notes = self.notes.clone();
        if !self.hindrances.is_empty() {
            let why = listed(&self.hindrances);
            notes.push(format!("there is no assessed value: {why}"));
        } else if !is_left(energy, made.energy) {
            notes.push(format!(
                "there is no assessed value: {} tce are left of {} tce, which is not above zero",
                round(made.energy, PLACES),
                round(energy, PLACES)
            ));
        }
        if self.prorated {
            notes.push("raw-material energy is prorated by days within a longer period".to_owned());
        }
        let pairs = self.lines.iter().zip(&made.deductions);
        let non_fossil: Decimal = pairs
            .filter(|(line, _)| line.claim.deductible != Deductible::RawMaterial)
            .map(|(_, deduction)| deduction.tce)
            .sum();
        let counted = electricity(gross);
        if non_fossil > counted {
            notes.push(format!(
                "more non-fossil electricity is deducted, {} tce, than electricity counts, {counted} tce",
                round(non_fossil, PLACES)
            ));
        }
        notes
    }

    fn deduction_lines(
        &self,
        rules: &RuleSet,
        deductions: &[Deduction],
        bound: Option<&pb::RegionBound>,
    ) -> Vec<pb::Deduction> {
        let tce = |value: Decimal| Some(amount(round(value, PLACES), "tce"));
        let limit = |limit: Limit| match limit {
            Limit::NoRule => format!("'{}' has no rule that deducts it", rules.id),
            Limit::NoSaving => {
                "it is of another region, and no target is known that asks a saving of the \
                                period"
                    .to_owned()
            }
            Limit::OtherRegions => {
                let most = bound.and_then(|bound| bound.most.as_ref());
                let most = most.map(|most| most.value.as_str()).unwrap_or_default();
                format!("what other regions give counts for at most {most} tce")
            }
        };
        let line = |(line, deduction): (&Line, &Deduction)| pb::Deduction {
            kind: line.claim.deductible.to_string(),
            id: line.id.clone(),
            used_for: line.used_for.clone(),
            year: line.year.into(),
            region: line.region.clone(),
            amount: Some(line.amount.clone()),
            factor: line.factor.0.clone(),
            factor_source: line.factor.1.clone(),
            claimed: tce(line.claim.tce),
            deducted: tce(deduction.tce),
            limit: deduction.limit.map(limit).unwrap_or_default(),
            rule_source: rules
                .find(line.claim.deductible)
                .map(|rule| rule.source.clone())
                .unwrap_or_default(),
            declared: line.declared.clone(),
        };
        self.lines.iter().zip(deductions).map(line).collect()
    }
}

/// Returns true if the energy that deductions leave can make a figure.
fn is_left(gross: Decimal, left: Decimal) -> bool {
    left == gross || left > Decimal::ZERO
}

/// The electricity of a gross figure, in tonnes of standard coal.
fn electricity(gross: &pb::Figure) -> Decimal {
    let is_electricity = |of: &&pb::Component| {
        let quantity = of.quantity.parse::<Quantity>();
        quantity.is_ok_and(|quantity| quantity.medium == Medium::Electricity)
    };
    let components = gross.components.iter().filter(is_electricity);
    components
        .filter_map(|of| of.contribution.as_ref()?.value.parse::<Decimal>().ok())
        .sum()
}

fn saving(target: &Asks<'_>, output: Decimal) -> Saving {
    Saving {
        target: target.percent / Decimal::ONE_HUNDRED,
        base_energy: target.base.0,
        base_output: target.base.1,
        output,
    }
}

fn bound(target: &Asks<'_>, saving: Decimal, share: Decimal, home: &Region) -> pb::RegionBound {
    let tce = |value: Decimal| Some(amount(round(value, PLACES), "tce"));
    pb::RegionBound {
        plan: target.plan.to_owned(),
        percent: target.percent.normalize().to_string(),
        base_year: target.base_year.into(),
        saving: tce(saving),
        most: saving.checked_mul(share).and_then(tce),
        home_region: home.to_string(),
    }
}

fn declared(by: &str, evidence: &str) -> String {
    match evidence {
        "" => format!("recorded by {by}"),
        evidence => format!("recorded by {by}, {evidence}"),
    }
}
