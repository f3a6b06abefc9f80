//! Progress against a plan, and the plan's scorecard.

use std::collections::BTreeSet;

use greenpark_model::{
    assessment::BasisOfAssessment,
    coal::Basis,
    day::DayRange,
    id::{EnterpriseId, ParkId},
    money::PriceBase,
    plan::{Plan, Target, TargetForm},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::{
        comparison::{self, FIXED_PANEL, LIKE_FOR_LIKE},
        convert::timestamp,
        figure::{EvaluatedFigure, evaluate, parts},
        park_days::ParkDays,
        population::{self, NAMED},
        progress::{self, Years},
        scorecard,
    },
    grpc::{
        indicators::population_of,
        options::{Terms, basis},
        server::{Shared, answers::CachedQuestion},
    },
    limits::YEARS,
    reference::plans::DEFAULT,
    register::{indicator_values::Values, name::Name, registry::Registry},
};

/// Enterprises of any parks.
type Members = BTreeSet<(ParkId, EnterpriseId)>;

/// A parsed request about a plan.
struct PlanRequest<'a> {
    registry: &'a Registry,
    name: Name,
    plan: &'a Plan,
    price_base: PriceBase,
    basis: Basis,
    year: i16,
}

/// A year, and the days for its figures.
struct Year {
    year: i16,
    range: DayRange,
    days: Vec<ParkDays>,
}

impl PlanRequest<'_> {
    fn terms(&self, target: Target, range: DayRange) -> Terms {
        Terms {
            basis: self.basis,
            price_base: self.price_base,
            ..Terms::plain(target.indicator, range)
        }
    }

    /// The key of a cached answer.
    fn cached_question<'a>(
        &'a self,
        method: &'static str,
        scope: &'a Scope,
    ) -> Result<CachedQuestion<'a>, QueryError> {
        let Self {
            plan,
            price_base,
            basis,
            year,
            ..
        } = self;
        Ok(CachedQuestion {
            text: format!("{method} {} {price_base} {basis} {year}", plan.id),
            name: &self.name,
            last: whole_year(*year)?.last(),
            scope,
            registry: self.registry,
        })
    }
}

fn whole_year(year: i16) -> Result<DayRange, QueryError> {
    DayRange::year(year).ok_or_else(|| QueryError::invalid("year", "is no year"))
}

impl Shared {
    fn parse_plan_request<'a>(
        &'a self,
        request: &pb::GetProgressRequest,
        registry: &'a Registry,
    ) -> Result<PlanRequest<'a>, QueryError> {
        let name = Name::parse("name", &request.name)?;
        let id = match request.plan.as_str() {
            "" => DEFAULT,
            id => id,
        };
        let (plan, price_base) = self.plans.find(id).ok_or_else(|| QueryError::NotFound {
            name: id.chars().take(80).collect(),
            known: self.plans.all().iter().map(|p| p.id.clone()).collect(),
        })?;
        let basis = plan_basis(request.basis, id, self.plans.basis(id))?;
        let year = judged_year(request.year, plan, self.moment(registry).day().year())?;
        Ok(PlanRequest {
            registry,
            name,
            plan,
            price_base,
            basis,
            year,
        })
    }

    /// Loads the days of every year from the plan's base year to the judged year.
    async fn years(
        &self,
        scope: &Scope,
        registry: &Registry,
        parsed: &PlanRequest<'_>,
    ) -> Result<Vec<Year>, QueryError> {
        let mut years = Vec::new();
        for year in parsed.plan.base_year..=parsed.year {
            years.push(Year {
                year,
                range: whole_year(year)?,
                days: Vec::new(),
            });
        }
        match parsed.name {
            // Parks one by one, because the years of a park share books.
            Name::Parks => {
                for park in self.permitted_parks(scope, registry).await? {
                    for year in &mut years {
                        let days = self.park_days(scope, registry, &park, year.range);
                        year.days.push(days.await?);
                    }
                }
            }
            _ => {
                for year in &mut years {
                    let days = self.days_of(scope, registry, &parsed.name, year.range);
                    year.days = days.await?;
                }
            }
        }
        for Year { range, days, .. } in &mut years {
            for &target in &parsed.plan.targets {
                let terms = parsed.terms(target, *range);
                self.recall(registry, &parsed.name, &terms, days).await?;
            }
        }
        Ok(years)
    }

    pub(in crate::grpc) async fn progress(
        &self,
        scope: Scope,
        request: &pb::GetProgressRequest,
    ) -> Result<pb::Progress, QueryError> {
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        let parsed = self.parse_plan_request(request, &registry)?;
        scope.check(&parsed.name)?;
        let cached_question = parsed.cached_question("progress", &scope)?;
        let make = async {
            let years = self.years(&scope, &registry, &parsed).await?;
            let targets = parsed.plan.targets.iter();
            Ok(pb::Progress {
                name: parsed.name.to_string(),
                plan: Some(self.plan(parsed.plan)),
                year: parsed.year.into(),
                targets: targets
                    .map(|&target| self.judge(&parsed, &years, target))
                    .collect::<Result<_, _>>()?,
                as_of: Some(timestamp(self.moment(&registry))),
            })
        };
        self.cached(cached_question, make).await
    }

    fn judge(
        &self,
        parsed: &PlanRequest<'_>,
        years: &[Year],
        target: Target,
    ) -> Result<pb::TargetProgress, QueryError> {
        let (mut figures, mut assessed): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        for year in years {
            let terms = parsed.terms(target, year.range);
            let question = self.question(&terms, parsed.registry)?;
            let population = population_of(&parsed.name, &year.days, year.range);
            let mut evaluated = evaluate(&question, parsed.name.to_string(), &population)?;
            let base = figures.first().map(|(_, base)| base);
            let (plan, registry) = ((parsed.plan, target), parsed.registry);
            let of = (&question, &population);
            let made = self.assessed_of_plan(plan, registry, of, (base, &mut evaluated))?;
            assessed.extend(made.map(|made| (year.year, made)));
            figures.push((year.year, evaluated));
        }
        let plan = parsed.plan;
        let mut beside = pb::TargetProgress::default();
        let mut basis = BasisOfAssessment::Gross;
        if !assessed.is_empty() {
            let of = (parsed.registry, parsed.year);
            (basis, beside.basis_source) = self.basis_of_assessment(plan, &parsed.name, of);
            if basis == BasisOfAssessment::Assessed {
                std::mem::swap(&mut figures, &mut assessed);
            }
            beside.basis_of_assessment = basis.to_string();
            beside.other_basis = progress::other_basis(target, plan, assessed);
        }
        if let (TargetForm::Fall(percent), [base, .., current]) = (target.form, years) {
            let fall = percent / Decimal::ONE_HUNDRED;
            // The change is split among members only if both figures of the group are sound.
            beside.split_unsound =
                progress::reasons(figures.first().into_iter().chain(figures.last()));
            let of = (target, basis, fall);
            match self.compare(parsed, of, (base, current), &mut beside) {
                // Value added at other prices allows no comparison; the figures themselves remain.
                Err(QueryError::MixedPriceBases { .. }) => {}
                compared => compared?,
            }
            match comparison::forecast_of(plan, &figures) {
                Ok(forecast) => beside.forecast = forecast,
                Err(unsound) => beside.forecast_unsound = unsound,
            }
        }
        Ok(pb::TargetProgress {
            like_for_like: beside.like_for_like,
            fixed_panel: beside.fixed_panel,
            split: beside.split,
            forecast: beside.forecast,
            split_unsound: beside.split_unsound,
            forecast_unsound: beside.forecast_unsound,
            basis_of_assessment: beside.basis_of_assessment,
            basis_source: beside.basis_source,
            other_basis: beside.other_basis,
            ..progress::judge(target, Years { plan, figures })
        })
    }

    /// Compares the base and the judged year over the same enterprises, and splits the change.
    fn compare(
        &self,
        parsed: &PlanRequest<'_>,
        (target, basis, fall): (Target, BasisOfAssessment, Decimal),
        (base, current): (&Year, &Year),
        to: &mut pb::TargetProgress,
    ) -> Result<(), QueryError> {
        let members = |year: &Year| -> Members {
            population_of(&parsed.name, &year.days, year.range)
                .members
                .iter()
                .map(|(park, enterprise)| (park.park.clone(), enterprise.clone()))
                .collect()
        };
        let evaluate = |year: &Year, members: &Members, rule| {
            let terms = parsed.terms(target, year.range);
            let question = self.question(&terms, parsed.registry)?;
            let population = population::panel(&year.days, year.range, members, rule);
            let population = population.there(year.range);
            evaluate(&question, parsed.name.to_string(), &population)
        };
        let required_fall = (parsed.year <= parsed.plan.end_year).then_some(fall);
        let (then, now) = (members(base), members(current));
        for (rule, members) in [(LIKE_FOR_LIKE, &now), (FIXED_PANEL, &then)] {
            let mut evaluated = (
                evaluate(base, members, rule)?,
                evaluate(current, members, rule)?,
            );
            if basis == BasisOfAssessment::Assessed {
                let panel = (target, members, rule);
                evaluated = self.assessed_pair(parsed, panel, [base, current], evaluated)?;
            }
            let (base, current) = ((base.year, evaluated.0), (current.year, evaluated.1));
            let made = comparison::comparison(rule, (&base, &current), required_fall);
            match rule {
                LIKE_FOR_LIKE => to.like_for_like = Some(made),
                _ => to.fixed_panel = Some(made),
            }
        }
        if !to.split_unsound.is_empty() {
            return Ok(());
        }
        // Consumption of a park as a whole belongs to no member, so the change of the gross figure is split.
        let mut of_members: Vec<comparison::MemberYears> = Vec::new();
        for member in then.union(&now) {
            let alone = Members::from([member.clone()]);
            let part = |year: &Year, there: &Members| {
                if !there.contains(member) {
                    return Ok(None);
                }
                let terms = parsed.terms(target, year.range);
                let question = self.question(&terms, parsed.registry)?;
                let population = population::panel(&year.days, year.range, &alone, NAMED);
                parts(&question, &population.there(year.range)).map(Some)
            };
            let name = Name::Enterprise(member.0.clone(), member.1.clone());
            of_members.push((name.to_string(), [part(base, &then)?, part(current, &now)?]));
        }
        let of = (target.indicator.unit(), [base.year, current.year]);
        match comparison::split_of(&self.books.cache, of, &of_members) {
            Ok(split) => to.split = split,
            Err(unsound) => to.split_unsound = unsound,
        }
        Ok(())
    }

    /// The assessed figures of two years of one panel; `evaluated` are the gross figures.
    fn assessed_pair(
        &self,
        parsed: &PlanRequest<'_>,
        (target, members, rule): (Target, &Members, &'static str),
        years: [&Year; 2],
        (mut base, mut current): (EvaluatedFigure, EvaluatedFigure),
    ) -> Result<(EvaluatedFigure, EvaluatedFigure), QueryError> {
        let assess =
            |year: &Year, base: Option<&EvaluatedFigure>, evaluated: &mut EvaluatedFigure| {
                let terms = parsed.terms(target, year.range);
                let question = self.question(&terms, parsed.registry)?;
                let population = population::panel(&year.days, year.range, members, rule);
                let population = population.there(year.range);
                let (plan, registry) = ((parsed.plan, target), parsed.registry);
                self.assessed_of_plan(plan, registry, (&question, &population), (base, evaluated))
            };
        let then = assess(years[0], None, &mut base)?;
        let now = assess(years[1], Some(&base), &mut current)?;
        Ok((then.unwrap_or(base), now.unwrap_or(current)))
    }

    pub(super) async fn scorecard(
        &self,
        scope: Scope,
        request: &pb::GetProgressRequest,
    ) -> Result<pb::Scorecard, QueryError> {
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        let parsed = self.parse_plan_request(request, &registry)?;
        scope.check(&parsed.name)?;
        let cached_question = parsed.cached_question("scorecard", &scope)?;
        self.cached(cached_question, self.lines(&scope, &parsed))
            .await
    }

    async fn lines(
        &self,
        scope: &Scope,
        parsed: &PlanRequest<'_>,
    ) -> Result<pb::Scorecard, QueryError> {
        let registry = parsed.registry;
        let years = self.years(scope, registry, parsed).await?;
        let mut lines = Vec::new();
        for &target in &parsed.plan.targets {
            lines.push(scorecard::measured(&self.judge(parsed, &years, target)?));
        }
        for of in self.plans.declared(&parsed.plan.id) {
            let values = match scope.check_whole(&parsed.name) {
                Ok(()) => registry.declared(&parsed.name, &parsed.plan.id, &of.id),
                Err(_) => Values::new(),
            };
            let figures = match of.measured {
                Some(indicator) => self.measured(parsed, &years, indicator)?,
                None => None,
            };
            let mut line =
                scorecard::declared(parsed.plan, parsed.year, of, (&values, figures.as_ref()));
            if of.scale.is_some() {
                let binds = "binds only parks of the scale that its source names";
                line.notes.push(binds.to_owned());
            }
            lines.push(line);
        }
        Ok(pb::Scorecard {
            name: parsed.name.to_string(),
            plan: Some(self.plan(parsed.plan)),
            year: parsed.year.into(),
            lines,
            as_of: Some(timestamp(self.moment(registry))),
        })
    }

    /// The metered figures of the base and the judged year.
    fn measured(
        &self,
        parsed: &PlanRequest<'_>,
        years: &[Year],
        indicator: greenpark_model::indicator::Indicator,
    ) -> Result<Option<[(i16, EvaluatedFigure); 2]>, QueryError> {
        let form = TargetForm::Floor(Decimal::ZERO);
        let figure = |year: &Year| {
            let terms = parsed.terms(Target { indicator, form }, year.range);
            let population = population_of(&parsed.name, &year.days, year.range);
            let question = self.question(&terms, parsed.registry)?;
            let evaluated = evaluate(&question, parsed.name.to_string(), &population)?;
            Ok::<_, QueryError>((year.year, evaluated))
        };
        let (Some(base), Some(current)) = (years.first(), years.last()) else {
            return Ok(None);
        };
        Ok(Some([figure(base)?, figure(current)?]))
    }
}

/// The basis to judge a plan at. The requested basis must be that of its targets.
fn plan_basis(parsed: i32, plan: &str, set_at: Option<Basis>) -> Result<Basis, QueryError> {
    let wished = basis(parsed)?;
    match set_at {
        Some(set_at) if parsed == pb::Basis::Unspecified as i32 => Ok(set_at),
        Some(set_at) if set_at != wished => {
            let message = format!(
                "the targets of plan '{plan}' are set at basis {set_at}, and figures of different bases are \
                 not compared: ask without a basis for the verdict, or GetEnergyIntensity at basis {wished} \
                 for the figure"
            );
            Err(QueryError::Precondition("BASIS_MISMATCH", message))
        }
        _ => Ok(wished),
    }
}

/// The requested year, or the last complete year of the plan.
fn judged_year(parsed: i32, plan: &Plan, this_year: i16) -> Result<i16, QueryError> {
    if parsed == 0 {
        let year = plan.end_year.min(this_year.saturating_sub(1));
        return (year >= plan.base_year).then_some(year).ok_or_else(|| {
            let message = format!(
                "plan '{}' has no complete year yet; ask for one by its number",
                plan.id
            );
            QueryError::Precondition("PLAN_NOT_BEGUN", message)
        });
    }
    let last = plan.end_year.max(this_year).min(*YEARS.end());
    i16::try_from(parsed)
        .ok()
        .filter(|year| (plan.base_year..=last).contains(year))
        .ok_or_else(|| {
            let problem = format!(
                "{parsed} is not from {} to {last}; write 0 for the last complete year",
                plan.base_year
            );
            QueryError::invalid("year", problem)
        })
}
