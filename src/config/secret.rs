//! Secrets that are read from files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox, SecretString, zeroize::Zeroize};

use crate::config::{Fields, read_file};

/// A symmetric key of 32 bytes, which `Debug` never prints, and the file it is from.
#[derive(Clone)]
pub struct Key {
    bytes: Arc<SecretBox<[u8; 32]>>,
    file: PathBuf,
}

impl Key {
    /// The bytes, to be given to a cipher.
    pub fn expose(&self) -> &[u8; 32] {
        self.bytes.expose_secret()
    }

    /// Where it was read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads 64 hex digits, or 32 bytes in base64 of any alphabet.
    fn parse(text: &str, file: &Path) -> Option<Self> {
        let mut bytes = hex(text).or_else(|| {
            [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                .iter()
                .find_map(|alphabet| alphabet.decode(text).ok())
        })?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok().map(|bytes| Self {
            bytes: Arc::new(SecretBox::new(Box::new(bytes))),
            file: file.to_owned(),
        });
        bytes.zeroize();
        key
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

impl Fields<'_, '_> {
    /// Sets `target` to the keys in the files that the list `key` names, one each.
    pub fn set_keys(&mut self, key: &'static str, target: &mut Vec<Key>) {
        let directory = self.reader.directory.clone();
        self.set_list(key, target, |path| read_key(&directory.join(path)));
    }

    /// A secret that stands at `key`, or else in the file that `file_key` names, without the white
    /// space around it there.
    pub fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<SecretString> {
        let inline = self.get::<String>(key).filter(|secret| !secret.is_empty());
        let file = self.readable_file(file_key);
        inline.map(SecretString::from).or_else(|| {
            let mut text = read_file(&file?).ok()?;
            let secret = SecretString::from(text.trim());
            text.zeroize();
            Some(secret).filter(|secret| !secret.expose_secret().is_empty())
        })
    }

    /// The path of a file that must be readable now.
    pub fn readable_file(&mut self, key: &'static str) -> Option<std::path::PathBuf> {
        let directory = self.reader.directory.clone();
        self.get_with(key, |path| {
            let path = directory.join(path);
            read_file(&path).map(|_| path).map_err(|problem| problem.message)
        })
    }
}

fn read_key(path: &Path) -> Result<Key, String> {
    let mut text = read_file(path).map_err(|problem| problem.message)?;
    let key = Key::parse(text.trim(), path);
    text.zeroize();
    key.ok_or_else(|| {
        "does not hold a key of 32 bytes in base64 or hex; make one with `openssl rand -base64 32`"
            .to_owned()
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| (0..64).step_by(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_hex_or_base64_and_is_never_printed() {
        let bytes = [0xfb; 32];
        for text in ["fb".repeat(32), STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)] {
            let key = Key::parse(&text, Path::new("key")).expect("a key");
            assert_eq!(key.expose(), &bytes);
            assert_eq!(format!("{key:?}"), "Key([redacted])");
        }
        for text in ["", "fb", &"+1".repeat(32), &STANDARD.encode([1; 31]), "not base64!"] {
            assert!(Key::parse(text, Path::new("key")).is_none(), "{text}");
        }
    }
}
