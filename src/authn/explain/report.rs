//! A token's checks, written down as they are made.

use super::details::{Token, details};
use super::explanation::Explanation;
use crate::authn::claims::{Check, Claims, Disbelief, Expected, Witness};
use crate::authn::introspected;
use crate::authn::jwt::Jwt;
use crate::authn::keys::KeySet;
use crate::call::{Names, Principal};

/// Makes all checks of a token that can be made.
pub(super) fn jwt(
    explanation: &mut Explanation,
    jwt: &Jwt<'_>,
    expected: &Expected<'_>,
    keys: &KeySet,
    needed: &Names,
) {
    let token = Token::Jwt(jwt, keys);
    let mut report = Report { explanation, token, expected, saw_signature: false };
    let principal = jwt.examine(expected, keys, &mut report);
    let saw_signature = report.saw_signature;
    if !saw_signature {
        explanation.note("signature", "not checked: no key is known for it");
    }
    for key in keys.left_out() {
        let details = format!("key {} of the issuer is left out: {}", key.position, key.why);
        explanation.note("keys", details);
    }
    last(explanation, principal, needed);
}

/// Makes all checks of what an issuer says of a token.
pub(super) fn answer(
    explanation: &mut Explanation,
    said: &Claims,
    expected: &Expected<'_>,
    needed: &Names,
) {
    let token = Token::Introspected(said);
    let mut report = Report { explanation, token, expected, saw_signature: false };
    let principal = introspected::examine(said, expected, &mut report);
    last(explanation, principal, needed);
}

/// What remains to be checked once it is known whom a token is for.
fn last(
    explanation: &mut Explanation,
    principal: Result<Option<Principal>, Disbelief>,
    needed: &Names,
) {
    match principal {
        Ok(Some(principal)) => required(explanation, needed, &principal.scopes),
        Ok(None) | Err(_) if needed.is_empty() => {}
        Ok(None) | Err(_) => explanation.note("required", "not checked: the token does not hold"),
    }
}

/// The scopes that everybody needs.
pub(super) fn required(explanation: &mut Explanation, needed: &Names, granted: &Names) {
    let missing: Vec<&str> = needed.iter().filter(|scope| !granted.contains(scope)).collect();
    if missing.is_empty() {
        explanation.passed("required", "all of auth.scopes.required");
    } else {
        let why = "get a token with all of auth.scopes.required; auth.issuers[].allowedScopes \
                   may have taken some away";
        explanation.failed("required", format!("lacks {}", missing.join(" ")), why);
    }
}

/// Writes down what it sees and never ends the checks.
struct Report<'r> {
    explanation: &'r mut Explanation,
    token: Token<'r>,
    expected: &'r Expected<'r>,
    saw_signature: bool,
}

impl Witness for Report<'_> {
    fn saw<T>(
        &mut self,
        check: Check,
        found: Result<T, Disbelief>,
    ) -> Result<Option<T>, Disbelief> {
        self.saw_signature |= check == Check::Signature;
        let details = details(check, self.token, self.expected);
        match found {
            Ok(found) => {
                self.explanation.passed(word(check), details);
                Ok(Some(found))
            }
            Err(disbelief) => {
                let fault = disbelief.into_fault(self.expected.issuer);
                self.explanation.failed(word(check), details, fault.message);
                Ok(None)
            }
        }
    }
}

fn word(check: Check) -> &'static str {
    match check {
        Check::Header => "header",
        Check::Algorithm => "algorithm",
        Check::Type => "type",
        Check::Issuer => "issuer",
        Check::Expiry => "expiry",
        Check::Key => "key",
        Check::Signature => "signature",
        Check::NotBefore => "not before",
        Check::Issued => "issued",
        Check::Audience => "audience",
        Check::Claims => "claims",
        Check::Client => "client",
        Check::Subject => "subject",
        Check::Scopes => "scopes",
        Check::Groups => "groups",
    }
}
