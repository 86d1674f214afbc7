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

# A director of its own, in a namespace with a port on both segments: number. Its configuration is on standard input.
director() {
    name="director$1"
    cat >"/run/$name.conf"
    ip netns add "$name"
    for port in "eth0 front 192.0.2" "eth1 back 10.0.0"; do
        set -- "$1" $port
        ip link add "$3-$1" type veth peer name "$2" netns "$name"
        ip link set "$3-$1" master "$3" up
        ip netns exec "$name" ip addr add "$4.$(($1 + 1))/24" dev "$2"
        ip netns exec "$name" ip link set "$2" up
    done
    ip netns exec "$name" ip link set lo up
    ip netns exec "$name" sysctl -qw net.ipv4.ip_forward=1
    ip netns exec "$name" $daemon -n -l -G -D -f "/run/$name.conf" -p "/run/$name.pid" -r "/run/$name-vrrp.pid" \
        -c "/run/$name-check.pid" >"/run/$name.log" 2>&1 &
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
    # Deprecated: it is not the source of checks.
    ip -6 addr add fd00:1::200/128 dev back nodad preferred_lft 0
    for n in 1 2 3; do
        attach "rs$n" back "10.0.0.1$n/24" "fd00:1::1$n/64"
        ip netns exec "rs$n" ip route add default via 10.0.0.1
        ip netns exec "rs$n" ip -6 route add default via fd00:1::1
        # The address of direct routing, which it must not claim on the segment.
        ip netns exec "rs$n" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
        ip netns exec "rs$n" ip addr add 10.0.0.200/32 dev lo
        ip netns exec "rs$n" ip -6 addr add fd00:1::200/128 dev lo nodad
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

# A server that says its name, then all it is told: namespace, port.
echo_server() {
    ip netns exec "$1" busybox nc -ll -p "$2" -e dash -c "echo $1; exec cat" &
    echo $! >"/run/$1-echo.pid"
}

# A connection that stays, of the client to an address and port: who answered is in /run/held; a file /run/ask makes it ask
# once more, and what comes back is in /run/answer.
hold() {
    rm -f /run/held /run/ask /run/answer
    ip netns exec client bash -c '
        exec 3<>"/dev/tcp/$0/$1" && read -r -t 5 who <&3 || exit 1
        # A few packets more, so that other directors are told of it.
        for word in one two three; do
            echo $word >&3
            read -r -t 5 back <&3
        done
        echo "$who" >/run/held
        while [ ! -e /run/ask ]; do sleep 0.1; done
        echo still >&3
        read -r -t 20 back <&3 && echo "$back" >/run/answer' "$1" "$2" &
    holding=$!
}

still_held() {
    touch /run/ask
    within 25 test -s /run/answer && [ "$(cat /run/answer)" = still ]
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
