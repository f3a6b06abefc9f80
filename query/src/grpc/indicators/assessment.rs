//! The assessment basis over gRPC: the gross and the assessed figure, and the basis of a plan's target.

use greenpark_model::{
    assessment::BasisOfAssessment,
    day::DayRange,
    indicator::Indicator,
    plan::{Plan, Target, TargetForm},
};
use greenpark_proto::query::v1 as pb;

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::{
        figure::{Asks, Claims, EvaluatedFigure, Grounds, evaluate},
        measure::Question,
        population::Population,
        progress,
    },
    grpc::{indicators::population_of, options::Terms, server::Shared},
    reference::plans::DEFAULT,
    register::{name::Name, registry::Registry},
};

/// A request for a figure: its scope, registry, name and terms.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    scope: &'a Scope,
    registry: &'a Registry,
    name: &'a Name,
    terms: &'a Terms,
}

impl<'a> Asker<'a> {
    pub(super) const fn new(
        scope: &'a Scope,
        registry: &'a Registry,
        name: &'a Name,
        terms: &'a Terms,
    ) -> Self {
        Self {
            scope,
            registry,
            name,
            terms,
        }
    }
}

impl Shared {
    /// Attaches the assessed figure to the gross figure `gross`, if it is an energy intensity. No plan is requested,
    /// so the default plan's target bounds the electricity from other regions.
    pub(super) async fn attach_assessed(
        &self,
        asker: Asker<'_>,
        question: &Question<'_>,
        population: &Population<'_>,
        gross: &mut EvaluatedFigure,
    ) -> Result<(), QueryError> {
        if question.indicator != Indicator::EnergyIntensity {
            return Ok(());
        }
        let grounds = Grounds::new(&asker.registry.ledger, &self.data);
        let claims = Claims::of(question, population, &grounds)?;
        let asks = match claims.need_saving(&grounds) {
            true => self.default_saving(asker).await?,
            false => None,
        };
        claims.assess(&grounds, asks, gross)?;
        Ok(())
    }

    /// The saving that the default plan's energy target requires, if the period is within the plan's years and the
    /// base year has a figure.
    async fn default_saving(&self, asker: Asker<'_>) -> Result<Option<Asks<'_>>, QueryError> {
        let Asker {
            scope,
            registry,
            name,
            terms,
        } = asker;
        let Some((plan, _)) = self.plans.find(DEFAULT) else {
            return Ok(None);
        };
        let fall = plan.targets.iter().find_map(|target| match target.form {
            TargetForm::Fall(percent) if target.indicator == terms.indicator => Some(percent),
            _ => None,
        });
        let years = plan.base_year..=plan.end_year;
        let within =
            [terms.range.first(), terms.range.last()].map(|day| years.contains(&day.year()));
        let base = DayRange::year(plan.base_year);
        let (Some(percent), Some(range), [true, true]) = (fall, base, within) else {
            return Ok(None);
        };
        let terms = Terms {
            range,
            ..terms.clone()
        };
        let days = self.days_of(scope, registry, name, range).await?;
        let question = self.question(&terms, registry)?;
        let population = population_of(name, &days, range).making(&question);
        let evaluated = match evaluate(&question, name.to_string(), &population) {
            // Without value added of the base year at the same prices there is no base.
            Err(QueryError::MixedPriceBases { .. }) => return Ok(None),
            evaluated => evaluated?,
        };
        Ok(evaluated.ratio.map(|_| Asks {
            plan: &plan.id,
            percent,
            base_year: plan.base_year,
            base: evaluated.parts,
        }))
    }

    /// Attaches the assessed figure to the gross figure `gross` for a target of `plan`, measured from the base year's
    /// gross figure `base`. `None` if the target is no energy intensity.
    pub(super) fn assessed_of_plan(
        &self,
        (plan, target): (&Plan, Target),
        registry: &Registry,
        (question, population): (&Question<'_>, &Population<'_>),
        (base, gross): (Option<&EvaluatedFigure>, &mut EvaluatedFigure),
    ) -> Result<Option<EvaluatedFigure>, QueryError> {
        if target.indicator != Indicator::EnergyIntensity {
            return Ok(None);
        }
        let grounds = Grounds::new(&registry.ledger, &self.data);
        let claims = Claims::of(question, population, &grounds)?;
        let base = base.unwrap_or(&*gross);
        let asks = match target.form {
            TargetForm::Fall(percent) if question.range.last().year() <= plan.end_year => {
                base.ratio.map(|_| Asks {
                    plan: &plan.id,
                    percent,
                    base_year: plan.base_year,
                    base: base.parts,
                })
            }
            _ => None,
        };
        claims.assess(&grounds, asks, gross).map(Some)
    }

    /// The basis of assessment of a target of `plan` for `name` in `year`, and its source.
    pub(super) fn basis_of_assessment(
        &self,
        plan: &Plan,
        name: &Name,
        (registry, year): (&Registry, i16),
    ) -> (BasisOfAssessment, String) {
        if let Some(basis) = self.plans.basis_of_assessment(&plan.id) {
            return (basis, format!("plan '{}' says so", plan.id));
        }
        let last = DayRange::year(year).map(DayRange::last);
        let declared = last.and_then(|day| registry.ledger.basis(name, &plan.id, day));
        match declared {
            Some(declared) => (declared.basis, declared.source.clone()),
            None => (
                BasisOfAssessment::Gross,
                format!(
                    "plan '{}' does not say which basis its target means, and nobody declared it for {year}",
                    plan.id
                ),
            ),
        }
    }

    /// Converts a plan.
    pub(super) fn plan(&self, plan: &Plan) -> pb::Plan {
        let basis = self.plans.basis_of_assessment(&plan.id);
        pb::Plan {
            basis_of_assessment: basis.map(|b| b.to_string()).unwrap_or_default(),
            ..progress::plan(plan)
        }
    }
}
