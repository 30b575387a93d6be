//! What fuzzing begins with: the tokens of the table, and keys that sign nothing else.
//!
//! `PORTCULLIS_WRITE_SEEDS=1 cargo test --lib seeds` makes them.

use std::fs;
use std::path::PathBuf;

use super::rows::{HEADER, Keys, rows};
use super::*;

fn fuzz(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path)
}

#[test]
fn the_seeds_of_the_fuzz_target_are_good_and_bad_tokens() {
    if std::env::var_os("PORTCULLIS_WRITE_SEEDS").is_some() {
        write_the_seeds();
    }
    let jwks = fs::read_to_string(fuzz("keys.json")).unwrap();
    let mut outcomes = BTreeSet::new();
    for entry in fs::read_dir(fuzz("seeds/token")).unwrap() {
        let entry = entry.unwrap();
        let (name, line) = (entry.file_name(), fs::read(entry.path()).unwrap());
        let name = name.to_str().unwrap().to_owned();
        let (expected, _) = name.split_once('.').unwrap();
        if !["claims", "keys"].contains(&expected) {
            assert_eq!(outcome(&line, &jwks, now()), expected, "{name}");
        }
        outcomes.insert(expected.to_owned());
    }
    assert!(outcomes.len() > 15, "{outcomes:?}");
}

/// Writes them anew, with new keys.
fn write_the_seeds() {
    let keys = Keys::make();
    let _ = fs::remove_dir_all(fuzz("seeds/token"));
    fs::create_dir_all(fuzz("seeds/token")).unwrap();
    fs::write(fuzz("keys.json"), &keys.jwks).unwrap();
    fs::write(fuzz("ed25519.pk8"), keys.ed25519.pkcs8()).unwrap();
    let write = |name: String, content: &[u8]| {
        fs::write(fuzz("seeds/token").join(name), content).unwrap();
    };
    for row in rows(&keys).iter().filter(|row| row.line.len() < 4096) {
        write(format!("{}.{}", row.outcome, row.name), &row.line);
    }
    let claims = claims(&serde_json::json!({"nbf": 1, "azp": "x", "scp": ["a"]}));
    write("claims.signed-in-the-target".to_owned(), format!("{HEADER}\n{claims}").as_bytes());
    let set: serde_json::Value = serde_json::from_str(&keys.jwks).unwrap();
    write("keys.published".to_owned(), set["keys"].to_string().as_bytes());
}
