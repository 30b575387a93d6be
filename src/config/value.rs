//! What one scalar can be.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::config::{Host, parse_duration};

/// A type that is written as one scalar.
pub trait Value: Sized {
    /// Reads the text of the scalar.
    ///
    /// # Errors
    /// What is wrong with it, to stand behind the quoted text: `is not a whole number`.
    fn read(text: &str) -> Result<Self, String>;
}

impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') {
            return Err("is not a path".to_owned());
        }
        Ok(text.into())
    }
}

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        }
    }
}

macro_rules! whole_number {
    ($($number:ty),*) => {$(
        impl Value for $number {
            fn read(text: &str) -> Result<Self, String> {
                let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                text.parse().ok().filter(|_| digits).ok_or_else(|| {
                    format!("is not a whole number from {} to {}", Self::MIN, Self::MAX)
                })
            }
        }
    )*};
}
whole_number!(u16, u32, u64, usize);

impl Value for Duration {
    fn read(text: &str) -> Result<Self, String> {
        parse_duration(text).map_err(|error| error.to_string())
    }
}

impl Value for Host {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            "is not a host; use localhost, an address, or a name (the port has a key of its own)"
                .to_owned()
        })
    }
}

/// An `http` or `https` URL with a host, without credentials or a fragment.
impl Value for Url {
    fn read(text: &str) -> Result<Self, String> {
        let url = Self::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => {
                "is not an absolute URL; begin with http:// or https://".to_owned()
            }
            error => format!("is not a URL: {error}"),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("has an unknown scheme; use http:// or https://".to_owned());
        }
        // The parser forgives what the pattern of the CRD does not: `http:host`, `http:///host`.
        let after = text.trim().split_once("://").map_or("", |(_, rest)| rest);
        if after.is_empty() || after.starts_with('/') {
            return Err("is not an absolute URL; begin with http:// or https://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds credentials; use an Authorization header".to_owned());
        }
        if url.fragment().is_some() {
            return Err("has a fragment, which is never sent; remove #…".to_owned());
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(u16::read("8090"), Ok(8090));
        for text in ["", "+1", "-1", "0x10", "1e3", "70000", "8 "] {
            let message = "is not a whole number from 0 to 65535";
            assert_eq!(u16::read(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn urls_are_http_with_a_host_and_nothing_hidden() {
        for (text, fault) in [
            ("http://localhost:3000/mcp", None),
            ("https://example.com/mcp?team=a", None),
            ("htp://x", Some("unknown scheme")),
            ("localhost:3000/mcp", Some("unknown scheme")),
            ("example.com/mcp", Some("not an absolute URL")),
            ("http:example.com", Some("not an absolute URL")),
            ("http:///example.com", Some("not an absolute URL")),
            ("http://", Some("not a URL")),
            ("http://u:p@example.com", Some("credentials")),
            ("http://example.com/#x", Some("fragment")),
        ] {
            let read = Url::read(text);
            match fault {
                None => assert!(read.is_ok(), "{text}: {read:?}"),
                Some(fault) => assert!(read.clone().unwrap_err().contains(fault), "{read:?}"),
            }
        }
    }
}
