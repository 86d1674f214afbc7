# What only this daemon does: it puts right what others change, and goes on after its own death.
. /lab/world.sh
daemon=$1
shift

pool() {
    cat <<C
virtual_server 192.0.2.200 80 {
    delay_loop 1
    warmup 0
    lb_algo wrr
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 80" "weight 5")
    $(real "10.0.0.12 80" "weight 5")
    $(real "10.0.0.13 80" "weight 5")
}
C
}

# Starts with the pool, changed by a command of sed.
start_pool() {
    pool | sed "${1:-}" >/run/pool.conf
    start </run/pool.conf
}

good() {
    [ "$(table)" = "$1" ]
}

repair() {
    # Somebody else's, in the same kernel.
    ipvsadm -A -t 192.0.2.99:99 -s lc
    ipvsadm -a -t 192.0.2.99:99 -r 10.9.9.9:99 -m -w 9
    start_pool
    within 10 weight 10.0.0.13:80 5 || fail "the servers are at work"
    right=$(table)
    for edit in "-D -t 192.0.2.200:80" "-d -t 192.0.2.200:80 -r 10.0.0.11:80" "-e -t 192.0.2.200:80 -r 10.0.0.12:80 -m -w 77" \
        "-e -t 192.0.2.200:80 -r 10.0.0.12:80 -g -w 5" "-a -t 192.0.2.200:80 -r 10.0.0.66:80 -m" "-E -t 192.0.2.200:80 -s sh -p 30"; do
        ipvsadm $edit || fail "cannot edit: $edit"
        within 5 good "$right" || fail "put right within five seconds: $edit"
    done
    # Everything at once, the stranger's too, which stays away.
    ipvsadm -C
    within 5 has "192.0.2.200:80 -r 10.0.0.13:80 -m -w 5" || fail "all of it is put back"
    lacks 192.0.2.99 || fail "what is not ours is not ours to put back"
    ipvsadm -A -t 192.0.2.99:99 -s lc
    stop
    [ "$(table)" = "-A -t 192.0.2.99:99 -s lc" ] || fail "the stranger stays at the end"
    ipvsadm -C
}

# A number below the argument. The sequence is that of the seed.
chance() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    echo $((seed / 65536 % $1))
}

# One edit of our services, as somebody's hand would do it.
edit() {
    rs=10.0.0.1$(($(chance 3) + 1)):80
    case $(chance 9) in
        0) ipvsadm -D -t 192.0.2.200:80 ;;
        1) ipvsadm -d -t 192.0.2.200:80 -r $rs ;;
        2) ipvsadm -e -t 192.0.2.200:80 -r $rs -m -w $(chance 100) ;;
        3) ipvsadm -e -t 192.0.2.200:80 -r $rs -g -w 5 ;;
        4) ipvsadm -a -t 192.0.2.200:80 -r 10.0.0.$(($(chance 100) + 100)):80 -m ;;
        5) ipvsadm -E -t 192.0.2.200:80 -s sh -p $(($(chance 500) + 1)) ;;
        6) ipvsadm -A -t 192.0.2.200:80 -s rr ;;
        7) ipvsadm -a -t 192.0.2.200:80 -r $rs -i -w 1 ;;
        8) ipvsadm -E -t 192.0.2.200:80 -s lc -b sh-port ;;
    esac 2>/dev/null
}

# Edits by hand, of all sorts and many at a time: five seconds later our services are right, and those of others as they were.
storm() {
    seed=${SEED:-$(date +%s)}
    echo "# SEED=$seed"
    start_pool
    within 10 weight 10.0.0.13:80 5 || fail "the servers are at work"
    right=$(table)
    ipvsadm -A -t 192.0.2.99:99 -s lc
    for round in 1 2 3 4 5 6 7 8; do
        ipvsadm -a -t 192.0.2.99:99 -r 10.9.9.$round:99 -m -w 9
        theirs=$(table | grep 192.0.2.99:99)
        for _ in $(seq $(($(chance 6) + 1))); do
            edit
        done
        within 5 good "$(printf '%s\n%s' "$right" "$theirs" | sort)" || fail "put right within five seconds (round $round, SEED=$seed)"
    done
    stop
    [ "$(table)" = "$theirs" ] || fail "the stranger stays at the end"
    ipvsadm -C
}

# Kills everything of the daemon at once, so that nothing can withdraw.
kill_all() {
    kill -STOP $pid
    kill -9 "$(cat /run/checkers.pid)"
    kill -9 $pid
    wait $pid
}

recorded() {
    [ "$(sed 1d /run/checkers.services | sort | tr '\n' ';')" = "$1" ]
}

leftovers() {
    ipvsadm -A -t 192.0.2.99:99 -s lc
    ipvsadm -A -t 192.0.2.201:80 -s lc
    start_pool '1i global_defs {\n nftables_ipvs\n}
        1i virtual_server_group web {\n 192.0.2.201-203 80\n}
        1i virtual_server group web {\n lb_algo rr\n protocol TCP\n real_server 10.0.0.11 80 {\n }\n}
        1i virtual_server fwmark 9 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n real_server 10.0.0.11 80 {\n }\n}'
    within 10 weight 10.0.0.13:80 5 || fail "the servers are at work"
    within 5 recorded "fwmark 1000 inet;fwmark 9 inet;nftables keepalived_ipvs -;tcp 192.0.2.200 80;" ||
        fail "what may be left is recorded: $(cat /run/checkers.services)"
    [ "$(stat -c %a:%u /run/checkers.services)" = 600:0 ] || fail "for nobody else to read"
    kill_all
    has "-f 1000 -r 10.0.0.11" && has "-f 9 -r" && has "192.0.2.200:80 -r" || fail "a daemon that is killed leaves all"
    echo "rubbish in the record" >>/run/checkers.services
    # The file names one of four now. Services of others are not touched, whatever addresses a group of ours had.
    start_pool 's/192.0.2.200/192.0.2.210/'
    within 10 has "192.0.2.210:80 -r 10.0.0.13" || fail "the new service is there"
    within 10 lacks "192.0.2.200" || fail "the one that is asked for no more is gone"
    lacks "-f 9" && lacks "-f 1000" || fail "so are the marks"
    has "192.0.2.99:99" && has "192.0.2.201:80" || fail "those of others stay"
    within 5 sh -c '! nft list tables | grep -q keepalived_ipvs' || fail "the table of nftables is gone"
    within 5 recorded "tcp 192.0.2.210 80;" || fail "the record follows: $(cat /run/checkers.services)"
    pool >/run/again.conf
    reload </run/again.conf
    within 10 has "192.0.2.200:80 -r 10.0.0.13" || fail "a reload"
    kill_all
    # No virtual server any more: the checker comes for what is left, and goes.
    start <<C
global_defs {
}
C
    within 10 lacks "192.0.2.2[01]0" || fail "what is left goes"
    within 10 test ! -e /run/checkers.services || fail "and the record: $(cat /run/checkers.services)"
    within 5 test ! -e /run/checkers.pid || fail "and the checker"
    stop
    # A link in the place of the record is not followed, and stops nothing.
    echo precious >/run/precious
    ln -s /run/precious /run/checkers.services
    start_pool
    within 10 weight 10.0.0.13:80 5 || fail "the servers are at work"
    recorded "tcp 192.0.2.200 80;" && [ ! -L /run/checkers.services ] || fail "the link is replaced"
    [ "$(cat /run/precious)" = precious ] || fail "and not followed"
    stop
    [ -e /run/checkers.services ] && fail "nothing is left to be recorded"
    ipvsadm -C
}

# Connections the service has had; the kernel counts with some delay.
connections() {
    ipvsadm -Ln --stats | sed -n 's/^TCP *192.0.2.200:80 *\([0-9]*\).*/\1/p'
}

counted() {
    [ "$(connections)" -ge 1 ]
}

death() {
    start_pool
    within 10 weight 10.0.0.13:80 5 || fail "the servers are at work"
    kill_server rs1
    within 10 lacks 10.0.0.11:80 || fail "the dead server is gone"
    get client 192.0.2.200 >/dev/null
    within 10 counted || fail "connections are counted"
    before=$(connections)
    # The dead server must not come back for a moment: everything that happens to the table is watched.
    (while sleep 0.05; do has 10.0.0.11 && touch /run/resurrected; done) &
    watcher=$!
    : >$log
    kill -9 "$(cat /run/checkers.pid)"
    within 10 grep -q "died: Respawning" $log || fail "the death is noticed"
    within 15 grep -q "TCP_CHECK on service .10.0.0.11.:tcp:80 failed" $log || fail "it is checked again"
    within 5 grep -q "TCP connection to .10.0.0.13.:tcp:80 success" $log || fail "so are the others"
    kill $watcher
    [ -e /run/resurrected ] && fail "a dead server was put back"
    now=$(connections)
    [ "$now" -ge "$before" ] || fail "the service was set up anew: $before, $now"
    serve rs1
    within 10 has 10.0.0.11:80 || fail "it comes back when it answers"
    stop
    empty || fail "nothing is left"
}

told() {
    start_pool '1i global_defs {\n lvs_notify_fifo /run/lvs.fifo\n}
        s/lb_kind NAT/&\n omega\n quorum_down "\/bin\/touch \/run\/down"/'
    within 5 test -p /run/lvs.fifo || fail "the FIFO is made"
    tr -d '\0' </run/lvs.fifo >/run/lines &
    within 10 grep -qs "^VS .192.0.2.200.:tcp:80 UP$" /run/lines || fail "the quorum is a line"
    kill_server rs1
    within 10 grep -q "^RS .10.0.0.11.:tcp:80 .192.0.2.200.:tcp:80 DOWN$" /run/lines || fail "a server that dies is a line"
    stop
    within 5 grep -q "^VS .192.0.2.200.:tcp:80 DOWN$" /run/lines || fail "the end is told with omega: $(cat /run/lines)"
    within 5 test -e /run/down || fail "the script runs"
    serve rs1
}

one_mark() {
    start <<C
global_defs {
    nftables_ipvs
}
virtual_server_group web {
    192.0.2.200 80
    192.0.2.201-203 80
}
virtual_server group web {
    delay_loop 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 80")
    $(real "10.0.0.12 80")
}
C
    within 10 has "-f 1000 -r 10.0.0.12" || fail "the group is one service with a mark"
    lacks "192.0.2" || fail "and nothing else"
    nft list table ip keepalived_ipvs >/run/nft || fail "there is a table of nftables before the service"
    grep -q "192.0.2.203 . 80 : 0x000003e8" /run/nft || fail "with every address: $(cat /run/nft)"
    [ "$(answers client 192.0.2.200 4)" = "rs1 rs2 " ] || fail "both servers answer"
    # Somebody takes out an address.
    nft delete element ip keepalived_ipvs tcp_map '{ 192.0.2.203 . 80 }'
    within 8 sh -c 'nft list table ip keepalived_ipvs | grep -q "192.0.2.203 . 80 : 0x000003e8"' || fail "the address is put back"
    # A firewall is loaded again.
    nft flush ruleset
    within 8 sh -c 'nft list table ip keepalived_ipvs 2>/dev/null | grep -q "192.0.2.203 . 80 : 0x000003e8"' || fail "the table is put back"
    [ "$(answers client 192.0.2.200 4)" = "rs1 rs2 " ] || fail "both servers answer again"
    stop
    nft list tables | grep keepalived && fail "the table is gone at the end"
    empty || fail "and the service"
}

regrouped() {
    start <<C
virtual_server_group web {
    192.0.2.200 80
    192.0.2.201-203 8080
    fwmark 7
}
virtual_server group web {
    delay_loop 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 80")
    $(real "10.0.0.12 80")
}
C
    within 10 has "-f 7 -r 10.0.0.12" || fail "the group is there"
    reload <<C
virtual_server_group web {
    192.0.2.200 80
    192.0.2.203 8080
    192.0.2.204 8080
}
virtual_server group web {
    delay_loop 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    $(real "10.0.0.11 80")
    $(real "10.0.0.12 80")
}
C
    within 10 has "192.0.2.204:8080 -r 10.0.0.12" || fail "the new address is there"
    # The original leaves what is gone, without destinations.
    within 10 lacks "192.0.2.201" || fail "an address that is gone is gone"
    lacks "-f 7" || fail "so is the mark"
    has "192.0.2.203:8080 -r 10.0.0.12" || fail "what was in a range stays by itself"
    stop
}

synced() {
    start <<C
global_defs {
    lvs_sync_daemon back id 7
}
$(pool)
C
    within 10 sh -c 'ipvsadm -L --daemon | grep -q "master sync daemon.*back"' || fail "it tells connections"
    ipvsadm -L --daemon | grep -q "backup sync daemon.*syncid=7" || fail "and hears of them: $(ipvsadm -L --daemon)"
    ipvsadm --stop-daemon master
    within 5 sh -c 'ipvsadm -L --daemon | grep -q master' || fail "it is started again"
    stop
    [ -z "$(ipvsadm -L --daemon)" ] || fail "none is left: $(ipvsadm -L --daemon)"
}

# Whether a sync daemon of this direction runs.
syncs() {
    ipvsadm -L --daemon | grep -q "^$1 sync daemon"
}

follows() {
    start <<C
global_defs {
    lvs_sync_daemon back inst web
}
vrrp_instance web {
    interface front
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        192.0.2.250/24
    }
}
$(pool)
C
    within 10 syncs backup || fail "a backup hears of connections"
    within 15 syncs master || fail "a master tells them"
    within 5 sh -c '! ipvsadm -L --daemon | grep -q ^backup' || fail "and hears of none"
    ipvsadm -L --daemon | grep -q "syncid=51" || fail "the id is that of the instance: $(ipvsadm -L --daemon)"
    stop
    [ -z "$(ipvsadm -L --daemon)" ] || fail "none is left: $(ipvsadm -L --daemon)"
}

timeouts() {
    ipvsadm -L --timeout | sed 's/.*: //'
}

is_set_to() {
    [ "$(timeouts)" = "$1" ]
}

settings() {
    before=$(timeouts)
    ipvsadm -A -t 192.0.2.99:99 -s lc
    start_pool '1i global_defs {\n lvs_flush\n lvs_flush_on_stop\n lvs_timeouts tcp 100 udp 7\n}'
    within 10 weight 10.0.0.13:80 5 || fail "the servers are at work"
    lacks 192.0.2.99 || fail "lvs_flush removes what was there"
    within 5 is_set_to "100 $(echo "$before" | cut -d' ' -f2) 7" || fail "the timeouts are set: $(timeouts)"
    ipvsadm -A -t 192.0.2.99:99 -s lc
    stop
    empty || fail "lvs_flush_on_stop removes everything"
    is_set_to "$before" || fail "the timeouts are as before: $(timeouts)"
    # -I leaves it all, and the next one goes on with it.
    daemon="$daemon -I"
    start_pool
    within 10 weight 10.0.0.13:80 5 || fail "the servers are at work"
    right=$(table)
    stop
    good "$right" || fail "-I leaves the services: $(table)"
    daemon=${daemon% -I}
    : >$log
    start_pool
    within 10 grep -q "Startup complete" $log || fail "it starts beside them"
    within 5 good "$right" || fail "and takes them over"
    stop
    empty || fail "nothing is left"
}

elsewhere() {
    # ha_suspend: a server that dies while the address is elsewhere is not noticed.
    start_pool 's/lb_kind NAT/&\n ha_suspend/; s/192.0.2.200/192.0.2.210/'
    within 10 weight 10.0.0.13:80 5 || fail "the service is set up"
    kill_server rs2
    sleep 4
    has 10.0.0.12:80 || fail "nobody looked"
    ip addr add 192.0.2.210/32 dev front
    within 10 lacks 10.0.0.12:80 || fail "with the address come the checks"
    ip addr del 192.0.2.210/32 dev front
    within 5 grep -q "Suspending healthchecker for service .10.0.0.12" $log || fail "without it they rest"
    serve rs2
    stop
}

programs() {
    echo 0 >/run/weight
    printf '#!/bin/sh\nexit $(cat /run/weight)\n' >/run/check
    chmod +x /run/check
    echo 0 >/run/number
    start <<C
track_file number {
    file /run/number
    weight 1
}
virtual_server 192.0.2.200 80 {
    delay_loop 1
    warmup 0
    lb_algo wrr
    lb_kind NAT
    protocol TCP
    real_server 10.0.0.11 80 {
        weight 5
        MISC_CHECK {
            misc_path /run/check
            misc_dynamic
            user root
        }
    }
    real_server 10.0.0.12 80 {
        weight 5
        FILE_CHECK {
            track_file number
        }
    }
}
C
    within 10 weight 10.0.0.12:80 5 || fail "the servers are at work"
    echo 42 >/run/weight
    within 10 weight 10.0.0.11:80 40 || fail "the weight is the program's"
    echo 3 >/run/number
    within 5 weight 10.0.0.12:80 8 || fail "the weight is the file's"
    echo 1 >/run/weight
    within 10 lacks 10.0.0.11:80 || fail "a program that fails takes its server down"
    echo 0 >/run/weight
    within 10 weight 10.0.0.11:80 5 || fail "and brings it back with the weight that is configured"
    stop
}

world
for scenario in ${*:-repair storm leftovers death told regrouped one_mark synced follows settings elsewhere programs}; do
    echo "# $scenario"
    $scenario
done
