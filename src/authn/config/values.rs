//! Values that issuers and what is said of them have in common.

use url::Url;

use crate::config::Value as _;
use crate::outbound::is_this_machine;

/// Where secrets or keys come along.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let url = Url::read(text)?;
    check_scheme(&url).map(|()| url)
}

/// `http` is for this machine alone.
pub(super) fn check_scheme(url: &Url) -> Result<(), String> {
    if url.scheme() == "http" && !is_this_machine(url) {
        return Err("is not encrypted; use https://".to_owned());
    }
    Ok(())
}

pub(super) fn text(text: &str) -> Result<Box<str>, String> {
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.into()) }
}
