//! The assessment basis over gRPC: both figures beside each other, the ledger of certificates, and the basis
//! that a plan's target means.

use greenpark_model::{
    assessment::BasisOfAssessment,
    day::DayRange,
    indicator::Indicator,
    plan::{Plan, Target, TargetForm},
};
use greenpark_proto::query::v1 as pb;

use crate::{
    assessment::ledger::{Certificate, Ledger},
    error::QueryError,
    figure::{Asks, Claims, Population, Told, tell, timestamp},
    measure::Question,
    name::Name,
    paging::Page,
    plans::DEFAULT,
    progress,
    registry::Registry,
    rpc::{declare, indicators::population_of, terms::Terms},
    scope::Scope,
    service::Shared,
};

/// Whose figure is asked, by whom and by which registry.
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
    /// Puts the assessed figure beside the gross one of `told`, which is an energy intensity of no plan: the
    /// default plan's target bounds what other regions give.
    pub(super) async fn put_beside(
        &self,
        asker: Asker<'_>,
        question: &Question<'_>,
        population: &Population<'_>,
        told: &mut Told,
    ) -> Result<(), QueryError> {
        if question.indicator != Indicator::EnergyIntensity {
            return Ok(());
        }
        let grounds = self.data.grounds(&asker.registry.ledger);
        let claims = Claims::of(question, population, &grounds)?;
        let asks = match claims.need_saving(&grounds) {
            true => self.default_saving(asker).await?,
            false => None,
        };
        claims.assess(&grounds, asks, told)?;
        Ok(())
    }

    /// What the default plan's energy target asks of the period, if it lies within the plan's years and the base
    /// year has a figure.
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
        let told = match tell(&question, name.to_string(), &population) {
            // Who declared the base year at other prices has no base to save against.
            Err(QueryError::MixedPriceBases { .. }) => return Ok(None),
            told => told?,
        };
        Ok(told.ratio.map(|_| Asks {
            plan: &plan.id,
            percent,
            base_year: plan.base_year,
            base: told.parts,
        }))
    }

    /// The assessed figure beside the gross one of `told`, for a target of `plan` that the base year's gross
    /// figure `base` leads to; `None` for what is no energy intensity.
    pub(super) fn assessed_of_plan(
        &self,
        (plan, target): (&Plan, Target),
        registry: &Registry,
        (question, population): (&Question<'_>, &Population<'_>),
        (base, told): (Option<&Told>, &mut Told),
    ) -> Result<Option<Told>, QueryError> {
        if target.indicator != Indicator::EnergyIntensity {
            return Ok(None);
        }
        let grounds = self.data.grounds(&registry.ledger);
        let claims = Claims::of(question, population, &grounds)?;
        let base = base.unwrap_or(&*told);
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
        claims.assess(&grounds, asks, told).map(Some)
    }

    /// The basis of assessment that a target of `plan` means for `name` in `year`, and why.
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

    /// A plan on the wire.
    pub(super) fn plan(&self, plan: &Plan) -> pb::Plan {
        let basis = self.plans.basis_of_assessment(&plan.id);
        pb::Plan {
            basis_of_assessment: basis.map(|b| b.to_string()).unwrap_or_default(),
            ..progress::plan(plan)
        }
    }

    pub(super) async fn declare_certificates(
        &self,
        scope: Scope,
        asked: &pb::DeclareCertificatesRequest,
    ) -> Result<pb::DeclareCertificatesResponse, QueryError> {
        let says = self.says(&asked.recorded_by, &asked.evidence);
        let (park, certificates) = declare::certificates(&asked.parent, &asked.certificates, says)?;
        for certificate in &certificates {
            scope.check(certificate.used_for())?;
        }
        if !scope.sees(&park) {
            return Err(QueryError::Denied(asked.parent.clone()));
        }
        // What others record meanwhile is seen: a certificate is used once in the whole lake.
        let reference = self.books.lake.reference();
        let (version, count) = reference
            .append_checked(|entries| {
                let ledger = Ledger::read(entries).map_err(QueryError::Broken)?;
                declare::settle_certificates(&certificates, &ledger, says)
            })
            .await?;
        self.metrics.entries_recorded.inc_by(count as u64);
        tracing::info!(entries = count, version, "entries recorded");
        Ok(pb::DeclareCertificatesResponse {
            recorded: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    pub(super) async fn declare_assessment_basis(
        &self,
        scope: Scope,
        asked: &pb::DeclareAssessmentBasisRequest,
    ) -> Result<pb::AssessmentBasis, QueryError> {
        let says = self.says(&asked.recorded_by, &asked.evidence);
        let (parent, basis) = (&asked.parent, asked.basis.as_ref());
        let (name, entry) = declare::assessment_basis(parent, basis, &self.plans, says)?;
        scope.check_whole(&name)?;
        self.record(&scope, vec![entry]).await?;
        Ok(pb::AssessmentBasis {
            recorded_at: Some(timestamp(says.at)),
            ..asked.basis.clone().unwrap_or_default()
        })
    }

    pub(super) async fn list_certificates(
        &self,
        scope: Scope,
        asked: &pb::ListCertificatesRequest,
    ) -> Result<pb::ListCertificatesResponse, QueryError> {
        let parent = Name::parse("parent", &asked.parent)?;
        if matches!(parent, Name::Meter(..)) {
            let wanted = "parks/-, parks/P, parks/P/enterprises/- or parks/P/enterprises/E";
            return Err(parent.unfit("parent", wanted));
        }
        let question = format!("certificates {parent}");
        let page = Page::parse(asked.page_size, &asked.page_token, &question)?;
        scope.check(&parent)?;
        let registry = self.registry_as_of(asked.as_of.as_ref()).await?;
        if let Some(park) = parent.park() {
            self.known_park(&scope, &registry, park).await?;
        }
        let wanted =
            |of: &&Certificate| scope.check(&of.used_for).is_ok() && is_of(&parent, &of.used_for);
        let listed = registry.ledger.all().filter(wanted);
        let mut listed: Vec<(String, pb::Certificate)> = listed
            .map(|of| (format!("{} {} {}", of.used_for, of.year, of.id), told(of)))
            .collect();
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        let (listed, next_page_token) = page.cut(listed, |(key, _)| key.clone());
        Ok(pb::ListCertificatesResponse {
            certificates: listed.into_iter().map(|(_, told)| told).collect(),
            next_page_token,
        })
    }
}

/// Whether what `parent` names has `used_for` in it.
fn is_of(parent: &Name, used_for: &Name) -> bool {
    match parent {
        Name::Parks => true,
        Name::Park(park) => used_for.park() == Some(park),
        Name::Enterprises(park) => {
            matches!(used_for, Name::Enterprise(of, _) if of == park)
        }
        other => other == used_for,
    }
}

fn told(of: &Certificate) -> pb::Certificate {
    pb::Certificate {
        id: of.id.clone(),
        mwh: of.mwh.to_string(),
        generated: of.generated.to_string(),
        region: of.region.to_string(),
        kind: of.kind.to_string(),
        used_for: of.used_for.to_string(),
        year: of.year.into(),
        retired_on: of.retired_on.map(|day| day.to_string()).unwrap_or_default(),
        withdrawn: false,
        reason: String::new(),
        recorded_at: Some(timestamp(of.recorded_at)),
        recorded_by: of.recorded_by.clone(),
        evidence: of.evidence.clone(),
    }
}
