# A small world inside the guest, and words to tell its story with. Read by the scenarios.
#
# The director is the guest itself. Behind it, on one segment (10.0.0.0/24, fd00:1::/64), three web servers and a neighbour;
# before it, on another (192.0.2.0/24, fd00:2::/64), a client. Names: rs1 rs2 rs3 near client.
set -u

daemon=
log=/run/log

fail() {
    echo "FAILED: $*"
    echo "--- table"
    ipvsadm -Ln
    echo "--- log"
    tail -n 60 $log
    exit 1
}

# Waits at most so many seconds for a command to succeed.
within() {
    tries=$(($1 * 10))
    shift
    while [ $tries -gt 0 ]; do
        "$@" && return 0
        sleep 0.1
        tries=$((tries - 1))
    done
    return 1
}

# Attaches a namespace to a bridge: name, bridge, IPv4, IPv6.
attach() {
    ip netns add "$1"
    ip link add "v-$1" type veth peer name eth0 netns "$1"
    ip link set "v-$1" master "$2" up
    ip netns exec "$1" ip link set lo up
    ip netns exec "$1" sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0
    ip netns exec "$1" ip addr add "$3" dev eth0
    ip netns exec "$1" ip -6 addr add "$4" dev eth0 nodad
    ip netns exec "$1" ip link set eth0 up
}

bridge() {
    ip link add "$1" type bridge
    sysctl -qw "net.ipv6.conf.$1.accept_dad=0"
    ip link set "$1" up
    ip addr add "$2" dev "$1"
    ip -6 addr add "$3" dev "$1" nodad
}

serve() {
    mkdir -p "/www/$1"
    echo "$1" >"/www/$1/index.html"
    ip netns exec "$1" busybox httpd -f -p 80 -h "/www/$1" &
    echo $! >"/run/$1.pid"
}

kill_server() {
    kill "$(cat "/run/$1.pid")"
}

world() {
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.vs.conntrack=0
    bridge back 10.0.0.1/24 fd00:1::1/64
    bridge front 192.0.2.1/24 fd00:2::1/64
    ip addr add 192.0.2.200/32 dev front
    ip -6 addr add fd00:2::200/128 dev front nodad
    ip addr add 10.0.0.200/32 dev back
    for n in 1 2 3; do
        attach "rs$n" back "10.0.0.1$n/24" "fd00:1::1$n/64"
        ip netns exec "rs$n" ip route add default via 10.0.0.1
        ip netns exec "rs$n" ip -6 route add default via fd00:1::1
        # The address of direct routing, which it must not claim on the segment.
        ip netns exec "rs$n" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
        ip netns exec "rs$n" ip addr add 10.0.0.200/32 dev lo
        serve "rs$n"
    done
    attach near back 10.0.0.100/24 fd00:1::100/64
    attach client front 192.0.2.100/24 fd00:2::100/64
    ip netns exec client ip route add default via 192.0.2.1
    ip netns exec client ip -6 route add default via fd00:2::1
    mkdir -p /etc/keepalived
    touch $log
}

# Starts the daemon with the configuration on standard input.
start() {
    cat >/etc/keepalived/keepalived.conf
    $daemon -n -l -D -f /etc/keepalived/keepalived.conf >>$log 2>&1 &
    pid=$!
}

# The same configuration, or the one on standard input.
reload() {
    cat >/etc/keepalived/keepalived.conf
    kill -HUP $pid
}

stop() {
    kill $pid
    wait $pid
}

# What comes back for a request: namespace, address, port. Busybox's own programs are linked statically and cannot look names
# up in a guest; bash can connect.
get() {
    ip netns exec "$1" timeout 5 bash -c '
        exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && tail -n 1 <&3' "$2" "${3:-80}" 2>/dev/null
}

# Who answers so many requests, each once.
answers() {
    for _ in $(seq "$3"); do
        get "$1" "$2" || echo nobody
    done | sort -u | tr '\n' ' '
}

table() {
    ipvsadm -Sn | sort
}

has() {
    table | grep -q -e "$1"
}

lacks() {
    ! has "$1"
}

weight() {
    has "-r $1.* -w $2\$"
}

empty() {
    [ -z "$(table)" ]
}

# For the comparison of two daemons: what the table is at this point.
show() {
    echo "## $1"
    table
}

# Prints a real server with a TCP check: address, and further lines.
real() {
    echo "real_server $1 { ${2:-}
        TCP_CHECK {
            connect_timeout 1
            retry 0
        }
    }"
}
