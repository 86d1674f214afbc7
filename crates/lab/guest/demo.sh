# A balanced web service told in a person's words: two directors, three web servers, one client. A server dies, then the
# director that was at work; requests go on.
#
# usage: dash demo.sh DAEMON
. /lab/world.sh
daemon=$1

say() {
    printf '%s\n' "$*"
}

# A director: number, priority, state.
start_director() {
    director "$1" <<C
vrrp_instance web {
    state $3
    interface eth0
    virtual_router_id 51
    priority $2
    advert_int 1
    virtual_ipaddress {
        192.0.2.200/24 dev eth0
        10.0.0.1/24 dev eth1
    }
}
virtual_server 192.0.2.200 80 {
    delay_loop 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 80")
    $(real "10.0.0.12 80")
    $(real "10.0.0.13 80")
}
C
}

town() {
    ip link add front type bridge
    ip link add back type bridge
    ip link set front up
    ip link set back up
    for n in 1 2 3; do
        attach "rs$n" back "10.0.0.1$n/24" "fd00:1::1$n/64"
        ip netns exec "rs$n" ip route add default via 10.0.0.1
        serve "rs$n"
    done
    attach client front 192.0.2.100/24 fd00:2::100/64
}

# Asks without end; one line for each answer.
ask() {
    : >/run/answers
    while :; do
        get client 192.0.2.200 >>/run/answers || echo nobody >>/run/answers
    done
}

# Whether exactly these have answered since a line.
only() {
    [ "$(tail -n +"$1" /run/answers | tail -n 12 | sort -u | tr '\n' ' ')" = "$2" ] &&
        [ "$(tail -n +"$1" /run/answers | wc -l)" -ge 12 ]
}

line() {
    echo $(($(wc -l </run/answers) + 1))
}

give_up() {
    echo "demo: $*"
    echo "--- the last answers: $(tail -n 20 /run/answers | tr '\n' ' ')"
    for log in /run/director?.log; do
        echo "--- $log"
        tail -n 40 $log
    done
    exit 1
}

town
start_director 1 150 MASTER
start_director 2 100 BACKUP
ask &
asking=$!
within 30 only 1 "rs1 rs2 rs3 " || give_up "three servers answer"
say "Two directors, three web servers, one client. All three servers answer in turn:"
ip netns exec director1 ipvsadm -Ln | sed -n '4,$s/^/    /p'

say "rs2 dies."
from=$(line)
kill_server rs2
within 20 only "$from" "rs1 rs3 " || give_up "the other two go on"
lost=$(tail -n +"$from" /run/answers | grep -c nobody)
say "The director has taken it out. $lost requests went unanswered; rs1 and rs3 answer the others."

say "The first director loses both its cables."
from=$(line)
since=$(cut -d. -f1 /proc/uptime)
ip netns exec director1 ip link set eth0 down
ip netns exec director1 ip link set eth1 down
answered() {
    tail -n +"$(($1 + 1))" /run/answers | grep -q rs
}
within 30 answered "$from" || give_up "the second director takes over"
say "The second director has the addresses, and answers after $(($(cut -d. -f1 /proc/uptime) - since)) s. It had taken rs2 out by itself."
from=$(line)
within 20 only "$from" "rs1 rs3 " || give_up "rs1 and rs3 answer through the second director"

say "rs2 is repaired."
serve rs2
within 30 sh -c "tail -n 12 /run/answers | grep -q rs2" || give_up "rs2 comes back"
say "It answers again."
kill $asking
for n in 1 2; do
    kill "$(cat /run/director$n.pid)"
done
