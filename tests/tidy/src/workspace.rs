//! Who depends on whom, from `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

/// The workspace's packages and what each depends on outside of tests.
#[derive(Debug)]
pub struct Workspace {
    /// Folder of the workspace.
    pub root: PathBuf,
    /// Package name to the names of its normal and build dependencies.
    pub dependencies: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    /// Asks cargo, offline.
    ///
    /// # Panics
    /// If cargo does not answer with metadata; a test cannot go on without.
    #[must_use]
    pub fn read() -> Self {
        // As cargo says now: a test that was built for another clone looks at this one.
        let here = std::env::var("CARGO_MANIFEST_DIR");
        let here = here.unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let manifest = format!("{here}/../../Cargo.toml");
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--no-deps",
                "--offline",
            ])
            .args(["--manifest-path", &manifest])
            .output()
            .expect("cargo runs, since it runs this test");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
        let root = metadata["workspace_root"]
            .as_str()
            .expect("metadata has a root")
            .into();
        let packages = metadata["packages"]
            .as_array()
            .expect("metadata has packages");
        Self {
            root,
            dependencies: packages.iter().map(dependencies).collect(),
        }
    }

    /// What `package` depends on, directly or through our own crates.
    ///
    /// # Panics
    /// If the workspace has no such package.
    #[must_use]
    pub fn closure(&self, package: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(name) = open.pop() {
            let direct = self
                .dependencies
                .get(&name)
                .unwrap_or_else(|| panic!("no package {name}"));
            for dependency in direct {
                let is_new = seen.insert(dependency.clone());
                if is_new && self.dependencies.contains_key(dependency) {
                    open.push(dependency.clone());
                }
            }
        }
        seen
    }
}

fn dependencies(package: &Value) -> (String, BTreeSet<String>) {
    let name = package["name"]
        .as_str()
        .expect("a package has a name")
        .to_owned();
    let all = package["dependencies"]
        .as_array()
        .expect("a package lists dependencies");
    let normal = all
        .iter()
        .filter(|d| d["kind"].as_str() != Some("dev"))
        .filter_map(|d| d["name"].as_str().map(str::to_owned))
        .collect();
    (name, normal)
}
