//! The rooms of a crate, its top-level modules, and which room imports which.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use syn::visit::Visit;

use crate::source::File;

/// Imports between the top-level modules of one crate.
#[derive(Debug, Default)]
pub struct Rooms {
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Rooms {
    /// Reads the crate whose sources lie in `src`, a path from the root, out of all `files`.
    ///
    /// # Panics
    /// If a file is not Rust.
    #[must_use]
    pub fn of(src: &Path, files: &[File]) -> Self {
        let mut rooms = Self::default();
        for file in files {
            let Ok(inside) = file.path.strip_prefix(src) else {
                continue;
            };
            let first = inside.components().next();
            let first = first.and_then(|part| part.as_os_str().to_str());
            let Some(room) = first.map(|name| name.trim_end_matches(".rs")) else {
                continue;
            };
            // The root imports every room.
            if room == "lib" || room == "main" || file.is_test() {
                continue;
            }
            let syntax = syn::parse_file(&file.text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.path.display()));
            let mut seen = Seen::default();
            seen.visit_file(&syntax);
            seen.0.remove(room);
            rooms
                .imports
                .entry(room.to_owned())
                .or_default()
                .extend(seen.0);
        }
        let known: BTreeSet<String> = rooms.imports.keys().cloned().collect();
        for seen in rooms.imports.values_mut() {
            seen.retain(|room| known.contains(room));
        }
        rooms
    }

    /// A circle of rooms that import each other, if there is one.
    #[must_use]
    pub fn circle(&self) -> Option<Vec<&str>> {
        let mut open = self.imports.clone();
        // A room that imports no open room is on no circle.
        loop {
            let closed = open.iter().find(|(_, seen)| seen.is_empty());
            let Some(closed) = closed.map(|(room, _)| room.clone()) else {
                break;
            };
            open.remove(&closed);
            for seen in open.values_mut() {
                seen.remove(&closed);
            }
        }
        let mut room = open.keys().next()?;
        let mut walk: Vec<&String> = Vec::new();
        while !walk.contains(&room) {
            walk.push(room);
            room = open.get(room)?.first()?;
        }
        let start = walk.iter().position(|&of| of == room)?;
        let names = walk.split_off(start).into_iter();
        names
            .map(|name| {
                self.imports
                    .get_key_value(name)
                    .map(|(own, _)| own.as_str())
            })
            .collect()
    }
}

/// The modules that paths from the crate's root name first.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn add(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => drop(self.0.insert(path.ident.to_string())),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.add(item)),
            // A name from the crate's root itself names no room.
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree
            && path.ident == "crate"
        {
            self.add(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|first| first.ident == "crate")
            && let Some(second) = segments.next()
        {
            self.0.insert(second.ident.to_string());
        }
        syn::visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn rooms_that_import_each_other_are_a_circle() {
        let one_way = [
            file("c/src/a.rs", "use crate::{b::X, d};"),
            file("c/src/b/inner.rs", "fn f() { crate::d::g() }"),
            file("c/src/d.rs", "use std::fmt;"),
        ];
        assert_eq!(Rooms::of(Path::new("c/src"), &one_way).circle(), None);
        let mut both_ways = one_way.to_vec();
        both_ways[2] = file("c/src/d.rs", "use crate::a::Y;");
        let rooms = Rooms::of(Path::new("c/src"), &both_ways);
        assert_eq!(rooms.circle(), Some(vec!["a", "b", "d"]));
    }
}
