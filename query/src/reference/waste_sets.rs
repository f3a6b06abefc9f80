//! Sets of bulk waste categories from TOML: the shipped ones and those of the operator.

use std::{collections::BTreeMap, path::PathBuf};

use greenpark_model::{
    quantity::{Medium, MediumClass},
    waste::BulkSet,
};

use crate::reference::data_file::{Document, Entry, FileError};

/// The id of the default set.
pub const DEFAULT: &str = "bulk-ndrc-2021";

const SHIPPED: &[(&str, &str)] = &[
    (
        "bulk-ndrc-2021.toml",
        include_str!("../../data/waste/bulk-ndrc-2021.toml"),
    ),
    (
        "bulk-research-six.toml",
        include_str!("../../data/waste/bulk-research-six.toml"),
    ),
];

const CATALOGUE: &str = include_str!("../../data/waste/catalogue.toml");

/// The name of these files in an error message.
const CONTENT: &str = "waste categories";

/// Loads the shipped sets and those of `files`; a set with a shipped id replaces the shipped one.
///
/// # Errors
/// [`FileError`] names the first file that is wrong and all of its mistakes.
pub fn load(files: &[PathBuf]) -> Result<Vec<BulkSet>, FileError> {
    let mut sets = Vec::new();
    for (path, text) in SHIPPED {
        add_or_replace(&mut sets, parse(text, path)?);
    }
    for file in files {
        let path = file.display().to_string();
        let text = FileError::read(file)?;
        add_or_replace(&mut sets, parse(&text, &path)?);
    }
    Ok(sets)
}

/// The titles of the shipped catalogue's classes, by their numbers.
///
/// # Errors
/// [`FileError`] if the shipped file is wrong.
pub fn classes() -> Result<BTreeMap<u8, String>, FileError> {
    let path = "catalogue.toml";
    let mut document = Document::parse(CATALOGUE).map_err(FileError::parse(CONTENT, path))?;
    let mut head = document.head();
    let id = head.text("id");
    // Human readers of the file need the title.
    head.text("title");
    let source = head.source();
    let classes = document.list("class", |entry| {
        let number = entry.required("number", |text| {
            let number = text
                .strip_prefix('S')
                .and_then(|digits| digits.parse().ok());
            number.ok_or_else(|| format!("'{text}' is no class; write one like S02"))
        });
        entry
            .text("title")
            .zip(number)
            .map(|(title, number)| (number, title))
    });
    let read = id
        .zip(source)
        .map(|_| classes.into_iter().map(|(_, class)| class).collect());
    document.finish(read).map_err(FileError::wrong(path))
}

fn add_or_replace(sets: &mut Vec<BulkSet>, set: BulkSet) {
    match sets.iter_mut().find(|known| known.id == set.id) {
        Some(known) => *known = set,
        None => sets.push(set),
    }
}

fn parse(text: &str, path: &str) -> Result<BulkSet, FileError> {
    let mut document = Document::parse(text).map_err(FileError::parse(CONTENT, path))?;
    let mut head = document.head();
    let id = head.text("id");
    // Human readers of the file need the title.
    head.text("title");
    let source = head.source();
    let categories = document.list("category", category);
    if categories.is_empty() {
        let problem = "is missing; name each category as [[category]]".to_owned();
        document.note("", "category", problem);
    }
    let set = id.zip(source).map(|(id, source)| BulkSet {
        id,
        categories: categories.into_iter().map(|(_, medium)| medium).collect(),
        source,
    });
    document.finish(set).map_err(FileError::wrong(path))
}

fn category(entry: &mut Entry<'_>) -> Option<Medium> {
    entry.text("title");
    entry.required("medium", |text| match Medium::from_name(text) {
        Some(medium) if medium.class() == MediumClass::Waste => Ok(medium),
        Some(_) => Err(format!("'{text}' is no solid waste")),
        None => Err(format!("'{text}' is unknown")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_d_the_default_set_has_the_five_categories_and_the_other_one_furnace_slag() {
        let sets = load(&[]).expect("shipped");
        let of = |id: &str| {
            let set = sets.iter().find(|set| set.id == id).expect("shipped");
            set.categories.clone()
        };
        let five = [
            Medium::CoalGangue,
            Medium::FlyAsh,
            Medium::Tailings,
            Medium::SmeltingSlag,
            Medium::ByproductGypsum,
        ];
        assert_eq!(of(DEFAULT), five);
        let six = of("bulk-research-six");
        assert!(six.len() == 6 && six.contains(&Medium::FurnaceSlag));
    }

    #[test]
    fn classes_have_their_titles_and_hazardous_waste_is_not_a_class() {
        let classes = classes().expect("shipped");
        assert_eq!(classes.get(&2).map(String::as_str), Some("粉煤灰"));
        assert_eq!(classes.get(&8), None);
    }

    #[test]
    fn every_mistake_of_a_file_is_reported_at_once() {
        let text = "id = \"x\"\nstatus = \"C\"\n[[category]]\nmedium = \"diesel\"\ntitle = \"柴油\"\n\
                    [[category]]\nmedium = \"ash\"\n";
        let message = parse(text, "w.toml").expect_err("wrong").to_string();
        for mistake in [
            "'w.toml'",
            "source: is missing",
            "title: is missing",
            "category 1, medium: 'diesel' is no solid waste",
            "category 2, title: is missing",
            "category 2, medium: 'ash' is unknown",
        ] {
            assert!(message.contains(mistake), "{mistake}\n{message}");
        }
    }
}
