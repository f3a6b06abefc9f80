//! Progress against a plan, and its scorecard.

use std::collections::BTreeSet;

use greenpark_model::{
    coal::Basis,
    day::DayRange,
    id::{EnterpriseId, ParkId},
    money::PriceBase,
    plan::{Form, Plan, Target},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    comparison::{self, FIXED_PANEL, LIKE_FOR_LIKE},
    error::QueryError,
    figure::{Told, tell, timestamp},
    limits::YEARS,
    name::Name,
    park_days::ParkDays,
    plans::DEFAULT,
    population,
    progress::{self, Years},
    registry::Registry,
    rpc::{basis, indicators::population_of, terms::Terms},
    scope::Scope,
    scorecard,
    service::Shared,
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
            let range = DayRange::year(year);
            let range = range.ok_or_else(|| QueryError::invalid("year", "is no year"))?;
            let days = self.days_of(scope, registry, &asked.name, range).await?;
            years.push(Year { year, range, days });
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
        let years = self.years(&scope, &registry, &asked).await?;
        let targets = asked.plan.targets.iter();
        Ok(pb::Progress {
            name: asked.name.to_string(),
            plan: Some(progress::plan(asked.plan)),
            year: asked.year.into(),
            targets: targets
                .map(|&target| self.judge(&asked, &years, target))
                .collect::<Result<_, _>>()?,
            as_of: Some(timestamp(self.moment(&registry))),
        })
    }

    fn judge(
        &self,
        asked: &Asked<'_>,
        years: &[Year],
        target: Target,
    ) -> Result<pb::TargetProgress, QueryError> {
        let mut figures = Vec::with_capacity(years.len());
        for year in years {
            let terms = asked.terms(target, year.range);
            let question = self.question(&terms, asked.registry)?;
            let population = population_of(&asked.name, &year.days, year.range);
            let told = tell(&question, asked.name.to_string(), &population)?;
            figures.push((year.year, told));
        }
        let mut beside = pb::TargetProgress::default();
        if let (Form::Fall(percent), [base, .., current]) = (target.form, years) {
            let fall = percent / Decimal::ONE_HUNDRED;
            match self.compare(asked, (target, fall), (base, current), &mut beside) {
                // Who declared at other prices leaves nothing to compare; the figures themselves stand.
                Err(QueryError::MixedPriceBases { .. }) => {}
                compared => compared?,
            }
            beside.forecast = comparison::forecast_of(asked.plan, &figures);
        }
        let plan = asked.plan;
        Ok(pb::TargetProgress {
            like_for_like: beside.like_for_like,
            fixed_panel: beside.fixed_panel,
            split: beside.split,
            forecast: beside.forecast,
            ..progress::judge(target, Years { plan, figures })
        })
    }

    /// Base and judged year over the same enterprises, and why the figure changed.
    fn compare(
        &self,
        asked: &Asked<'_>,
        (target, fall): (Target, Decimal),
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
        let tell = |year: &Year, members: &Members, rule| {
            let terms = asked.terms(target, year.range);
            let question = self.question(&terms, asked.registry)?;
            let population = population::panel(&year.days, year.range, members, rule);
            tell(&question, asked.name.to_string(), &population)
        };
        let (then, now) = (members(base), members(current));
        for (rule, members) in [(LIKE_FOR_LIKE, &now), (FIXED_PANEL, &then)] {
            let told = (tell(base, members, rule)?, tell(current, members, rule)?);
            let made = comparison::comparison(rule, (&told.0, &told.1), fall);
            match rule {
                LIKE_FOR_LIKE => to.like_for_like = Some(made),
                _ => to.fixed_panel = Some(made),
            }
        }
        let mut parts: Vec<(String, [Told; 2])> = Vec::new();
        for member in then.union(&now) {
            let alone = Members::from([member.clone()]);
            let part = |year: &Year, there: &Members| match there.contains(member) {
                true => tell(year, &alone, "named"),
                // It was not in the group: it neither consumed nor added value there.
                false => tell(year, &Members::new(), "named"),
            };
            let name = Name::Enterprise(member.0.clone(), member.1.clone());
            parts.push((name.to_string(), [part(base, &then)?, part(current, &now)?]));
        }
        to.split = comparison::split_of(target.indicator.unit(), &parts);
        Ok(())
    }

    pub(super) async fn scorecard(
        &self,
        scope: Scope,
        request: &pb::GetProgressRequest,
    ) -> Result<pb::Scorecard, QueryError> {
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        let asked = self.asked(request, &registry)?;
        let years = self.years(&scope, &registry, &asked).await?;
        let mut lines = Vec::new();
        for &target in &asked.plan.targets {
            lines.push(scorecard::measured(&self.judge(&asked, &years, target)?));
        }
        for of in self.plans.declared(&asked.plan.id) {
            let values = match scope.check_whole(&asked.name) {
                Ok(()) => registry.declared(&asked.name, &asked.plan.id, &of.id),
                Err(_) => scorecard::Values::new(),
            };
            let figure = match of.measured {
                Some(indicator) => self.measured(&asked, &years, indicator)?,
                None => None,
            };
            let mut line = scorecard::declared(asked.plan, asked.year, of, (&values, figure));
            if of.scale.is_some() {
                let binds = "binds only parks of the scale that its source names";
                line.notes.push(binds.to_owned());
            }
            lines.push(line);
        }
        Ok(pb::Scorecard {
            name: asked.name.to_string(),
            plan: Some(progress::plan(asked.plan)),
            year: asked.year.into(),
            lines,
            as_of: Some(timestamp(self.moment(&registry))),
        })
    }

    /// The figures of the base and the judged year that meters tell, as far as they can be judged.
    fn measured(
        &self,
        asked: &Asked<'_>,
        years: &[Year],
        indicator: greenpark_model::indicator::Indicator,
    ) -> Result<Option<(Option<Decimal>, Decimal)>, QueryError> {
        let form = Form::Floor(Decimal::ZERO);
        let figure = |year: &Year| {
            let terms = asked.terms(Target { indicator, form }, year.range);
            let population = population_of(&asked.name, &year.days, year.range);
            tell(
                &self.question(&terms, asked.registry)?,
                asked.name.to_string(),
                &population,
            )
        };
        let sound = |told: Told| {
            let ratio = told.ratio.filter(|_| told.unsound.is_empty());
            ratio.map(|ratio| ratio.told())
        };
        let (Some(base), Some(current)) = (years.first(), years.last()) else {
            return Ok(None);
        };
        let base = sound(figure(base)?);
        Ok(sound(figure(current)?).map(|current| (base, current)))
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
