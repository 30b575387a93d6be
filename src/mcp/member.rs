//! Members of a JSON object, found without touching their values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Span;
use super::scan::{all, pick};

/// A member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its value.
    pub value: Span,
    /// What has to go for it to be gone: the name, the value and one comma.
    pub whole: Span,
}

/// Why an object's member cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Not an object at all.
    #[error("is not an object")]
    NotAnObject,
    /// It is there twice: we could read one and the receiver the other.
    #[error("stands there twice")]
    Twice,
}

/// The member of that name in a JSON object; `None` if there is none.
///
/// # Errors
/// See [`Unclear`].
pub fn member(object: &[u8], name: &str) -> Result<Option<Member>, Unclear> {
    let mut found = None;
    // Where the value before this one ends; the first has none before it.
    let mut before = None;
    for (key, value) in members(object).ok_or(Unclear::NotAnObject)? {
        let value = Span::of(object, value.get().as_bytes());
        if key == name {
            if found.is_some() {
                return Err(Unclear::Twice);
            }
            found = Some(Member { value, whole: whole(object, before, value) });
        }
        before = Some(value.end);
    }
    Ok(found)
}

/// All members of a JSON object, in their order; `None` if it is none.
pub fn members(object: &[u8]) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    serde_json::Deserializer::from_slice(object).deserialize_map(All).ok()
}

/// The same with the values as texts, which costs a fraction where no name has to be unescaped.
pub fn texts(object: &[u8]) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let slowly =
        || Some(members(object)?.into_iter().map(|(name, value)| (name, value.get())).collect());
    all(object).or_else(slowly)
}

/// The members of a JSON object that have one of `names`, which are in lower case; raw, in the order
/// of the names.
///
/// # Errors
/// When it is no object, or one of them is there twice, or nearly: many parsers take a member by its
/// name in any case, Go's `encoding/json` among them, and would read another one than we do.
pub fn named<'a, const N: usize>(
    object: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<&'a [u8]>; N], serde_json::Error> {
    match pick(object, names) {
        Some(found) => Ok(found),
        None => read(object, names),
    }
}

/// The same by `serde_json`, which can tell what is wrong.
pub(super) fn read<'a, const N: usize>(
    object: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<&'a [u8]>; N], serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(object);
    let found = deserializer.deserialize_map(Pick(names))?;
    deserializer.end()?;
    Ok(found.map(|value| value.map(|raw| raw.get().as_bytes())))
}

/// The text of a string as it stands in JSON; `None` if it is no string, or has to be unescaped.
pub(super) fn plain(value: &[u8]) -> Option<&str> {
    let text = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if text.contains(&b'\\') { None } else { str::from_utf8(text).ok() }
}

struct Pick<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Pick<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(place) = map.next_key_seed(Place(&self.0))? {
            let Some(at) = place else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if found[at].is_some() {
                return Err(A::Error::duplicate_field(self.0[at]));
            }
            found[at] = Some(map.next_value()?);
        }
        Ok(found)
    }
}

/// The place of a member's name among those that are looked for.
struct Place<'n>(&'n [&'static str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        if let Some(at) = self.0.iter().position(|it| *it == name) {
            return Ok(Some(at));
        }
        match self.0.iter().find(|it| is_alike(name, it)) {
            Some(meant) => Err(E::custom(format!("field {name:?} must be written {meant:?}"))),
            None => Ok(None),
        }
    }
}

/// Whether a name differs from one in lower case by nothing but case, as Unicode folds it: there
/// are letters besides `S` and `K` that are `s` and `k` to those who do not care.
fn is_alike(name: &str, lower: &str) -> bool {
    let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.eq(lower.chars())
}

struct All;

impl<'de> Visitor<'de> for All {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// With the comma before it; the first member goes with the comma behind it, if there is one.
fn whole(object: &[u8], before: Option<usize>, value: Span) -> Span {
    if let Some(start) = before {
        return Span { start, end: value.end };
    }
    let open = object.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
    let behind = object[value.end..].iter().position(|byte| !byte.is_ascii_whitespace());
    let comma = behind.filter(|at| object[value.end + at] == b',').map_or(0, |at| at + 1);
    Span { start: open, end: value.end + comma }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::splice::splice;

    #[test]
    fn a_member_is_taken_out_and_the_others_stay_as_they_are() {
        for (object, value, rest) in [
            (r#"{"i":"a"}"#, r#""a""#, "{}"),
            (r#"{ "i" : "a" , "x" : 1 }"#, r#""a""#, r#"{ "x" : 1 }"#),
            (r#"{"x":{"i":2}, "i":5,"y":[1]}"#, "5", r#"{"x":{"i":2},"y":[1]}"#),
            (r#"{"x":1,"i":null }"#, "null", r#"{"x":1 }"#),
            (r#"{"\u0069":true}"#, "true", "{}"),
        ] {
            let found = member(object.as_bytes(), "i").unwrap().expect(object);
            assert_eq!(&object[found.value.start..found.value.end], value, "{object}");
            assert_eq!(splice(object.as_bytes(), &[(found.whole, b"")]), rest, "{object}");
        }
    }

    #[test]
    fn all_members_are_told_with_their_names_unescaped() {
        for (object, expected) in [
            (
                r#"{"a":[1, 2],"b":"c\n","a":{}}"#,
                Some(vec![("a", "[1, 2]"), ("b", r#""c\n""#), ("a", "{}")]),
            ),
            (r#"{"\u0061":1.0}"#, Some(vec![("a", "1.0")])),
            ("{}", Some(vec![])),
            ("[]", None),
            ("{\"a\":1", None),
        ] {
            let found = texts(object.as_bytes());
            let found = found.map(|it| {
                it.into_iter().map(|(name, value)| (name.into_owned(), value)).collect::<Vec<_>>()
            });
            let expected = expected
                .map(|it| it.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
            assert_eq!(found, expected, "{object}");
        }
    }

    #[test]
    fn a_name_that_others_would_take_for_one_of_ours_is_refused() {
        let read = |object: &str| {
            let found = named(object.as_bytes(), ["name", "params"]);
            found.map(|found| found.map(|it| it.map(|raw| str::from_utf8(raw).unwrap().to_owned())))
        };
        let found = read(r#"{"n\u0061me":"a","names":1,"par":{},"x":{"Name":1}}"#).unwrap();
        assert_eq!(found, [Some("\"a\"".to_owned()), None]);
        for name in ["Name", "NAME", "nam\\u0045", "Params", "param\u{17f}", "param\\u017f"] {
            let error = read(&format!(r#"{{"{name}":1}}"#)).unwrap_err();
            assert!(error.is_data() && error.to_string().contains("must be written"), "{error}");
        }
        assert!(is_alike("to\u{212a}en", "token"));
        assert!(read(r#"{"name":1,"name":2}"#).unwrap_err().to_string().contains("duplicate"));
        assert!(read("[1]").is_err() && read("{} {}").is_err());
    }

    #[test]
    fn what_is_not_there_or_not_clear_is_said() {
        assert_eq!(member(br#"{"x":{"i":1}}"#, "i"), Ok(None));
        assert_eq!(member(br#"{"i":1,"\u0069":2}"#, "i"), Err(Unclear::Twice));
        for text in ["[]", "5", "null", "\"i\""] {
            assert_eq!(member(text.as_bytes(), "i"), Err(Unclear::NotAnObject), "{text}");
        }
    }
}
