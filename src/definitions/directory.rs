//! The files of a configuration directory that hold objects.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Environment, Location, Problem, nearest};
use crate::definitions::Objects;

const DIRECTORIES: [&str; 3] = ["mcpservers", "workflows", "access"];

impl Objects {
    /// Reads the objects of `directory`, file by file in the order of their names.
    pub fn of_directory(directory: &Path, environment: &Environment) -> Self {
        let mut objects = Self::default();
        for path in objects.files(&directory.join("mcpservers")) {
            objects.file(&path, directory, environment);
        }
        if let Some(first) = objects.files(&directory.join("workflows")).first() {
            let message = "workflows are not supported yet; they are left out";
            objects.warnings.push(Problem::new(Location::file(first.as_path()), "", message));
        }
        if let Some(first) = objects.files(&directory.join("access")).first() {
            let message = "access/ is not supported yet; nothing in it would be obeyed";
            objects.refused.push(Problem::new(Location::file(first.as_path()), "", message));
        }
        objects.strangers(directory);
        objects
    }

    /// The YAML files of one directory, which may be missing.
    fn files(&mut self, directory: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for path in self.list(directory) {
            let extension = path.extension().and_then(|extension| extension.to_str());
            let message = match extension {
                _ if path.is_dir() => "is a directory, and those are not read here",
                Some("yaml" | "yml") => {
                    files.push(path);
                    continue;
                }
                Some("json") => "is not read; rename it to .yaml (JSON is YAML too)",
                _ => continue,
            };
            self.warnings.push(Problem::new(Location::file(path), "", message));
        }
        files
    }

    /// Names beside ours that look like a slip of the pen would be left out in silence.
    fn strangers(&mut self, directory: &Path) {
        for path in self.list(directory) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == "config.yml" {
                let message = "is not read; rename it to config.yaml";
                self.refused.push(Problem::new(Location::file(path), "", message));
            } else if path.is_dir()
                && !DIRECTORIES.contains(&name.as_str())
                && let Some(meant) = nearest(&name, DIRECTORIES)
            {
                let message = format!("is not read; did you mean {meant}/?");
                self.warnings.push(Problem::new(Location::file(path), "", message));
            }
        }
    }

    /// What is in a directory, by name, without hidden entries (a mounted `ConfigMap` has some).
    fn list(&mut self, directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        });
        let mut paths = match entries {
            Ok(paths) => paths,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let message = format!("cannot be read: {error}");
                self.refused.push(Problem::new(Location::file(directory), "", message));
                Vec::new()
            }
        };
        let hidden = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        };
        paths.retain(|path| !hidden(path));
        paths.sort();
        paths
    }
}
