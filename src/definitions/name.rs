//! Names of objects are DNS labels (RFC 1123 §2.1): they stand in URLs and in exposed names.

use crate::config::MAX_LABEL;
pub use crate::config::is_dns_label;

/// The DNS label nearest to `name`; `server` if nothing of it can stay.
pub fn dns_label(name: &str) -> String {
    let mut label = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            label.push(c.to_ascii_lowercase());
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    label.truncate(MAX_LABEL);
    let label = label.trim_end_matches('-');
    if label.is_empty() { "server".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_lower_case_words() {
        for name in ["a", "time", "my-server-2", "0"] {
            assert!(is_dns_label(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a_b", "a.b", "../x", "a/b", &"a".repeat(64)] {
            assert!(!is_dns_label(name), "{name}");
        }
        for (name, label) in [
            ("My Server", "my-server"),
            ("@scope/server_name", "scope-server-name"),
            ("../../etc", "etc"),
            ("ÄÖ", "server"),
            ("", "server"),
        ] {
            assert_eq!(dns_label(name), label);
        }
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_label_and_a_label_stays(name in "\\PC*|[-a-z0-9]{0,70}") {
            let label = dns_label(&name);
            prop_assert!(is_dns_label(&label));
            prop_assert_eq!(dns_label(&label), label);
        }
    }
}
