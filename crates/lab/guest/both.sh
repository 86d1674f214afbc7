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
for scenario in nat direct six groups; do
    echo "# $scenario"
    $scenario
done

# What the log says of servers; in which order is a matter of milliseconds.
echo "# said"
sed -n 's/^.* 20[0-9][0-9]: //p' $log | grep -E '^(Adding|Removing|Enabling|Disabling|Shutting|Lost|Gained|Changing)' | sort -u | sed 's/^/# /'
