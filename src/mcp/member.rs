//! One member of a JSON object, found and taken out without touching the others.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Span;

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
    let mut deserializer = serde_json::Deserializer::from_slice(object);
    let found = deserializer.deserialize_map(Find { object, name });
    match found {
        Ok(Found { twice: true, .. }) => Err(Unclear::Twice),
        Ok(Found { member, .. }) => Ok(member),
        Err(_) => Err(Unclear::NotAnObject),
    }
}

struct Find<'a> {
    object: &'a [u8],
    name: &'a str,
}

#[derive(Default)]
struct Found {
    member: Option<Member>,
    twice: bool,
}

impl<'de> Visitor<'de> for Find<'de> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        // Where the value before this one ends; the first has none before it.
        let mut before = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let value: &'de RawValue = map.next_value()?;
            let value = Span::of(self.object, value.get().as_bytes());
            if key == self.name {
                found.twice |= found.member.is_some();
                let whole = whole(self.object, before, value);
                found.member = Some(Member { value, whole });
            }
            before = Some(value.end);
        }
        Ok(found)
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
    fn what_is_not_there_or_not_clear_is_said() {
        assert_eq!(member(br#"{"x":{"i":1}}"#, "i"), Ok(None));
        assert_eq!(member(br#"{"i":1,"\u0069":2}"#, "i"), Err(Unclear::Twice));
        for text in ["[]", "5", "null", "\"i\""] {
            assert_eq!(member(text.as_bytes(), "i"), Err(Unclear::NotAnObject), "{text}");
        }
    }
}
