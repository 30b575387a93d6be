//! The members of a JSON object in one pass over its bytes.
//!
//! This reads what nearly every message looks like, and leaves the rest to `serde_json`: whatever is
//! wrong, unusual or unclear is `None` here. So nothing is refused by this file, and what it accepts
//! `serde_json` accepts as well, with the same members.

use std::borrow::Cow;

/// How deeply values may nest that are read here; a value is read by recursion.
const MAX_NESTING: usize = 64;
/// How many bytes of a long string are looked at together.
const BLOCK: usize = 64;

/// The values of the members that have one of `names`, raw, in the order of the names.
///
/// `None` where another look is needed, also at a name that is one of `names` in another case.
pub(super) fn pick<'a, const N: usize>(
    object: &'a [u8],
    names: [&str; N],
) -> Option<[Option<&'a [u8]>; N]> {
    let mut found = [None; N];
    each(object, |name, value| match names.iter().position(|it| it.as_bytes() == name) {
        Some(at) => found[at].replace(value).is_none(),
        None => is_none_of(name, &names),
    })?;
    Some(found)
}

/// All members with their values, raw, in their order; `None` where another look is needed, also at a
/// name that has to be unescaped, so that all names are borrowed.
pub(super) fn all(object: &[u8]) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut found = Vec::new();
    each(object, |name, value| {
        let (name, value) = (str::from_utf8(name), str::from_utf8(value));
        let (Ok(name), Ok(value)) = (name, value) else { return false };
        found.push((Cow::Borrowed(name), value));
        !name.contains('\\')
    })?;
    Some(found)
}

/// Hands each member to `take`, which says whether it was clear: its name as it is written between
/// its quotes, and its value, raw.
fn each<'a>(object: &'a [u8], mut take: impl FnMut(&'a [u8], &'a [u8]) -> bool) -> Option<()> {
    let mut scanner = Scanner { raw: object, at: 0, is_ascii: true };
    scanner.begin(b'{')?;
    if !scanner.ends(b'}')? {
        loop {
            let name = scanner.name()?;
            let value = scanner.value(MAX_NESTING)?;
            if !take(name, value) {
                return None;
            }
            if scanner.is_last(b'}')? {
                break;
            }
        }
    }
    scanner.is_well_ended().then_some(())
}

/// Whether a name is another one than `names` in any case; false also when it would have to be
/// unescaped or folded to tell.
fn is_none_of(name: &[u8], names: &[&str]) -> bool {
    name.iter().all(|byte| byte.is_ascii() && *byte != b'\\')
        && !names.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(name))
}

/// Reads JSON (RFC 8259) from its beginning; each method leaves `at` behind what it read.
struct Scanner<'a> {
    raw: &'a [u8],
    at: usize,
    /// Whether no string so far can hold anything but ASCII, which needs no look for UTF-8.
    is_ascii: bool,
}

impl<'a> Scanner<'a> {
    /// The next byte that is no white space.
    fn token(&mut self) -> Option<u8> {
        loop {
            match *self.raw.get(self.at)? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                token => return Some(token),
            }
        }
    }

    /// This token.
    fn begin(&mut self, token: u8) -> Option<()> {
        (self.token()? == token).then(|| self.at += 1)
    }

    /// Whether an array or object ends here, before its first member.
    fn ends(&mut self, end: u8) -> Option<bool> {
        let ends = self.token()? == end;
        self.at += usize::from(ends);
        Some(ends)
    }

    /// Whether an array or object ends behind a member; else there is another one.
    fn is_last(&mut self, end: u8) -> Option<bool> {
        let token = self.token()?;
        self.at += 1;
        (token == end || token == b',').then_some(token == end)
    }

    /// The name of a member, as it is written between its quotes.
    fn name(&mut self) -> Option<&'a [u8]> {
        self.begin(b'"')?;
        let name = self.string()?;
        self.begin(b':')?;
        Some(name)
    }

    /// A value, in which arrays and objects nest no deeper than `depth`.
    fn value(&mut self, depth: usize) -> Option<&'a [u8]> {
        let token = self.token()?;
        let start = self.at;
        match token {
            b'"' => {
                self.at += 1;
                self.string()?;
            }
            b'{' => self.members(b'}', depth)?,
            b'[' => self.members(b']', depth)?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => self.number()?,
        }
        Some(&self.raw[start..self.at])
    }

    /// What stands in an array or an object.
    fn members(&mut self, end: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.at += 1;
        if self.ends(end)? {
            return Some(());
        }
        loop {
            if end == b'}' {
                self.name()?;
            }
            self.value(depth)?;
            if self.is_last(end)? {
                return Some(());
            }
        }
    }

    /// The rest of a string, behind its first quote: what stands before the last one.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            self.skip_plain();
            let byte = *self.raw.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return Some(&self.raw[start..self.at - 1]),
                b'\\' => self.escape()?,
                ..b' ' => return None,
                _ => self.is_ascii &= byte.is_ascii(),
            }
        }
    }

    /// Eight bytes at a time, up to one that may be special in a string, or nearly to the end.
    fn skip_plain(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = ONES << 7;
        // The lowest byte that is zero has its high bit set, and none before it has.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let long = self.at + BLOCK;
        while let Some(bytes) = self.raw[self.at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*bytes);
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let quote = zero(word ^ (ONES * u64::from(b'"')));
            let escape = zero(word ^ (ONES * u64::from(b'\\')));
            self.is_ascii &= word & HIGH == 0;
            let special = (control | quote | escape) & HIGH;
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
            if self.at == long {
                self.skip_plain_blocks();
            }
        }
    }

    /// The same of what may be a long text, as processors like it: many bytes at a time without a
    /// question between them.
    fn skip_plain_blocks(&mut self) {
        while let Some(block) = self.raw[self.at..].first_chunk::<BLOCK>() {
            let is_special = |byte: u8| u8::from(byte < b' ' || byte == b'"' || byte == b'\\');
            if block.iter().fold(0, |any, byte| any | is_special(*byte)) != 0 {
                return;
            }
            self.is_ascii &= block.is_ascii();
            self.at += BLOCK;
        }
    }

    /// The rest of an escape sequence, behind its backslash.
    fn escape(&mut self) -> Option<()> {
        let byte = *self.raw.get(self.at)?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.raw.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        let is_here = self.raw[self.at..].starts_with(literal);
        is_here.then(|| self.at += literal.len())
    }

    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.raw[self.at] == b'-');
        match self.raw.get(self.at)? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.raw.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.raw.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.raw.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let digits = self.raw[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        (digits > 0).then_some(())
    }

    /// Whether nothing follows, and all was text.
    fn is_well_ended(&mut self) -> bool {
        self.token().is_none() && (self.is_ascii || str::from_utf8(self.raw).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::super::member::{members, read};
    use super::*;

    const NAMES: [&str; 3] = ["id", "params", "x"];

    /// What `serde_json` finds.
    fn theirs(object: &[u8]) -> Option<[Option<&[u8]>; 3]> {
        serde_json::from_slice::<&RawValue>(object).ok()?;
        read(object, NAMES).ok()
    }

    #[test]
    fn what_most_messages_look_like_is_read_here() {
        for object in [
            r#"{"id":1,"params":{"a":[1,-2.5e+3,{}],"b":"\"\\\u00e9"},"jsonrpc":"2.0"}"#,
            " {\r\n\t\"id\" : \"a\" , \"y\" : [ ] , \"x\" : null } ",
            r#"{"params":{"text":"Grüße, 世界: a text that is longer than a few words"}}"#,
            "{}",
        ] {
            let found = pick(object.as_bytes(), NAMES);
            assert!(found.is_some(), "{object}");
            assert_eq!(found, theirs(object.as_bytes()), "{object}");
        }
    }

    #[test]
    fn what_is_special_is_seen_wherever_it_stands_in_a_long_string() {
        for at in 0..300 {
            let text = |special: &str| {
                format!(r#"{{"x":"{}{special}{}"}}"#, "a".repeat(at), "b".repeat(300 - at))
            };
            for (special, is_read) in
                [("\\\"", true), ("é", true), ("\\x", false), ("\u{1f}", false), ("\"", false)]
            {
                let object = text(special);
                let found = pick(object.as_bytes(), NAMES);
                assert_eq!(found.is_some(), is_read, "{special:?} at {at}");
                assert_eq!(found, theirs(object.as_bytes()), "{special:?} at {at}");
            }
            let mut broken = text("a").into_bytes();
            broken[6 + at] = 0xff;
            assert_eq!(pick(&broken, NAMES), None, "at {at}");
        }
    }

    #[test]
    fn what_is_wrong_or_unclear_is_left_to_others() {
        let deep = format!(r#"{{"id":{}1{}}}"#, "[".repeat(65), "]".repeat(65));
        for object in [
            r#"{"id":1,"id":2}"#,
            r#"{"Id":1}"#,
            r#"{"\u0069d":1}"#,
            "{\"\u{130}d\":1}",
            r#"{"id":01}"#,
            r#"{"id":1.}"#,
            r#"{"id":-}"#,
            r#"{"id":1e}"#,
            r#"{"id":tru}"#,
            r#"{"id":"\x"}"#,
            r#"{"id":"\u12g4"}"#,
            "{\"id\":\"a\nb\"}",
            "{\"id\":\"a text, a control character \u{1f} in the midst of it\"}",
            r#"{"id":[1,]}"#,
            r#"{"id":1,}"#,
            r#"{"id":{"a"}}"#,
            r#"{"id":[1}}"#,
            r#"{"id":1"#,
            r#"{"id":1} {"#,
            r#"["id"]"#,
            "",
            &deep,
        ] {
            assert_eq!(pick(object.as_bytes(), NAMES), None, "{object}");
        }
        assert_eq!(pick(b"{\"y\":\"a text that is not UTF-8: \xff\"}", NAMES), None);
    }

    /// Texts that are JSON, or nearly.
    fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
        let string = r#""([a-z ]{0,12}|\\["\\/bfnrtux]|\\u[0-9a-g]{4}|[éß世\x1f"]){0,3}""#;
        let number = r"-?[0-9]{1,3}(\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?";
        let literal = prop_oneof![Just("true"), Just("false"), Just("null"), Just("nul")];
        let leaf = prop_oneof![string, number, literal.prop_map(str::to_owned)];
        let value = leaf.prop_recursive(4, 24, 4, |inner| {
            let member = ("[a-c]{1,2}", inner.clone()).prop_map(|(k, v)| format!("\"{k}\": {v}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(|it| format!("[{}]", it.join(","))),
                proptest::collection::vec(member, 0..4)
                    .prop_map(|it| format!("{{{}}}", it.join(" ,"))),
            ]
        });
        let name = prop_oneof![
            4 => prop_oneof![Just("id"), Just("params"), Just("x"), Just("y"), Just("jsonrpc")]
                .prop_map(str::to_owned),
            1 => r"[iIpxX\u{131}dk\\u0069]{1,6}",
        ];
        let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        let object = proptest::collection::vec(member, 0..4);
        let object = object.prop_map(|members| format!("{{{}}}", members.join(",")).into_bytes());
        let change = proptest::option::weighted(0.5, (any::<prop::sample::Index>(), any::<u8>()));
        (object, change).prop_map(|(mut object, change)| {
            if let Some((at, byte)) = change {
                let at = at.index(object.len());
                object[at] = byte;
            }
            object
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn whatever_is_read_here_is_read_alike_by_serde_json(object in nearly_json()) {
            if let Some(found) = pick(&object, NAMES) {
                prop_assert_eq!(Some(found), theirs(&object));
            }
        }

        #[test]
        fn all_members_are_those_of_serde_json(object in nearly_json()) {
            if let Some(found) = all(&object) {
                let theirs = members(&object).expect("an object");
                let theirs: Vec<_> = theirs.into_iter().map(|(it, raw)| (it, raw.get())).collect();
                prop_assert_eq!(found, theirs);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = all(&bytes);
            let _ = pick(&bytes, NAMES);
            let _ = pick(&[b"{\"id\":", &*bytes].concat(), NAMES);
        }
    }
}
