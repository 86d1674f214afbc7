#!/bin/dash
# A router whose packets stay in a VRF, and a peer outside of it: election, address, route in the table of the VRF, handover.
# usage: vrf.sh PROGRAM
set -eu
program=$1

ip link add red type vrf table 10
ip link set red up
ip netns add peer
ip link add d0 type veth peer name p0
ip link set p0 netns peer
ip netns exec peer ip link set p0 name p1
ip link set d0 master red
ip link set d0 up
ip addr add 10.9.0.1/24 dev d0
ip netns exec peer ip addr add 10.9.0.2/24 dev p1
ip netns exec peer ip link set p1 up

# router OWN PEER PRIORITY INTERFACE-OR-VRF DEVICE ROUTES
router() {
    cat <<CONF
vrrp_instance U {
    $4
    unicast_src_ip 10.9.0.$1
    unicast_peer {
        10.9.0.$2
    }
    virtual_router_id 7
    priority $3
    virtual_ipaddress {
        10.9.0.100/24 dev $5
    }
    $6
}
CONF
}
router 1 2 200 "vrf red" d0 "virtual_routes { 198.51.100.0/24 via 10.9.0.2 vrf red
    }" >/a.conf
router 2 1 100 "interface p1" p1 "" >/b.conf

# until SECONDS WHAT COMMAND...
until_true() {
    seconds=$1 what=$2
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        seconds=$((seconds - 1))
        [ "$seconds" -gt 0 ] || { echo "not so: $what"; cat /a.log /b.log; ip addr; ip route show table 10; exit 1; }
        sleep 1
    done
    echo "# $what"
}
has() { ip "$@" | grep -q 10.9.0.100; }
peer_has() { ip netns exec peer ip addr show p1 | grep -q 10.9.0.100; }
routed() { ip route show table 10 | grep -q 198.51.100.0/24; }
not() { ! "$@"; }

"$program" -f /a.conf -n -l -D -P -p /run/a.pid -r /run/av.pid >/a.log 2>&1 &
a=$!
ip netns exec peer "$program" -f /b.conf -n -l -D -P -p /run/b.pid -r /run/bv.pid >/b.log 2>&1 &
b=$!
until_true 60 "the router in the VRF is master" has addr show d0
until_true 20 "its route is in the table of the VRF" routed
sleep 5
peer_has && { echo "two masters"; cat /a.log /b.log; exit 1; }
echo "# its peer hears it"
kill $a
wait $a || true
until_true 60 "the peer has taken over" peer_has
until_true 20 "nothing is left in the VRF" not has addr show d0
until_true 20 "nor in its table" not routed
kill $b
wait $b || true
