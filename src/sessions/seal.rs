//! Sealed session ids: what a client holds instead of what we would have to store.
//!
//! `Mcp-Session-Id` is `base64url(key id ‖ nonce ‖ AES-256-GCM-SIV(session))`: visible ASCII, bound
//! to its principal, unforgeable, and readable by every replica that has the key.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::session::{ENCODED_LEN, Session};

const KEY_ID_LEN: usize = 4;
const TAG_LEN: usize = 16;
const SEALED_LEN: usize = KEY_ID_LEN + NONCE_LEN + ENCODED_LEN + TAG_LEN;
/// Says what the ciphertext is for, so that a token of another kind is never taken for a session.
const PURPOSE: &[u8] = b"portcullis session v1";

/// The keys that seal and open session ids: the first seals, all open.
pub struct Keys(Vec<Key>);

struct Key {
    id: [u8; KEY_ID_LEN],
    aead: LessSafeKey,
}

/// The system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness;

impl Keys {
    /// Keys of 32 bytes each; with none given, a random one is made and sessions end with the
    /// process.
    ///
    /// # Errors
    /// When a random key is needed and cannot be made.
    pub fn new(keys: &[[u8; 32]]) -> Result<Self, NoRandomness> {
        if keys.is_empty() {
            return Ok(Self(vec![Key::new(&random()?)]));
        }
        Ok(Self(keys.iter().map(Key::new).collect()))
    }

    /// Seals a session into the value of an `Mcp-Session-Id` header.
    ///
    /// # Errors
    /// When there is no randomness for the nonce.
    pub fn seal(&self, session: &Session) -> Result<String, NoRandomness> {
        let key = &self.0[0];
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut body = session.encode().to_vec();
        key.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(PURPOSE),
                &mut body,
            )
            .expect("the plaintext is far below the cipher's limit");
        let mut token = Vec::with_capacity(SEALED_LEN);
        token.extend_from_slice(&key.id);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(&body);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Opens the value of an `Mcp-Session-Id` header; `None` if none of our keys sealed it.
    pub fn open(&self, token: &[u8]) -> Option<Session> {
        let mut sealed = [0_u8; SEALED_LEN];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut sealed).ok()?;
        if length != SEALED_LEN {
            return None;
        }
        let (key_id, rest) = sealed.split_at_mut(KEY_ID_LEN);
        let (nonce, body) = rest.split_at_mut(NONCE_LEN);
        let nonce: [u8; NONCE_LEN] = (&*nonce).try_into().expect("split at its length");
        self.0.iter().filter(|key| key.id == *key_id).find_map(|key| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            let mut body = <[u8; ENCODED_LEN + TAG_LEN]>::try_from(&*body).expect("fixed length");
            let plain = key.aead.open_in_place(nonce, Aad::from(PURPOSE), &mut body).ok()?;
            Session::decode((&*plain).try_into().ok()?)
        })
    }
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let id = digest(&SHA256, bytes).as_ref()[..KEY_ID_LEN].try_into().expect("four bytes");
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes).expect("the key has the cipher's size");
        Self { id, aead: LessSafeKey::new(key) }
    }
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0_u8; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sessions::session::tests::example;

    #[test]
    fn a_session_survives_sealing_and_the_token_is_short_ascii() {
        let keys = Keys::new(&[]).unwrap();
        let token = keys.seal(&example()).unwrap();
        assert_eq!(keys.open(token.as_bytes()), Some(example()));
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic()) && token.len() < 1024);
        assert_ne!(keys.seal(&example()).unwrap(), token, "the nonce is new each time");
    }

    #[test]
    fn a_rotated_key_still_opens_and_an_unknown_one_does_not() {
        let (old, new) = ([1; 32], [2; 32]);
        let token = Keys::new(&[old]).unwrap().seal(&example()).unwrap();
        assert!(Keys::new(&[new, old]).unwrap().open(token.as_bytes()).is_some());
        assert!(Keys::new(&[new]).unwrap().open(token.as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_token_never_opens(at in 0_usize..100, to in "[A-Za-z0-9_-]") {
            let keys = Keys::new(&[[7; 32]]).unwrap();
            let token = keys.seal(&example()).unwrap();
            let mut changed = token.clone().into_bytes();
            let at = at % changed.len();
            changed[at] = to.as_bytes()[0];
            if changed != token.as_bytes() {
                prop_assert_eq!(keys.open(&changed), None);
            }
        }

        #[test]
        fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Keys::new(&[[7; 32]]).unwrap().open(&bytes), None);
        }
    }
}
