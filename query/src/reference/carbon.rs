//! Carbon sets from TOML: the built-in one and those of the operator.
//!
//! A file has grid factors, each with the days it applies to, and fuel factors, each with the parts of its published
//! product. A product that differs from that of its parts is a mistake, and so are two grid factors of one region on
//! one day.

use std::path::PathBuf;

use greenpark_model::{
    carbon::{CarbonSet, Composition, FuelFactor, GridFactor, UnknownRegion},
    quantity::Medium,
};
use rust_decimal::Decimal;

use crate::reference::{
    data_file::{Document, Entry, FileError, day, positive},
    footprint,
};

const BUILT_IN: &str = include_str!("../../data/carbon/ghg-2025.toml");

/// The built-in factors, with the entries of `files` before them.
///
/// # Errors
/// [`FileError`] names the first file that is wrong and all of its mistakes.
pub fn load(files: &[PathBuf]) -> Result<CarbonSet, FileError> {
    let mut set = parse(BUILT_IN, "built-in carbon factors")?;
    for file in files {
        let path = file.display().to_string();
        let text = FileError::read(file)?;
        let mut added = parse(&text, &path)?;
        added.grid.append(&mut set.grid);
        added.fuels.append(&mut set.fuels);
        added.id = format!("{}+{}", added.id, set.id);
        set = added;
    }
    Ok(set)
}

fn parse(text: &str, path: &str) -> Result<CarbonSet, FileError> {
    let mut document = Document::parse(text).map_err(FileError::parse("carbon factors", path))?;
    // Refuse footprint factors in the file's head and in lists of their own.
    footprint::refuse(&mut document.head());
    for (number, problem) in document.list("footprint", |_| Some(footprint::check("footprint"))) {
        let problem = problem.err().map(|problem| problem.to_string());
        let entry = format!("footprint {number}");
        document.note(&entry, "footprint", problem.unwrap_or_default());
    }
    let id = document.head().text("id");
    let grid = document.list("grid", grid);
    let fuels = document.list("fuel", fuel);
    for (place, (number, factor)) in grid.iter().enumerate() {
        let same = |(_, other): &&(usize, GridFactor)| is_overlap(other, factor);
        if let Some((first, _)) = grid.iter().take(place).find(same) {
            let problem = format!("grid {first} holds for {} on these days", factor.region);
            document.note(&format!("grid {number}"), "valid_from", problem);
        }
    }
    let set = id.map(|id| CarbonSet {
        id,
        grid: grid.into_iter().map(|(_, factor)| factor).collect(),
        fuels: fuels.into_iter().map(|(_, factor)| factor).collect(),
    });
    document.finish(set).map_err(FileError::wrong(path))
}

fn is_overlap(one: &GridFactor, other: &GridFactor) -> bool {
    let starts_within =
        |a: &GridFactor, b: &GridFactor| a.valid_to.is_none_or(|last| b.valid_from <= last);
    one.region == other.region && starts_within(one, other) && starts_within(other, one)
}

fn grid(entry: &mut Entry<'_>) -> Option<GridFactor> {
    footprint::refuse(entry);
    let region = entry.required("region", |text| {
        text.parse()
            .map_err(|error: UnknownRegion| error.to_string())
    });
    let year = entry.year("year");
    let kg_per_kwh = entry.required("kg_per_kwh", positive);
    let validity = entry.validity();
    let published = entry.required("published", day);
    let source = entry.source();
    let (valid_from, valid_to) = validity?;
    Some(GridFactor {
        region: region?,
        year: year?,
        kg_per_kwh: kg_per_kwh?,
        valid_from,
        valid_to,
        published: published?,
        source: source?,
    })
}

fn fuel(entry: &mut Entry<'_>) -> Option<FuelFactor> {
    footprint::refuse(entry);
    let medium = entry.required("medium", |text| {
        Medium::from_name(text)
            .filter(|medium| *medium != Medium::Electricity)
            .ok_or_else(|| format!("'{text}' is no fuel and no heat"))
    });
    // The title is for human readers of the file: a source may name a fuel more precisely than a medium does.
    let title = entry.text("title");
    let power = entry.required("unit", |unit| {
        medium.map_or(Ok(0), |medium| power_of_ten(unit, medium))
    });
    let product = entry.required("tco2_per_unit", positive);
    let composition = composition(entry);
    let validity = entry.validity();
    let source = entry.source();
    if let (Some(Some(parts)), Some(product)) = (composition, product)
        && !parts.rounds_to(product)
    {
        let made = parts.tco2_per_unit().unwrap_or_default().normalize();
        entry.wrong(
            "tco2_per_unit",
            format!("{product} is not lhv_gj × carbon_t_per_tj × oxidation × 44/12, {made}"),
        );
        return None;
    }
    let published = entry.optional("published", day);
    let (power, (valid_from, valid_to)) = (power?, validity?);
    let canonical = |value: Decimal| shift(value, power);
    Some(FuelFactor {
        medium: medium?,
        tco2_per_unit: canonical(product?)?,
        composition: match composition? {
            None => None,
            Some(parts) => Some(Composition {
                lhv_gj: canonical(parts.lhv_gj)?,
                ..parts
            }),
        },
        valid_from,
        valid_to,
        published,
        source: source
            .zip(title)
            .map(|(source, title)| format!("{source} ({title})"))?,
    })
}

/// The parts of a product in the entry's own unit; the inner `None` if the entry has no parts.
fn composition(entry: &mut Entry<'_>) -> Option<Option<Composition>> {
    const PARTS: [&str; 3] = ["lhv_gj", "carbon_t_per_tj", "oxidation"];
    if !PARTS.iter().any(|part| entry.has(part)) {
        return Some(None);
    }
    let [lhv_gj, carbon_t_per_tj, oxidation] = PARTS.map(|part| entry.required(part, positive));
    if oxidation.is_some_and(|part| part > Decimal::ONE) {
        entry.wrong("oxidation", "is a fraction of at most 1".to_owned());
        return None;
    }
    Some(Some(Composition {
        lhv_gj: lhv_gj?,
        carbon_t_per_tj: carbon_t_per_tj?,
        oxidation: oxidation?,
    }))
}

/// The power of ten by which `unit` exceeds the canonical unit of `medium`.
fn power_of_ten(unit: &str, medium: Medium) -> Result<u32, String> {
    let (symbol, more) = match unit.strip_prefix("10^4 ") {
        Some(symbol) => (symbol, 4),
        None => (unit, 0),
    };
    let canonical = medium.unit();
    let ratio = medium.ratio_of(symbol).ok();
    ratio
        .and_then(|ratio| u32::try_from(ratio.as_power_of_ten()? + more).ok())
        .ok_or_else(|| {
            format!(
                "'{unit}' is not {0} or a multiple of it, such as 10^4 {0}",
                canonical.symbol()
            )
        })
}

/// Returns `value` ÷ 10^`power`, exactly.
fn shift(value: Decimal, power: u32) -> Option<Decimal> {
    let mut shifted = value;
    shifted.set_scale(value.scale() + power).ok()?;
    Some(shifted)
}

#[cfg(test)]
mod tests;
