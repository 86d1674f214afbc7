//! BFD sessions.
//!
//! Three of upstream's processes read the block, each other keywords of it. Which one needs a word after its keyword is
//! therefore said by the lowering and not by the rows.

use super::{Block, Keyword, rows};

/// The rows of `bfd_instance`.
static BFD_INSTANCE_ROWS: &[Keyword] = rows! {
    line 0 "source_ip" "source_ip ADDR" "same family as neighbour" "none" "Local address to bind; when set the source port is chosen from the ephemeral range intersected with 49152-65535" => crate::lower::bfd::source_ip;
    line 0 "neighbor_ip" "neighbor_ip ADDR" "IPv4 or IPv6" "required" "Remote BFD peer" => crate::lower::bfd::neighbor_ip;
    line 0 "neighbour_ip" "neighbour_ip ADDR" "" "" "British spelling; old name of neighbor_ip" => crate::lower::bfd::neighbor_ip;
    line 0 "min_rx" "min_rx MSEC" "1-4294967 ms, up to 3 decimals; warning above 10000" "10" "Required minimum receive interval advertised" => crate::lower::bfd::min_rx;
    line 0 "min_tx" "min_tx MSEC" "1-4294967 ms, up to 3 decimals; warning above 10000" "10" "Desired minimum transmit interval once Up" => crate::lower::bfd::min_tx;
    line 0 "idle_tx" "idle_tx MSEC" "1000-4294967 ms, up to 3 decimals; warning above 10000" "1000" "Transmit interval used while the session is not Up" => crate::lower::bfd::idle_tx;
    line 0 "multiplier" "multiplier N" "1-255" "5" "Detection multiplier sent to the peer" => crate::lower::bfd::multiplier;
    line 0 "passive" "passive" "" "off (active)" "Do not send until a packet from the peer arrives" => crate::lower::bfd::passive;
    line 0 "ttl" "ttl N" "1-255" "255 for IPv4, 64 for IPv6" "TTL/hop limit of outgoing packets" => crate::lower::bfd::ttl;
    line 0 "hoplimit" "hoplimit N" "1-255" "" "Same setting as ttl; old name of ttl" => crate::lower::bfd::ttl;
    line 0 "max_hops" "max_hops N" "-1..255 (255 disables the received-TTL check)" "0" "Discard packets whose TTL shows more hops than this" => crate::lower::bfd::max_hops;
    line 0 "multihop" "multihop [BOOL]" "" "off" "Use UDP port 4784 instead of 3784" => crate::lower::bfd::multihop;
    line 0 "weight" "weight N [reverse]" "-253..253" "0" "VRRP priority change while the session is down/up; 0 = fault (read only by the VRRP process)" => crate::lower::bfd::weight;
    line 0 "vrrp" "vrrp" "" "both vrrp and checker when neither given" "Report state only to VRRP trackers (both keywords may be given)" => crate::lower::bfd::vrrp;
    line 0 "checker" "checker" "" "both when neither given" "Report state only to BFD_CHECK users" => crate::lower::bfd::checker;
};

/// `bfd_instance`.
pub static BFD_INSTANCE: Block = Block {
    name: "bfd_instance",
    tables: &[BFD_INSTANCE_ROWS],
    close: crate::lower::bfd::close,
};
