//! `auth_hmac`: the keys of an instance and how strictly it believes (`spec/vrrp-behaviour.md` 2.7).
//!
//! Decides what is a key and what is a valid set of them. Deliberately does not know where keys were written.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU8;

/// The shortest key, in bytes.
pub const MIN_KEY: usize = 32;
/// The longest key, in bytes: one block of SHA-256, which is used as it is.
pub const MAX_KEY: usize = 64;
/// The shortest and the longest `time_window`, in seconds.
pub const WINDOWS: core::ops::RangeInclusive<u32> = 1..=300;

/// The number of a key on the wire: 1 to 255.
pub type KeyId = NonZeroU8;

/// A shared key: 32 to 64 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// A key, if it has a valid length.
    pub fn new(bytes: &[u8]) -> Option<Key> {
        (MIN_KEY..=MAX_KEY)
            .contains(&bytes.len())
            .then(|| Key(Arc::from(bytes)))
    }

    /// The bytes, for signing.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Secrets are never printed.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// `mode`: whether adverts are signed, and whether a trailer is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacMode {
    /// Signs and requires.
    Enforce,
    /// Signs, and accepts adverts without a trailer.
    Permissive,
    /// Does not sign, and accepts adverts without a trailer.
    ReceiveOnly,
}

impl HmacMode {
    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            HmacMode::Enforce => "enforce",
            HmacMode::Permissive => "permissive",
            HmacMode::ReceiveOnly => "receive-only",
        }
    }
}

/// `anti_replay`: what makes an advert an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AntiReplay {
    /// Its time is outside the window, or its stamp is not later than the last.
    Time,
    /// Its stamp is not later than the last.
    Monotonic,
}

impl AntiReplay {
    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            AntiReplay::Time => "time",
            AntiReplay::Monotonic => "monotonic",
        }
    }
}

/// A valid `auth_hmac`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacAuth {
    /// All keys that are believed; the active one among them.
    pub(crate) keys: BTreeMap<KeyId, Key>,
    /// `active_key`: the one that signs.
    pub active: KeyId,
    /// `mode`.
    pub mode: HmacMode,
    /// `anti_replay`.
    pub anti_replay: AntiReplay,
    /// `time_window`, seconds, 1 to 300.
    pub window: u32,
}

impl HmacAuth {
    /// Whether adverts are signed.
    pub fn signs(&self) -> bool {
        match self.mode {
            HmacMode::Enforce | HmacMode::Permissive => true,
            HmacMode::ReceiveOnly => false,
        }
    }

    /// Whether an advert without a trailer is refused.
    pub fn requires(&self) -> bool {
        match self.mode {
            HmacMode::Enforce => true,
            HmacMode::Permissive | HmacMode::ReceiveOnly => false,
        }
    }

    /// The numbers of all keys.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_key_has_32_to_64_bytes_and_is_never_printed() {
        assert_eq!(Key::new(&[b'k'; 31]), None);
        assert_eq!(Key::new(&[b'k'; 65]), None);
        let key = Key::new(&[b'k'; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "********");
        assert!(Key::new(&[0; 64]).is_some());
    }
}
