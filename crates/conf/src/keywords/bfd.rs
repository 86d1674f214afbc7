//! BFD sessions.

use super::{Block, Keyword, rows};

/// The rows of `bfd_instance`.
static BFD_INSTANCE_ROWS: &[Keyword] = rows! {
    line 1 "source_ip" "source_ip ADDR" "same family as neighbour" "none" "Local address to bind; when set the source port is chosen from the ephemeral range intersected with 49152-65535";
    line 1 "neighbor_ip" "neighbor_ip ADDR" "IPv4 or IPv6" "required" "Remote BFD peer";
    line 1 "neighbour_ip" "neighbour_ip ADDR" "" "" "British spelling; old name of neighbor_ip";
    line 1 "min_rx" "min_rx MSEC" "1-4294967 ms, up to 3 decimals; warning above 10000" "10" "Required minimum receive interval advertised";
    line 1 "min_tx" "min_tx MSEC" "1-4294967 ms, up to 3 decimals; warning above 10000" "10" "Desired minimum transmit interval once Up";
    line 1 "idle_tx" "idle_tx MSEC" "1000-4294967 ms, up to 3 decimals; warning above 10000" "1000" "Transmit interval used while the session is not Up";
    line 1 "multiplier" "multiplier N" "1-255" "5" "Detection multiplier sent to the peer";
    line 0 "passive" "passive" "" "off (active)" "Do not send until a packet from the peer arrives";
    line 1 "ttl" "ttl N" "1-255" "255 for IPv4, 64 for IPv6" "TTL/hop limit of outgoing packets";
    line 1 "hoplimit" "hoplimit N" "1-255" "" "Same setting as ttl; old name of ttl";
    line 1 "max_hops" "max_hops N" "-1..255 (255 disables the received-TTL check)" "0" "Discard packets whose TTL shows more hops than this";
    line 0 "multihop" "multihop [BOOL]" "" "off" "Use UDP port 4784 instead of 3784";
    line 1 "weight" "weight N [reverse]" "-253..253" "0" "VRRP priority change while the session is down/up; 0 = fault (read only by the VRRP process)";
    line 0 "vrrp" "vrrp" "" "both vrrp and checker when neither given" "Report state only to VRRP trackers (both keywords may be given)";
    line 0 "checker" "checker" "" "both when neither given" "Report state only to BFD_CHECK users";
};

/// `bfd_instance`.
pub static BFD_INSTANCE: Block = Block {
    name: "bfd_instance",
    tables: &[BFD_INSTANCE_ROWS],
    close: super::nothing,
};
