//! Numbers of nftables as `linux/netfilter/nf_tables.h` has them.
//!
//! They are checked against the running kernel and `nft` by the tests; the descriptions in the kernel's YAML files are
//! not right everywhere (lookup).

/// nfnetlink: batches and the subsystem.
pub(super) mod message {
    pub(in super::super) const BATCH_BEGIN: u16 = 0x10;
    pub(in super::super) const BATCH_END: u16 = 0x11;
    pub(in super::super) const SUBSYSTEM: u16 = 10;
    pub(in super::super) const NEW_TABLE: u16 = 0;
    pub(in super::super) const GET_TABLE: u16 = 1;
    pub(in super::super) const DELETE_TABLE: u16 = 2;
    pub(in super::super) const NEW_CHAIN: u16 = 3;
    pub(in super::super) const NEW_RULE: u16 = 6;
    pub(in super::super) const NEW_SET: u16 = 9;
    pub(in super::super) const NEW_ELEMENTS: u16 = 12;
    pub(in super::super) const DELETE_ELEMENTS: u16 = 14;
}

pub(super) mod table {
    pub(in super::super) const NAME: u16 = 1;
    pub(in super::super) const USER_DATA: u16 = 6;
}

pub(super) mod chain {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const NAME: u16 = 3;
    pub(in super::super) const HOOK: u16 = 4;
    pub(in super::super) const POLICY: u16 = 5;
    pub(in super::super) const TYPE: u16 = 7;
    pub(in super::super) const HOOK_NUMBER: u16 = 1;
    pub(in super::super) const HOOK_PRIORITY: u16 = 2;
}

pub(super) mod rule {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const CHAIN: u16 = 2;
    pub(in super::super) const EXPRESSIONS: u16 = 4;
}

pub(super) mod set {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const NAME: u16 = 2;
    pub(in super::super) const FLAGS: u16 = 3;
    pub(in super::super) const KEY_TYPE: u16 = 4;
    pub(in super::super) const KEY_LENGTH: u16 = 5;
    pub(in super::super) const DATA_TYPE: u16 = 6;
    pub(in super::super) const DATA_LENGTH: u16 = 7;
    pub(in super::super) const ID: u16 = 10;
    pub(in super::super) const USER_DATA: u16 = 13;
    pub(in super::super) const FLAG_CONSTANT: u32 = 2;
    pub(in super::super) const FLAG_MAP: u32 = 8;
    /// Types of user data, and what they may say.
    pub(in super::super) const KEY_BYTE_ORDER: u8 = 0;
    pub(in super::super) const DATA_BYTE_ORDER: u8 = 1;
    pub(in super::super) const HOST_ORDER: u32 = 1;
    pub(in super::super) const NETWORK_ORDER: u32 = 2;
}

pub(super) mod elements {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const SET: u16 = 2;
    pub(in super::super) const LIST: u16 = 3;
    pub(in super::super) const SET_ID: u16 = 4;
    pub(in super::super) const KEY: u16 = 1;
    pub(in super::super) const DATA: u16 = 2;
}

/// An entry of any list.
pub(super) const ENTRY: u16 = 1;

pub(super) mod data {
    pub(in super::super) const VALUE: u16 = 1;
    pub(in super::super) const VERDICT: u16 = 2;
    pub(in super::super) const CODE: u16 = 1;
    pub(in super::super) const CHAIN: u16 = 2;
}

pub(super) mod expression {
    pub(in super::super) const NAME: u16 = 1;
    pub(in super::super) const DATA: u16 = 2;
    pub(in super::super) const IMMEDIATE_TO: u16 = 1;
    pub(in super::super) const IMMEDIATE_DATA: u16 = 2;
    pub(in super::super) const BITWISE_FROM: u16 = 1;
    pub(in super::super) const BITWISE_TO: u16 = 2;
    pub(in super::super) const BITWISE_LENGTH: u16 = 3;
    pub(in super::super) const BITWISE_MASK: u16 = 4;
    pub(in super::super) const BITWISE_XOR: u16 = 5;
    pub(in super::super) const COMPARE_FROM: u16 = 1;
    pub(in super::super) const COMPARE_HOW: u16 = 2;
    pub(in super::super) const COMPARE_WITH: u16 = 3;
    pub(in super::super) const EQUAL: u32 = 0;
    pub(in super::super) const LOOKUP_SET: u16 = 1;
    pub(in super::super) const LOOKUP_FROM: u16 = 2;
    pub(in super::super) const LOOKUP_TO: u16 = 3;
    pub(in super::super) const PAYLOAD_TO: u16 = 1;
    pub(in super::super) const PAYLOAD_BASE: u16 = 2;
    pub(in super::super) const PAYLOAD_OFFSET: u16 = 3;
    pub(in super::super) const PAYLOAD_LENGTH: u16 = 4;
    pub(in super::super) const META_TO: u16 = 1;
    pub(in super::super) const META_KEY: u16 = 2;
    pub(in super::super) const META_FROM: u16 = 3;
    pub(in super::super) const MARK: u32 = 3;
    pub(in super::super) const DUP_ADDRESS: u16 = 1;
    pub(in super::super) const DUP_DEVICE: u16 = 2;
    pub(in super::super) const COUNTER_BYTES: u16 = 1;
    pub(in super::super) const COUNTER_PACKETS: u16 = 2;
}
