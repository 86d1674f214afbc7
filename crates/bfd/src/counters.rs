//! What is counted, for dumps. Decides nothing.

macro_rules! counters {
    ($(#[$outer:meta])* $type:ident { $($(#[$doc:meta])* $name:ident,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $type {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $type {
            /// Every counter with its name.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// The counters of one session.
    Counters {
        /// Packets accepted.
        received,
        /// Packets asked to be sent.
        sent,
        /// Packets the kernel refused to send.
        send_errors,
        /// Times it came up.
        became_up,
        /// Times it went down from up.
        became_down,
        /// Times nothing was heard for the detection time.
        expired,
        /// Packets with a TTL below the least.
        ttl_err,
        /// Packets to the port of the other kind (single hop, multihop).
        port_err,
        /// Packets with an authentication section, which is not configured here.
        authenticated,
        /// Packets while it is administratively down.
        while_admin_down,
        /// Poll sequences begun.
        polls,
    }
}

counters! {
    /// Packets that belong to no session.
    Strays {
        /// Bytes that are no packet.
        malformed,
        /// The discriminator is not ours.
        unknown_discriminator,
        /// Nobody is configured for these addresses.
        unknown_addresses,
    }
}
