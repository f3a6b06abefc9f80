//! Declares sides and withdraws statements over gRPC.

use greenpark_archive::meters::MeterKey;
use greenpark_proto::query::v1 as pb;

use crate::{
    access::scope::Scope,
    error::QueryError,
    grpc::{
        registry::declare::{self, Statement},
        server::Shared,
    },
    register::{name::Name, registry::Park},
};

impl Shared {
    pub(super) async fn declare_sides(
        &self,
        scope: Scope,
        request: &pb::DeclareSidesRequest,
    ) -> Result<pb::DeclareSidesResponse, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (park, entries) = declare::sides(&request.parent, &request.sides, provenance)?;
        for entry in &entries {
            scope.check(&Name::parse("sides", &entry.subject)?)?;
        }
        if !scope.sees(&park) {
            return Err(QueryError::Hidden(request.parent.clone()));
        }
        let recorded = self.record(&scope, entries).await?;
        Ok(pb::DeclareSidesResponse { recorded })
    }

    pub(super) async fn withdraw(
        &self,
        scope: Scope,
        request: &pb::WithdrawRequest,
    ) -> Result<pb::WithdrawResponse, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (park, withdrawals) =
            declare::withdrawals(&request.parent, &request.withdrawals, provenance)?;
        for withdrawal in &withdrawals {
            scope.check(&withdrawal.name())?;
        }
        if !scope.sees(&park) {
            return Err(QueryError::Hidden(request.parent.clone()));
        }
        let known = self.registry().await?.park(&park);
        let recorded = self.books.lake.reference().entries().await?;
        let (mut entries, mut problems, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for (index, withdrawal) in withdrawals.iter().enumerate() {
            let twice = withdrawals[..index]
                .iter()
                .any(|earlier| earlier.statement == withdrawal.statement);
            if twice {
                problems.push(format!(
                    "{} stands in the request twice: withdrawals[{index}]",
                    withdrawal.name()
                ));
                continue;
            }
            match withdrawal.entry(&known, &recorded.entries, provenance) {
                Ok(entry) => entries.push(entry),
                Err(problem) => problems.push(problem),
            }
            if let Statement::MeterChange { key, at } = &withdrawal.statement {
                notes.extend(later_multiplier(&known, key, *at, &withdrawal.name()));
            }
        }
        if !problems.is_empty() {
            let message = format!("nothing was withdrawn: {}", problems.join("; "));
            return Err(QueryError::Precondition("NOTHING_TO_WITHDRAW", message));
        }
        let recorded = self.record(&scope, entries).await?;
        Ok(pb::WithdrawResponse { recorded, notes })
    }
}

/// The change after the withdrawn one was recorded with the multiplier valid then, and keeps it.
fn later_multiplier(
    known: &Park,
    key: &MeterKey,
    at: greenpark_model::day::Instant,
    name: &Name,
) -> Option<String> {
    let changes = known.meters.changes(key);
    let withdrawn = changes.iter().find(|change| change.instant == at)?;
    let next = changes.iter().find(|change| change.instant > at)?;
    (next.multiplier == withdrawn.multiplier).then(|| {
        format!(
            "the change of {name} at {} keeps the multiplier {} of the withdrawn one; record it again if another holds",
            next.instant,
            next.multiplier.value()
        )
    })
}
