//! Rust files and what they measure.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use syn::{spanned::Spanned, visit::Visit};

/// A Rust file of the tree.
#[derive(Debug, Clone)]
pub struct File {
    /// Path from the root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A function and how many lines it has, from `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its lines.
    pub lines: usize,
}

/// Every Rust file that git tracks or would track, but for generated ones.
///
/// # Panics
/// If git does not answer or a file cannot be read.
#[must_use]
pub fn files(root: &Path) -> Vec<File> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
        ])
        .current_dir(root)
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listing = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let mut paths: Vec<PathBuf> = listing.lines().map(PathBuf::from).collect();
    paths.retain(|path| root.join(path).is_file());
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(root.join(&path)).expect("a tracked file is text");
            File { path, text }
        })
        .collect()
}

impl File {
    /// Every function with a body, tests included.
    ///
    /// # Panics
    /// If the file is no Rust.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let syntax = syn::parse_file(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        let mut functions = Functions(Vec::new());
        functions.visit_file(&syntax);
        functions.0
    }

    /// Whether the file holds only tests.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let name = self.path.file_name().is_some_and(|n| n == "tests.rs");
        name || self.path.components().any(|c| c.as_os_str() == "tests")
    }
}

struct Functions(Vec<Function>);

impl Functions {
    fn note(&mut self, signature: &syn::Signature, end: proc_macro2::Span) {
        let lines = end.end().line.saturating_sub(signature.span().start().line) + 1;
        self.0.push(Function {
            name: signature.ident.to_string(),
            lines,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.note(&function.sig, function.block.span());
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.note(&function.sig, function.block.span());
        syn::visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_measured_from_signature_to_brace() {
        let text = "/// Doc.\nfn one() {\n    two();\n}\n".to_owned();
        let file = File {
            path: "x.rs".into(),
            text,
        };
        assert_eq!(
            file.functions(),
            [Function {
                name: "one".to_owned(),
                lines: 3
            }]
        );
    }
}
