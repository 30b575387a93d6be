//! Identity in headers that a trusted proxy sets.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::{Asked, HeaderNames, Refusal};
use crate::call::{Names, Principal, PrincipalKind, issuer};

/// No id is longer, in bytes; what is longer was not written by the proxy.
const MAX_ID_BYTES: usize = 256;

/// Believes a trusted proxy's headers.
#[derive(Debug)]
pub(super) struct Headers {
    names: HeaderNames,
}

impl Headers {
    pub(super) fn new(names: &HeaderNames) -> Self {
        Self { names: names.clone() }
    }

    /// The person that the proxy names, else the program, which acts for the person if there is
    /// one. A team alone is nobody.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Result<Arc<Principal>, Refusal> {
        if !asked.is_proxied {
            return Err(Refusal::Unidentified(
                "it does not come from one of trustedProxies, and nobody else is believed",
            ));
        }
        let id = |name| id(asked.headers, name);
        let HeaderNames { human, agent, team } = &self.names;
        let (human, agent, team) = (id(human)?, id(agent)?, id(team)?);
        let kind = if human.is_some() { PrincipalKind::Person } else { PrincipalKind::Service };
        let subject = human.or(agent).ok_or(Refusal::Unidentified(
            "the proxy names neither a human nor an agent (auth.header)",
        ))?;
        Ok(Arc::new(Principal {
            issuer: issuer::HEADER.into(),
            subject: subject.into(),
            client: agent.unwrap_or_default().into(),
            kind,
            scopes: Names::default(),
            groups: team.into_iter().collect(),
            expires: None,
        }))
    }
}

/// What a header says, if it says anything. One that is there twice is refused: of two words, one
/// may be the client's own.
fn id<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut lines = headers.get_all(name).iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(Refusal::Unidentified(
            "an identity header is there twice; let the proxy remove what clients send",
        ));
    }
    let id = first.map_or(&b""[..], |line| line.as_bytes()).trim_ascii();
    let is_printable = id.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let id = std::str::from_utf8(id).ok().filter(|id| is_printable && id.len() <= MAX_ID_BYTES);
    match id {
        Some("") => Ok(None),
        Some(id) => Ok(Some(id)),
        None => Err(Refusal::Unidentified(
            "an identity header is longer than 256 bytes or not printable ASCII",
        )),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Uri};

    use super::*;
    use crate::authn::Origin;

    const HUMAN: &str = "x-mcp-human-id";
    const AGENT: &str = "x-mcp-agent-id";
    const TEAM: &str = "x-mcp-team-id";

    fn find(is_proxied: bool, lines: &[(&'static str, &[u8])]) -> Result<Arc<Principal>, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let asked = Asked {
            headers: &headers,
            uri: &Uri::from_static("/mcp"),
            address: None,
            is_proxied,
            certificate: None,
            memory: None,
            origin: Origin { scheme: "http", authority: "localhost" },
        };
        Headers::new(&HeaderNames::default()).find(&asked)
    }

    #[test]
    fn a_person_comes_before_the_program_that_acts_for_them() {
        for (lines, subject, client, group, kind) in [
            (
                &[(HUMAN, &b" ann "[..]), (AGENT, b"editor"), (TEAM, b"core")][..],
                "ann",
                "editor",
                Some("core"),
                PrincipalKind::Person,
            ),
            (&[(HUMAN, b"Ann Smith")], "Ann Smith", "", None, PrincipalKind::Person),
            (&[(AGENT, b"editor")], "editor", "editor", None, PrincipalKind::Service),
            (
                &[(HUMAN, b" \t"), (AGENT, b"editor"), (TEAM, b"")],
                "editor",
                "editor",
                None,
                PrincipalKind::Service,
            ),
        ] {
            let found = find(true, lines).expect("somebody");
            let expected = Principal {
                issuer: issuer::HEADER.into(),
                subject: subject.into(),
                client: client.into(),
                kind,
                groups: group.into_iter().collect(),
                ..Principal::default()
            };
            assert_eq!(*found, expected, "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_believed_names_nobody_and_is_not_repeated() {
        let (long, longest) = ("sesame".repeat(43), "s".repeat(256));
        assert_eq!(*find(true, &[(HUMAN, longest.as_bytes())]).unwrap().subject, *longest);
        for (name, is_proxied, lines) in [
            ("a stranger", false, &[(HUMAN, &b"sesame"[..])][..]),
            ("nobody", true, &[]),
            ("empty", true, &[(HUMAN, b""), (AGENT, b"  ")]),
            ("a team alone", true, &[(TEAM, b"sesame")]),
            ("twice", true, &[(HUMAN, b"sesame"), (HUMAN, b"other")]),
            ("twice the same", true, &[(HUMAN, b"sesame"), (HUMAN, b"sesame")]),
            ("twice, one empty", true, &[(HUMAN, b""), (HUMAN, b"sesame")]),
            (
                "two agents behind one person",
                true,
                &[(HUMAN, b"sesame"), (AGENT, b"a"), (AGENT, b"b")],
            ),
            ("too long", true, &[(HUMAN, long.as_bytes())]),
            ("a bad team", true, &[(HUMAN, b"sesame"), (TEAM, long.as_bytes())]),
            ("Latin-1", true, &[(HUMAN, b"sesame\xe9")]),
            ("UTF-8", true, &[(HUMAN, "sesam\u{e9}".as_bytes())]),
            ("a tab inside", true, &[(HUMAN, b"sesame\tother")]),
        ] {
            let refusal = find(is_proxied, lines).expect_err(name);
            assert!(matches!(refusal, Refusal::Unidentified(_)), "{name}: {refusal}");
            assert!(!format!("{refusal} {refusal:?}").contains("sesam"), "{name}: {refusal}");
        }
    }
}
