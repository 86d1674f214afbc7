//! What an instance counts (`spec/vrrp-behaviour.md` 16), by the names the JSON statistics know.
//!
//! Decides nothing; `receive` and the engine say what to count.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one instance. They wrap only after centuries.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Every counter with its name, in the order of the statistics.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Adverts that passed the checks that reject.
    advert_rcvd,
    /// Adverts sent; one to many peers counts once.
    advert_sent,
    /// Times it became master.
    become_master,
    /// Times it stopped being master.
    release_master,
    /// Wrong length.
    packet_len_err,
    /// Other interval in version 2.
    advert_interval_err,
    /// Wrong TTL or hop limit.
    ip_ttl_err,
    /// Not an advertisement.
    invalid_type_rcvd,
    /// Other addresses than ours, or the wrong kind of destination.
    addr_list_err,
    /// An authentication type nobody knows.
    invalid_authtype,
    /// Another authentication type than ours.
    authtype_mismatch,
    /// Wrong password, digest, sender or sequence number.
    auth_failure,
    /// No authentication trailer, but one is required.
    auth_ext_missing,
    /// An authentication trailer of another kind, or with something in its reserved field.
    auth_ext_malformed,
    /// An authentication trailer signed with a key that is not ours.
    auth_ext_unknown_key,
    /// An authentication trailer whose code does not fit.
    auth_ext_invalid_hmac,
    /// An authentication trailer from outside the time window.
    auth_ext_stale,
    /// An authentication trailer that is not later than the last of its sender.
    auth_ext_replay,
    /// Priority 0 received.
    pri_zero_rcvd,
    /// Priority 0 sent.
    pri_zero_sent,
    /// Wrong checksum.
    chk_err,
    /// Another version than ours.
    version_err,
    /// Unicast adverts of somebody who is no peer.
    unknown_peer,
    /// Bytes that are no packet at all.
    malformed,
    /// Adverts ignored because we own the addresses.
    owner_ignored,
}
