//! `ExtractForm`: the statutory form of an enterprise, made from the answers of the service, published and sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use greenpark_model::{
    day::DayRange,
    indicator::Indicator,
    quantity::{Flow, Medium, MediumClass, Quantity},
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use super::{Held, manifest_of, publish, select, send_files};
use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::{self, timestamp},
    grpc::server::{
        Shared,
        stream::{Ended, Sender},
    },
    lake::scan::Selection,
    proof::{
        folder::{Choices, FORM_FORMAT, FileDigest, Files},
        form::{
            Form,
            energy::{self, EnergyBooks, Metered},
            sheets,
            waste::{self, Amounts, Waste, WasteBooks},
        },
    },
    reference::{
        factors,
        forms::{self, Layout},
    },
    register::name::Name,
};

/// The most meters of one answer.
const PAGE_SIZE: i32 = 1_000;
/// The form that is a ledger.
const WASTE_LEDGER: &str = "waste-ledger";

/// Makes a form, publishes its manifest, and sends it.
pub(super) async fn extract(
    shared: Arc<Shared>,
    scope: Scope,
    request: pb::ExtractFormRequest,
    to: Sender<pb::FolderPart>,
) -> Result<(), Ended> {
    let layout = forms::layout(&request.form).ok_or_else(|| {
        let known: Vec<&str> = forms::ids().collect();
        let problem = format!("'{}' is none of {}", request.form, known.join(", "));
        QueryError::invalid("form", problem)
    })?;
    let asked = (
        request.name.as_str(),
        request.period.as_ref(),
        request.as_of.as_ref(),
    );
    let (selection, as_of) = select(&shared, &scope, asked).await?;
    let name = Name::Enterprise(selection.park.clone(), selection.enterprise.clone());
    let form = match layout.id.as_str() {
        WASTE_LEDGER => waste_ledger(&shared, &scope, (&name, &selection), layout).await?,
        _ => energy_form(&shared, &scope, (&name, &selection), layout).await?,
    };
    let io = |error: std::io::Error| QueryError::Broken(format!("a file of the settings: {error}"));
    let (choices, _) = Choices::of(&shared.settings).map_err(io)?;
    let mut manifest = manifest_of(&shared, &selection, choices);
    manifest.format = FORM_FORMAT.to_owned();
    manifest.form = Some(form.layout.id.clone());
    let workbook = sheets::workbook(&manifest, &form);
    let workbook =
        workbook.map_err(|error| QueryError::Broken(format!("the workbook: {error}")))?;
    let path = format!("{}.xlsx", form.layout.id);
    manifest
        .files
        .insert(path.clone(), FileDigest::of(&workbook));
    let files = Files::from([(path, workbook)]);
    let files = publish(&shared, &to, (&manifest, files), request.older_size).await?;
    send_files(&shared, &to, (files, &Held::default()), as_of).await
}

/// Form 205-1 of the selected enterprise and days.
async fn energy_form(
    shared: &Shared,
    scope: &Scope,
    (name, selection): (&Name, &Selection),
    layout: Layout,
) -> Result<Form, QueryError> {
    let request = pb::GetIndicatorRequest {
        name: name.to_string(),
        period: Some(days(selection.range)),
        as_of: selection.as_of.map(timestamp),
        ..pb::GetIndicatorRequest::default()
    };
    let figure = shared
        .get(scope.clone(), Indicator::EnergyIntensity, &request)
        .await?;
    let registry = shared.registry_as_of(request.as_of.as_ref()).await?;
    let park = registry.park(&selection.park);
    let declared = park.statistics.get(&selection.enterprise);
    let broken =
        |error: crate::reference::data_file::FileError| QueryError::Broken(error.to_string());
    let reference = factors::load(&[]).map_err(broken)?;
    let books = EnergyBooks {
        range: selection.range,
        metered: metered(&figure),
        gross_tce: gross(&figure),
        declared: declared.map_or(&[][..], Vec::as_slice),
        factors: shared.data.rules("")?.factors,
        reference: &reference,
    };
    let mut form = energy::fill(layout, &books);
    let unsound = figure
        .unsound
        .iter()
        .map(|of| format!("unsound: {}", of.detail));
    form.notes.extend(unsound.chain(figure.notes));
    Ok(form)
}

/// What the figure's meters say of each energy consumed.
fn metered(figure: &pb::Figure) -> BTreeMap<Medium, Metered> {
    let revisions = figure.revisions.iter().map(|of| {
        format!(
            "{} of {}, version {}",
            of.park, of.year, of.readings_version
        )
    });
    let books = revisions.collect::<Vec<_>>().join("; ");
    let mut metered: BTreeMap<Medium, Metered> = BTreeMap::new();
    for component in &figure.components {
        let quantity: Option<Quantity> = component.quantity.parse().ok();
        let amount = decimal(component.amount.as_ref());
        let Some((quantity, amount)) = quantity.zip(amount) else {
            continue;
        };
        if quantity.flow != Flow::Consumed {
            continue;
        }
        let text = |of: &Option<pb::Amount>| of.as_ref().map_or("0", |of| &of.value).to_owned();
        let factor = component.factor.parse().ok();
        let one = Metered {
            amount,
            factor: factor.map(|factor| (factor, component.factor_source.clone())),
            origin: format!(
                "meters: {} {}, of it estimated {}, set by hand {}; books: {books}",
                amount,
                quantity.medium.unit().symbol(),
                text(&component.estimated),
                text(&component.manual)
            ),
        };
        match metered.get_mut(&quantity.medium) {
            None => {
                metered.insert(quantity.medium, one);
            }
            Some(known) => {
                known.amount += one.amount;
                known.factor = known
                    .factor
                    .take()
                    .filter(|of| Some(of) == one.factor.as_ref());
                known.origin = format!("{} + {}", known.origin, one.origin);
            }
        }
    }
    metered
}

/// The gross consumption in tce.
fn gross(figure: &pb::Figure) -> Result<Decimal, String> {
    let gross = figure.basis_of_assessment == "gross";
    let numerator = decimal(figure.numerator.as_ref()).filter(|_| gross);
    numerator.ok_or_else(|| "the energy figure has no gross consumption".to_owned())
}

fn decimal(amount: Option<&pb::Amount>) -> Option<Decimal> {
    amount?.value.parse().ok()
}

fn days(range: DayRange) -> pb::Period {
    pb::Period {
        period: Some(pb::period::Period::Days(convert::days(range))),
    }
}

/// The ledger of waste of the selected enterprise, by the months of the days.
async fn waste_ledger(
    shared: &Shared,
    scope: &Scope,
    (name, selection): (&Name, &Selection),
    layout: Layout,
) -> Result<Form, QueryError> {
    let as_of = selection.as_of.map(timestamp);
    let mut books = WasteBooks {
        metered: metered_waste(shared, scope, name, as_of).await?,
        ..WasteBooks::default()
    };
    let mut notes = BTreeSet::new();
    let mut first = selection.range.first();
    while first <= selection.range.last() {
        let month = first.month();
        let last = month.last().min(selection.range.last());
        let range = DayRange::new(first, last)
            .ok_or_else(|| QueryError::Broken("a month that ends before it begins".to_owned()))?;
        let request = pb::GetWasteLedgerRequest {
            name: name.to_string(),
            period: Some(days(range)),
            by_code: true,
            as_of,
        };
        let ledger = shared.waste_ledger(scope.clone(), &request).await?;
        let month = first.to_string()[..7].to_owned();
        if ledger.coverage.as_ref().is_some_and(|of| of.open_days > 0) {
            books.open.insert(month.clone());
        }
        let rows = ledger.rows.iter().filter_map(amounts);
        books.months.insert(month, rows.collect());
        notes.extend(ledger.notes);
        first = last.next();
    }
    let mut form = waste::fill(layout, &books);
    form.notes.extend(notes);
    Ok(form)
}

fn amounts(row: &pb::WasteRow) -> Option<(Waste, Amounts)> {
    let medium = Medium::from_name(&row.category)?;
    let flows = [
        (Flow::Generated, &row.generated),
        (Flow::Utilized, &row.utilized),
        (Flow::UtilizedOldStock, &row.utilized_old_stock),
        (Flow::Received, &row.received),
        (Flow::Stored, &row.stored),
        (Flow::Disposed, &row.disposed),
        (Flow::DisposedOldStock, &row.disposed_old_stock),
        (Flow::Dumped, &row.dumped),
    ];
    let known = flows
        .into_iter()
        .filter_map(|(flow, amount)| Some((flow, decimal(amount.as_ref())?)));
    Some(((medium, row.code.clone()), known.collect()))
}

/// The quantities of waste that the enterprise has meters of.
async fn metered_waste(
    shared: &Shared,
    scope: &Scope,
    name: &Name,
    as_of: Option<prost_types::Timestamp>,
) -> Result<BTreeSet<Quantity>, QueryError> {
    let mut request = pb::ListMetersRequest {
        parent: name.to_string(),
        page_size: PAGE_SIZE,
        as_of,
        ..pb::ListMetersRequest::default()
    };
    let mut quantities = BTreeSet::new();
    loop {
        let page = shared.list_meters(scope.clone(), &request).await?;
        let found = page.meters.iter().filter_map(|of| of.quantity.parse().ok());
        quantities.extend(found.filter(|of: &Quantity| of.medium.class() == MediumClass::Waste));
        if page.next_page_token.is_empty() {
            return Ok(quantities);
        }
        request.page_token = page.next_page_token;
    }
}
