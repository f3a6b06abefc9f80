//! The layouts of statutory forms from TOML: columns, carriers with their codes and units, edition and source.

use greenpark_model::quantity::{Medium, MediumClass};
use rust_decimal::Decimal;

use crate::reference::data_file::{Document, Entry, FileError, positive};

/// The forms by their ids, with the texts of their layouts.
const SHIPPED: [(&str, &str); 2] = [
    ("205-1", include_str!("../../data/forms/205-1.toml")),
    (
        "waste-ledger",
        include_str!("../../data/forms/waste-ledger.toml"),
    ),
];

/// The name of these files in an error message.
const CONTENT: &str = "a form";

/// The layout of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) edition: String,
    /// Where it is from, with its status.
    pub(crate) source: String,
    pub(crate) columns: Vec<Column>,
    /// The rows of a form of energy.
    pub(crate) carriers: Vec<Carrier>,
    /// The row that sums them.
    pub(crate) total: Option<TotalRow>,
}

/// A column of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) id: String,
    /// As the form has it.
    pub(crate) title: String,
    /// In English.
    pub(crate) meaning: String,
}

/// The row of an energy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) medium: Medium,
    pub(crate) title: String,
    /// Its code in the form; `None` if it is not known.
    pub(crate) code: Option<String>,
    pub(crate) unit: String,
    /// Canonical units of the medium in one unit of the form.
    pub(crate) per_unit: Decimal,
    /// False for an energy that nobody keeps in stock.
    pub(crate) has_stock: bool,
}

/// The row of the total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TotalRow {
    pub(crate) title: String,
    pub(crate) code: Option<String>,
    pub(crate) unit: String,
}

/// The ids of all forms.
pub(crate) fn ids() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(id, _)| *id)
}

/// The layout of the form `id`; `None` if there is no such form.
pub(crate) fn layout(id: &str) -> Option<Layout> {
    let (_, text) = SHIPPED.iter().find(|(known, _)| *known == id)?;
    Some(parse(text, id).expect("a shipped layout is right"))
}

fn parse(text: &str, path: &str) -> Result<Layout, FileError> {
    let mut document = Document::parse(text).map_err(FileError::parse(CONTENT, path))?;
    let mut head = document.head();
    let (id, title) = (head.text("id"), head.text("title"));
    let (edition, source) = (head.text("edition"), head.source());
    let columns = document.list("column", |entry| {
        let (id, title) = (entry.text("id"), entry.text("title"));
        let meaning = entry.text("meaning");
        Some(Column {
            id: id?,
            title: title?,
            meaning: meaning?,
        })
    });
    let carriers = document.list("carrier", carrier);
    let total = document.list("total", |entry| {
        let (title, unit) = (entry.text("title"), entry.text("unit"));
        let code = optional_text(entry, "code");
        Some(TotalRow {
            title: title?,
            code,
            unit: unit?,
        })
    });
    let layout = id.zip(title).zip(edition.zip(source));
    let layout = layout.map(|((id, title), (edition, source))| Layout {
        id,
        title,
        edition,
        source,
        columns: columns.into_iter().map(|(_, column)| column).collect(),
        carriers: carriers.into_iter().map(|(_, carrier)| carrier).collect(),
        total: total.into_iter().map(|(_, total)| total).next(),
    });
    document.finish(layout).map_err(FileError::wrong(path))
}

fn carrier(entry: &mut Entry<'_>) -> Option<Carrier> {
    let medium = entry.required("medium", |text| {
        Medium::from_name(text)
            .filter(|medium| medium.class() == MediumClass::Energy)
            .ok_or_else(|| format!("'{text}' is no energy"))
    });
    let (title, unit) = (entry.text("title"), entry.text("unit"));
    let code = optional_text(entry, "code");
    let per_unit = entry.required("per_unit", positive);
    let stock = entry.optional("stock", |text| match text {
        "none" => Ok(()),
        _ => Err(format!(
            "'{text}' is not 'none'; leave it out where there is a stock"
        )),
    });
    Some(Carrier {
        medium: medium?,
        title: title?,
        code,
        unit: unit?,
        per_unit: per_unit?,
        has_stock: stock.is_none(),
    })
}

fn optional_text(entry: &mut Entry<'_>, field: &str) -> Option<String> {
    entry.optional(field, |text| Ok(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_columns_and_205_1_every_energy_once() {
        for id in ids() {
            let layout = layout(id).expect("shipped");
            assert_eq!(layout.id, id);
            assert!(layout.source.starts_with('[') && !layout.columns.is_empty());
        }
        let layout = layout("205-1").expect("shipped");
        let mut media: Vec<Medium> = layout.carriers.iter().map(|of| of.medium).collect();
        media.sort();
        let all = Medium::ALL.iter().copied();
        let all: Vec<Medium> = all
            .filter(|medium| medium.class() == MediumClass::Energy)
            .collect();
        assert_eq!(media, all);
        let codes: Vec<&str> = layout
            .carriers
            .iter()
            .filter_map(|of| of.code.as_deref())
            .collect();
        assert_eq!(codes, ["01"]);
        assert_eq!(layout.total.and_then(|of| of.code).as_deref(), Some("40"));
        assert!(super::layout("205-9").is_none());
    }
}
