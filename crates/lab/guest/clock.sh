#!/bin/dash
# The clock of the day is set, forwards and backwards, by seconds and by decades, under two routers that sign their adverts
# (auth_hmac) and two that do not. Nobody may notice: no change of state, the address answers. Adverts are far apart, because
# an emulated machine on a busy one stands still for seconds.
# usage: clock.sh PROGRAM TIMES
set -eu
program=$1
times=$2

ip netns add peer
ip link add d0 type veth peer name p0
ip link set p0 netns peer
ip netns exec peer ip link set p0 name d0
ip link set d0 up
ip addr add 10.9.0.1/24 dev d0
ip netns exec peer ip addr add 10.9.0.2/24 dev d0
ip netns exec peer ip link set d0 up
ip netns exec peer ip link set lo up

# router PRIORITY
router() {
    cat <<CONF
vrrp_instance SIGNED {
    interface d0
    virtual_router_id 7
    priority $1
    advert_int 5
    auth_hmac {
        key 1 geheimgeheimgeheimgeheimgeheimge
        active_key 1
    }
    virtual_ipaddress {
        10.9.0.100/24 dev d0
    }
    accept
}
vrrp_instance PLAIN {
    interface d0
    virtual_router_id 8
    priority $1
    version 3
    advert_int 5
    virtual_ipaddress {
        10.9.0.101/24 dev d0
    }
    accept
}
CONF
}
router 200 >/a.conf
router 100 >/b.conf

# Whether both addresses are here and only here.
served() {
    for address in 10.9.0.100 10.9.0.101; do
        ip addr show d0 | grep -q "$address" || return 1
        ip netns exec peer ip addr show d0 | grep -q "$address" && return 1
        ip netns exec peer busybox ping -c 1 -W 2 "$address" >/dev/null || return 1
    done
}
changes() { cat /a.log /b.log | grep -c "Entering .* STATE" || true; }

"$program" -f /a.conf -n -l -D -P -p /run/a.pid -r /run/av.pid >/a.log 2>&1 &
a=$!
ip netns exec peer "$program" -f /b.conf -n -l -D -P -p /run/b.pid -r /run/bv.pid >/b.log 2>&1 &
b=$!
tries=90
until served; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "never served"; cat /a.log /b.log; exit 1; }
    sleep 1
done
sleep 5
before=$(changes)
n=0
while [ "$n" -lt "$times" ]; do
    case $((n % 8)) in
        0) to=$(($(date +%s) + 5)) ;;
        1) to=$(($(date +%s) - 5)) ;;
        2) to=$(($(date +%s) + 3600)) ;;
        3) to=$(($(date +%s) - 7200)) ;;
        4) to=$(($(date +%s) + 315360000)) ;;
        5) to=$(($(date +%s) - 315360000)) ;;
        6) to=1 ;;
        7) to=2000000000 ;;
    esac
    busybox date -s "@$to" >/dev/null
    # Three adverts.
    sleep 15
    served || { echo "not served after the clock was set to $to (time $n)"; cat /a.log /b.log; exit 1; }
    n=$((n + 1))
done
after=$(changes)
[ "$before" = "$after" ] || { echo "$before changes of state before, $after after"; cat /a.log /b.log; exit 1; }
echo "# clock set $n times, $((after - before)) changes of state"
kill $a $b
wait $a || true
wait $b || true
ip addr show d0 | grep -q 10.9.0.10[01] && { echo "an address is left"; exit 1; }
exit 0
