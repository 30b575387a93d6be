//! What looks like a secret: better one variable too many than a token in a file.

/// Words in the name of a variable, header or parameter.
const WORDS: [&str; 17] = [
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "key",
    "pass",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "secrets",
    "signature",
    "token",
];

/// How tokens of well-known services begin.
const BEGINNINGS: [&str; 22] = [
    "AIza",
    "AKIA",
    "ASIA",
    "dop_v1_",
    "eyJ",
    "gho_",
    "ghp_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hf_",
    "lin_api_",
    "npm_",
    "ntn_",
    "pypi-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xapp-",
    "xoxb-",
    "xoxp-",
];

/// Whether a value under this name should not stand in a file.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    !value.is_empty() && (has_secret_name(name) || has_secret_shape(value))
}

fn has_secret_name(name: &str) -> bool {
    let words = words(name);
    // `…_FILE` holds the path of a secret and not the secret.
    let last = words.last().map_or("", String::as_str);
    let place = matches!(last, "file" | "path" | "dir" | "url" | "id" | "name");
    !place && words.iter().any(|word| WORDS.contains(&word.as_str()) || ends_in_word(word))
}

/// `GHTOKEN`, `mypassword`: two words in one.
fn ends_in_word(word: &str) -> bool {
    ["token", "secret", "password", "apikey"].iter().any(|end| word.ends_with(end))
}

/// `GITHUB_TOKEN`, `x-api-key` and `clientSecret` as lower-case words.
fn words(name: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && spaced.ends_with(|c: char| c.is_ascii_lowercase()) {
            spaced.push(' ');
        }
        spaced.push(if c.is_ascii_alphanumeric() { c } else { ' ' });
    }
    spaced.split_whitespace().map(str::to_ascii_lowercase).collect()
}

/// Whether a value looks like a secret whatever it is called.
pub(super) fn has_secret_shape(value: &str) -> bool {
    let begins = BEGINNINGS.iter().any(|start| value.len() > 15 && value.starts_with(start));
    let scheme = ["bearer ", "basic ", "token "].iter().any(|scheme| starts_with(value, scheme));
    let password = value.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    let key = value.contains("-----BEGIN") && value.contains("PRIVATE KEY");
    begins || scheme || password || key || is_random(value)
}

/// `Bearer x` is split after the scheme, which may stay in the file.
pub(super) fn split_scheme(value: &str) -> (&str, &str) {
    let scheme = ["bearer ", "basic ", "token "]
        .into_iter()
        .find(|scheme| starts_with(value, scheme))
        .map_or(0, str::len);
    value.split_at(scheme)
}

fn starts_with(value: &str, scheme: &str) -> bool {
    value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Long, without spaces, dots and slashes, and with letters and digits mixed.
fn is_random(value: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'=');
    value.len() >= 32
        && value.bytes().all(token)
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_or_shape() {
        for (name, value) in [
            ("GITHUB_TOKEN", "x"),
            ("x-api-key", "1"),
            ("Authorization", "Bearer x"),
            ("clientSecret", "x"),
            ("GHTOKEN", "x"),
            ("DB_PASS", "x"),
            ("X", "ghp_0123456789abcdef"),
            ("X", "eyJhbGciOiJIUzI1NiJ9.e30.x"),
            ("DATABASE_URL", "postgres://me:pw@localhost/db"),
            ("X", "0123456789abcdef0123456789abcdef"),
        ] {
            assert!(is_secret(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("LOG_LEVEL", "debug"),
            ("TOKEN", ""),
            ("API_KEY_FILE", "/run/secrets/key"),
            ("KEYBOARD", "de"),
            ("AUTHOR", "me"),
            ("BASE_URL", "https://example.com/a/very/long/path/of/no/secret"),
            ("EMAIL", "me@example.com"),
        ] {
            assert!(!is_secret(name, value), "{name}: {value}");
        }
    }
}
