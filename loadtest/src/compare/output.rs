//! The directory of a result.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::markdown::{self, Picture};
use super::plots;
use super::results::Results;

pub(super) const README: &str = "README.md";
const RESULTS: &str = "results.json";

/// `loadtest/results/DATE-COMMIT`.
pub(super) fn directory_for(results: &Results) -> PathBuf {
    let day = results.date.split('T').next().unwrap_or_default();
    let name = format!("{day}-{}", results.build.commit);
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(name)
}

/// What [`write`] wrote.
pub(super) fn read(directory: &Path) -> anyhow::Result<Results> {
    let path = directory.join(RESULTS);
    let json = fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&json).with_context(|| path.display().to_string())
}

/// Writes everything: the figures, and what is made of them for people.
pub(super) fn write(results: &Results, directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let put = |file: &str, text: &str| {
        let path = directory.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    put(RESULTS, &(serde_json::to_string_pretty(results)? + "\n"))?;
    let mut pictures = Vec::new();
    for plot in plots::draw(results)? {
        put(&plot.file, &plot.svg)?;
        pictures.push(Picture { file: plot.file, title: plot.title });
    }
    put(README, &markdown::render(results, &pictures))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn what_is_written_can_be_read_and_drawn_again() {
        let directory = tempfile::tempdir().unwrap();
        let results = sample::results();
        write(&results, directory.path()).unwrap();
        let again = read(directory.path()).unwrap();
        assert_eq!(again.verdicts, results.verdicts);
        assert_eq!(plots::draw(&again).unwrap().len(), plots::draw(&results).unwrap().len());
        for file in [README, "call-cpu.svg"] {
            assert!(directory.path().join(file).is_file(), "{file}");
        }
    }
}
