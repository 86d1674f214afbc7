# What both daemons do alike: the tables printed here are compared.
#
# usage: dash both.sh DAEMON
. /lab/world.sh
daemon=$1

common="delay_loop 1
    warmup 0
    lb_algo rr"

nat() {
    start <<C
virtual_server 192.0.2.200 80 {
    $common
    lb_kind NAT
    protocol TCP
    quorum_up "/bin/touch /run/quorum-up"
    quorum_down "/bin/touch /run/quorum-down"
    quorum 2
    hysteresis 1
    sorry_server 10.0.0.13 80
    $(real "10.0.0.11 80" "weight 2")
    $(real "10.0.0.12 80" "weight 1
        inhibit_on_failure")
}
C
    within 10 weight 10.0.0.12:80 1 || fail "both servers are at work"
    show "all are well"
    [ "$(answers client 192.0.2.200 6)" = "rs1 rs2 " ] || fail "both servers answer through NAT"
    within 5 test -e /run/quorum-up || fail "the quorum is told of"
    kill_server rs2
    within 10 weight 10.0.0.12:80 0 || fail "a dead server gets no more connections"
    show "one is dead and stays with weight 0"
    [ "$(answers client 192.0.2.200 4)" = "rs1 " ] || fail "the other server answers"
    kill_server rs1
    within 10 has 10.0.0.13:80 || fail "the sorry server takes over"
    within 5 test -e /run/quorum-down || fail "its loss is told of"
    show "the sorry server"
    [ "$(answers client 192.0.2.200 2)" = "rs3 " ] || fail "the sorry server answers"
    serve rs1
    serve rs2
    within 15 lacks 10.0.0.13:80 || fail "the sorry server rests"
    within 15 weight 10.0.0.12:80 1 || fail "the servers are back"
    show "all are back"
    stop
    show "stopped"
    empty || fail "nothing is left at the end"
}

direct() {
    start <<C
virtual_server 10.0.0.200 80 {
    $common
    lb_kind DR
    protocol TCP
    persistence_timeout 60
    $(real "10.0.0.11 80")
    $(real "10.0.0.12 80")
}
C
    within 10 has 10.0.0.12:80 || fail "both servers are at work"
    show "direct routing with persistence"
    words=$(answers near 10.0.0.200 6)
    case "$words" in
        "rs1 " | "rs2 ") ;;
        *) fail "one client stays with one server: $words" ;;
    esac
    # Drained: what is there may stay, nobody new comes.
    reload <<C
virtual_server 10.0.0.200 80 {
    $common
    lb_kind DR
    protocol TCP
    $(real "10.0.0.11 80" "weight 0")
    $(real "10.0.0.12 80" "weight 3")
    $(real "10.0.0.13 80")
}
C
    within 10 weight 10.0.0.13:80 1 || fail "the new server is at work"
    within 10 weight 10.0.0.12:80 3 || fail "the weight is another one"
    show "after a reload"
    [ "$(answers near 10.0.0.200 6)" = "rs2 rs3 " ] || fail "weight 0 gets no new connections"
    stop
    show "stopped"
}

six() {
    start <<C
virtual_server fd00:2::200 80 {
    $common
    lb_kind NAT
    protocol TCP
    $(real "fd00:1::11 80")
    $(real "fd00:1::12 80")
}
C
    within 10 has "fd00:1::12" || fail "both servers are at work"
    show "IPv6"
    [ "$(answers client fd00:2::200 4)" = "rs1 rs2 " ] || fail "both answer over IPv6"
    stop
}

six_direct() {
    start <<C
virtual_server fd00:1::200 80 {
    $common
    lb_kind DR
    protocol TCP
    $(real "fd00:1::11 80")
    $(real "fd00:1::12 80")
}
C
    within 10 has "fd00:1::12" || fail "both servers are at work"
    show "IPv6, direct routing"
    [ "$(answers near fd00:1::200 4)" = "rs1 rs2 " ] || fail "both answer over IPv6"
    kill_server rs1
    within 10 lacks "fd00:1::11" || fail "a dead server leaves"
    [ "$(answers near fd00:1::200 4)" = "rs2 " ] || fail "the other one answers"
    serve rs1
    within 15 has "fd00:1::11" || fail "it comes back"
    show "IPv6, one was dead"
    stop
}

echoes() {
    cat <<C
virtual_server 192.0.2.200 7000 {
    $common
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 7000" "weight $1")
    $(real "10.0.0.12 7000" "weight $2")
}
C
}

# Whom the next connection reaches.
echoes_from() {
    ip netns exec client timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.200/7000 && read -r who <&3 && echo "$who"'
}

# A server that is drained keeps its connections and gets no new ones.
drained() {
    echo_server rs1 7000
    echo_server rs2 7000
    echoes 1 1 >/run/echoes.conf
    start </run/echoes.conf
    within 10 has "10.0.0.12:7000" || fail "both servers are at work"
    hold 192.0.2.200 7000
    within 10 test -s /run/held || fail "there is a connection"
    if [ "$(cat /run/held)" = rs1 ]; then
        other=rs2
        echoes 0 1 >/run/echoes.conf
    else
        other=rs1
        echoes 1 0 >/run/echoes.conf
    fi
    reload </run/echoes.conf
    within 10 has "7000 -m -w 0\$" || fail "one is drained"
    # Which of the two is chance: the table is not for comparison.
    for _ in 1 2 3 4; do
        [ "$(echoes_from)" = "$other" ] || fail "new connections go to $other"
    done
    still_held || fail "the connection to $(cat /run/held) goes on"
    wait $holding
    stop
    kill "$(cat /run/rs1-echo.pid)" "$(cat /run/rs2-echo.pid)"
}

# What a table can hold, without traffic.
odds() {
    start <<C
virtual_server 192.0.2.200 53 {
    lb_algo sh
    sh-port
    sh-fallback
    lb_kind DR
    protocol UDP
    ops
    real_server 10.0.0.11 53 {
        weight 3
        uthreshold 100
        lthreshold 50
    }
}
virtual_server 192.0.2.200 0 {
    lb_algo wlc
    lb_kind TUN
    protocol TCP
    persistence_timeout 600
    persistence_granularity 255.255.255.0
    real_server 10.0.0.11 0 {
    }
    real_server 10.0.0.12 0 {
        lvs_method NAT
    }
}
virtual_server fwmark 9 {
    lb_algo lc
    lb_kind DR
    persistence_timeout 60
    real_server 10.0.0.13 0 {
    }
}
virtual_server 192.0.2.200 132 {
    lb_algo rr
    lb_kind NAT
    protocol SCTP
    real_server 10.0.0.11 132 {
        weight 65535
    }
}
C
    within 10 has "10.0.0.11:132" || fail "all of it is there"
    show "all sorts"
    ipvsadm -Ln --thresholds | sed -n 's/ *$//; s/^  ->/-a/p' | sort
    stop
}

# Whether a director's list of this sort has a line like this: number, options of ipvsadm, pattern.
director_has() {
    ip netns exec "director$1" ipvsadm $2 | grep -q "$3"
}

# Two directors: the second knows the connections of the first, and goes on with them.
synced() {
    for n in 1 2; do
        ip netns exec "rs$n" ip route replace default via 10.0.0.5
        echo_server "rs$n" 7000
    done
    for n in 1 2; do
        director $n <<C
global_defs {
    lvs_sync_daemon eth1 inst web id 7
}
vrrp_instance web {
    state BACKUP
    interface eth0
    virtual_router_id 52
    priority $((200 - n * 50))
    advert_int 1
    virtual_ipaddress {
        192.0.2.220/24 dev eth0
        10.0.0.5/24 dev eth1
    }
}
virtual_server 192.0.2.220 7000 {
    $common
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 7000")
    $(real "10.0.0.12 7000")
}
C
    done
    within 20 director_has 1 "-L --daemon" "^master sync daemon (mcast=eth1, syncid=7" ||
        fail "the master tells connections: $(ip netns exec director1 ipvsadm -L --daemon; tail /run/director1.log)"
    within 20 director_has 2 "-L --daemon" "^backup sync daemon (mcast=eth1, syncid=7" ||
        fail "the backup hears of them: $(ip netns exec director2 ipvsadm -L --daemon)"
    for n in 1 2; do
        within 20 director_has $n -Sn 10.0.0.12:7000 || fail "director $n has the servers"
    done
    for n in 1 2; do
        echo "## director $n"
        ip netns exec "director$n" ipvsadm -Sn | sort
        ip netns exec "director$n" ipvsadm -L --daemon | sed 's/ *$//; s/^/-a /'
    done
    hold 192.0.2.220 7000
    within 10 test -s /run/held || fail "there is a connection"
    within 20 director_has 2 -Lnc "ESTABLISHED.*192.0.2.100:.*192.0.2.220:7000" ||
        fail "the second knows it: $(ip netns exec director2 ipvsadm -Lnc)"
    kill "$(cat /run/director1.pid)"
    within 20 director_has 2 "-L --daemon" "^master sync daemon" ||
        fail "the second tells connections now: $(tail -n 20 /run/director2.log)"
    echo "## after the first is gone"
    ip netns exec director2 ipvsadm -L --daemon | sed 's/ *$//; s/^/-a /'
    still_held || fail "the connection to $(cat /run/held) goes on"
    wait $holding
    kill "$(cat /run/director2.pid)"
    within 10 test ! -e /run/director2.pid || fail "it ends"
    [ -z "$(ip netns exec director2 ipvsadm -L --daemon)" ] || fail "no sync daemon is left"
    for n in 1 2; do
        kill "$(cat "/run/rs$n-echo.pid")"
        ip netns exec "rs$n" ip route replace default via 10.0.0.1
    done
}

groups() {
    start <<C
virtual_server_group web {
    192.0.2.200 80
    192.0.2.201-203 8080
    fwmark 7
}
virtual_server group web {
    $common
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 80")
    $(real "10.0.0.12 80")
}
C
    within 10 has "FWM 7\|-f 7" || fail "the mark is there"
    show "a group"
    nft -f - <<N
table ip marks {
    chain in {
        type filter hook prerouting priority 0;
        ip daddr 192.0.2.1 tcp dport 8088 meta mark set 7
    }
}
N
    marked=$(get client 192.0.2.1 8088)
    case "$marked" in
        rs1 | rs2) ;;
        *) fail "marked packets are balanced: $marked" ;;
    esac
    nft delete table ip marks
    kill_server rs1
    within 10 lacks 10.0.0.11 || fail "a dead server leaves every service of the group"
    show "one is dead"
    serve rs1
    within 10 has 10.0.0.11 || fail "it is back"
    stop
    show "stopped"
}

world
shift
for scenario in ${*:-nat direct drained six six_direct groups odds synced}; do
    echo "# $scenario"
    $scenario
done

# What the log says of servers; in which order is a matter of milliseconds, and which one was drained of chance.
echo "# said"
sed -n 's/^.* 20[0-9][0-9]: //p' $log | grep -E '^(Adding|Removing|Enabling|Disabling|Shutting|Lost|Gained|Changing)' |
    grep -v 'Changing .*:tcp:7000 of' | sort -u | sed 's/^/# /'
