//! Progress against a plan, and its scorecard.

use std::collections::BTreeSet;

use greenpark_model::{
    assessment::BasisOfAssessment,
    coal::Basis,
    day::DayRange,
    id::{EnterpriseId, ParkId},
    money::PriceBase,
    plan::{Form, Plan, Target},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
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
        server::{Shared, answers::Asking},
    },
    limits::YEARS,
    reference::plans::DEFAULT,
    register::{indicator_values::Values, name::Name, registry::Registry},
    scope::Scope,
};

/// Some enterprises, wherever they are.
type Members = BTreeSet<(ParkId, EnterpriseId)>;

/// What is asked of a plan.
struct Asked<'a> {
    registry: &'a Registry,
    name: Name,
    plan: &'a Plan,
    price_base: PriceBase,
    basis: Basis,
    year: i16,
}

/// One year and the days that its figures stand on.
struct Year {
    year: i16,
    range: DayRange,
    days: Vec<ParkDays>,
}

impl Asked<'_> {
    fn terms(&self, target: Target, range: DayRange) -> Terms {
        Terms {
            basis: self.basis,
            price_base: self.price_base,
            ..Terms::plain(target.indicator, range)
        }
    }

    /// The question as one that may have been answered before.
    fn asking<'a>(
        &'a self,
        what: &'static str,
        scope: &'a Scope,
    ) -> Result<Asking<'a>, QueryError> {
        let Self {
            plan,
            price_base,
            basis,
            year,
            ..
        } = self;
        Ok(Asking {
            what: format!("{what} {} {price_base} {basis} {year}", plan.id),
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
    fn asked<'a>(
        &'a self,
        request: &pb::GetProgressRequest,
        registry: &'a Registry,
    ) -> Result<Asked<'a>, QueryError> {
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
        Ok(Asked {
            registry,
            name,
            plan,
            price_base,
            basis,
            year,
        })
    }

    /// The days of every year from the plan's base to the judged one.
    async fn years(
        &self,
        scope: &Scope,
        registry: &Registry,
        asked: &Asked<'_>,
    ) -> Result<Vec<Year>, QueryError> {
        let mut years = Vec::new();
        for year in asked.plan.base_year..=asked.year {
            years.push(Year {
                year,
                range: whole_year(year)?,
                days: Vec::new(),
            });
        }
        match asked.name {
            // A park after the other, for its years have books in common.
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
                    let days = self.days_of(scope, registry, &asked.name, year.range);
                    year.days = days.await?;
                }
            }
        }
        for Year { range, days, .. } in &mut years {
            for &target in &asked.plan.targets {
                let terms = asked.terms(target, *range);
                self.recall(registry, &asked.name, &terms, days).await?;
            }
        }
        Ok(years)
    }

    pub(super) async fn progress(
        &self,
        scope: Scope,
        request: &pb::GetProgressRequest,
    ) -> Result<pb::Progress, QueryError> {
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        let asked = self.asked(request, &registry)?;
        scope.check(&asked.name)?;
        let asking = asked.asking("progress", &scope)?;
        let make = async {
            let years = self.years(&scope, &registry, &asked).await?;
            let targets = asked.plan.targets.iter();
            Ok(pb::Progress {
                name: asked.name.to_string(),
                plan: Some(self.plan(asked.plan)),
                year: asked.year.into(),
                targets: targets
                    .map(|&target| self.judge(&asked, &years, target))
                    .collect::<Result<_, _>>()?,
                as_of: Some(timestamp(self.moment(&registry))),
            })
        };
        self.once(asking, make).await
    }

    fn judge(
        &self,
        asked: &Asked<'_>,
        years: &[Year],
        target: Target,
    ) -> Result<pb::TargetProgress, QueryError> {
        let (mut figures, mut assessed): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        for year in years {
            let terms = asked.terms(target, year.range);
            let question = self.question(&terms, asked.registry)?;
            let population = population_of(&asked.name, &year.days, year.range);
            let mut told = evaluate(&question, asked.name.to_string(), &population)?;
            let base = figures.first().map(|(_, base)| base);
            let (plan, registry) = ((asked.plan, target), asked.registry);
            let of = (&question, &population);
            let made = self.assessed_of_plan(plan, registry, of, (base, &mut told))?;
            assessed.extend(made.map(|made| (year.year, made)));
            figures.push((year.year, told));
        }
        let plan = asked.plan;
        let mut beside = pb::TargetProgress::default();
        let mut basis = BasisOfAssessment::Gross;
        if !assessed.is_empty() {
            let of = (asked.registry, asked.year);
            (basis, beside.basis_source) = self.basis_of_assessment(plan, &asked.name, of);
            if basis == BasisOfAssessment::Assessed {
                std::mem::swap(&mut figures, &mut assessed);
            }
            beside.basis_of_assessment = basis.to_string();
            beside.other_basis = progress::other_basis(target, plan, assessed);
        }
        if let (Form::Fall(percent), [base, .., current]) = (target.form, years) {
            let fall = percent / Decimal::ONE_HUNDRED;
            // Members are split only where both figures of the group are sound.
            beside.split_unsound =
                progress::reasons(figures.first().into_iter().chain(figures.last()));
            let of = (target, basis, fall);
            match self.compare(asked, of, (base, current), &mut beside) {
                // Who declared at other prices leaves nothing to compare; the figures themselves stand.
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

    /// Base and judged year over the same enterprises, and why the figure changed.
    fn compare(
        &self,
        asked: &Asked<'_>,
        (target, basis, fall): (Target, BasisOfAssessment, Decimal),
        (base, current): (&Year, &Year),
        to: &mut pb::TargetProgress,
    ) -> Result<(), QueryError> {
        let members = |year: &Year| -> Members {
            population_of(&asked.name, &year.days, year.range)
                .members
                .iter()
                .map(|(park, enterprise)| (park.park.clone(), enterprise.clone()))
                .collect()
        };
        let evaluate = |year: &Year, members: &Members, rule| {
            let terms = asked.terms(target, year.range);
            let question = self.question(&terms, asked.registry)?;
            let population = population::panel(&year.days, year.range, members, rule);
            let population = population.there(year.range);
            evaluate(&question, asked.name.to_string(), &population)
        };
        let asked_fall = (asked.year <= asked.plan.end_year).then_some(fall);
        let (then, now) = (members(base), members(current));
        for (rule, members) in [(LIKE_FOR_LIKE, &now), (FIXED_PANEL, &then)] {
            let mut told = (
                evaluate(base, members, rule)?,
                evaluate(current, members, rule)?,
            );
            if basis == BasisOfAssessment::Assessed {
                let panel = (target, members, rule);
                told = self.assessed_pair(asked, panel, [base, current], told)?;
            }
            let (base, current) = ((base.year, told.0), (current.year, told.1));
            let made = comparison::comparison(rule, (&base, &current), asked_fall);
            match rule {
                LIKE_FOR_LIKE => to.like_for_like = Some(made),
                _ => to.fixed_panel = Some(made),
            }
        }
        if !to.split_unsound.is_empty() {
            return Ok(());
        }
        // What a park uses as a whole is of no member, so the change of the gross figure is split.
        let mut of_members: Vec<comparison::MemberYears> = Vec::new();
        for member in then.union(&now) {
            let alone = Members::from([member.clone()]);
            let part = |year: &Year, there: &Members| {
                if !there.contains(member) {
                    return Ok(None);
                }
                let terms = asked.terms(target, year.range);
                let question = self.question(&terms, asked.registry)?;
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

    /// The assessed figures of two years of one panel, whose gross ones are `told`.
    fn assessed_pair(
        &self,
        asked: &Asked<'_>,
        (target, members, rule): (Target, &Members, &'static str),
        years: [&Year; 2],
        (mut base, mut current): (EvaluatedFigure, EvaluatedFigure),
    ) -> Result<(EvaluatedFigure, EvaluatedFigure), QueryError> {
        let assess = |year: &Year, base: Option<&EvaluatedFigure>, told: &mut EvaluatedFigure| {
            let terms = asked.terms(target, year.range);
            let question = self.question(&terms, asked.registry)?;
            let population = population::panel(&year.days, year.range, members, rule);
            let population = population.there(year.range);
            let (plan, registry) = ((asked.plan, target), asked.registry);
            self.assessed_of_plan(plan, registry, (&question, &population), (base, told))
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
        let asked = self.asked(request, &registry)?;
        scope.check(&asked.name)?;
        let asking = asked.asking("scorecard", &scope)?;
        self.once(asking, self.lines(&scope, &asked)).await
    }

    async fn lines(&self, scope: &Scope, asked: &Asked<'_>) -> Result<pb::Scorecard, QueryError> {
        let registry = asked.registry;
        let years = self.years(scope, registry, asked).await?;
        let mut lines = Vec::new();
        for &target in &asked.plan.targets {
            lines.push(scorecard::measured(&self.judge(asked, &years, target)?));
        }
        for of in self.plans.declared(&asked.plan.id) {
            let values = match scope.check_whole(&asked.name) {
                Ok(()) => registry.declared(&asked.name, &asked.plan.id, &of.id),
                Err(_) => Values::new(),
            };
            let figures = match of.measured {
                Some(indicator) => self.measured(asked, &years, indicator)?,
                None => None,
            };
            let mut line =
                scorecard::declared(asked.plan, asked.year, of, (&values, figures.as_ref()));
            if of.scale.is_some() {
                let binds = "binds only parks of the scale that its source names";
                line.notes.push(binds.to_owned());
            }
            lines.push(line);
        }
        Ok(pb::Scorecard {
            name: asked.name.to_string(),
            plan: Some(self.plan(asked.plan)),
            year: asked.year.into(),
            lines,
            as_of: Some(timestamp(self.moment(registry))),
        })
    }

    /// The figures of the base and the judged year that meters tell.
    fn measured(
        &self,
        asked: &Asked<'_>,
        years: &[Year],
        indicator: greenpark_model::indicator::Indicator,
    ) -> Result<Option<[(i16, EvaluatedFigure); 2]>, QueryError> {
        let form = Form::Floor(Decimal::ZERO);
        let figure = |year: &Year| {
            let terms = asked.terms(Target { indicator, form }, year.range);
            let population = population_of(&asked.name, &year.days, year.range);
            let question = self.question(&terms, asked.registry)?;
            let told = evaluate(&question, asked.name.to_string(), &population)?;
            Ok::<_, QueryError>((year.year, told))
        };
        let (Some(base), Some(current)) = (years.first(), years.last()) else {
            return Ok(None);
        };
        Ok(Some([figure(base)?, figure(current)?]))
    }
}

/// The basis that a plan is judged at: what is asked must be what its targets are set at.
fn plan_basis(asked: i32, plan: &str, set_at: Option<Basis>) -> Result<Basis, QueryError> {
    let wished = basis(asked)?;
    match set_at {
        Some(set_at) if asked == pb::Basis::Unspecified as i32 => Ok(set_at),
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

/// The year that is asked, or the last complete one of the plan.
fn judged_year(asked: i32, plan: &Plan, this_year: i16) -> Result<i16, QueryError> {
    if asked == 0 {
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
    i16::try_from(asked)
        .ok()
        .filter(|year| (plan.base_year..=last).contains(year))
        .ok_or_else(|| {
            let problem = format!(
                "{asked} is not from {} to {last}; write 0 for the last complete year",
                plan.base_year
            );
            QueryError::invalid("year", problem)
        })
}
