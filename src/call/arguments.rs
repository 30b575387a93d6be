//! The names of the arguments of our own tools.

/// Refuses arguments that a tool does not take: a misspelt one would be left out without a word.
///
/// # Errors
/// With a text that names them, and those that it takes.
pub fn refuse_unknown<'a>(
    given: impl Iterator<Item = &'a str>,
    allowed: &[&str],
) -> Result<(), String> {
    let unknown: Vec<_> = given.filter(|name| !allowed.contains(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let (unknown, allowed) = (unknown.join(", "), allowed.join(", "));
    Err(format!("unknown args: [{unknown}]. Allowed args: [{allowed}]"))
}
