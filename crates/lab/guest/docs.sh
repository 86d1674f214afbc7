#!/bin/bash
# Runs inside a booted Debian, as root: the commands of the pages named, as they are written (scripts/test-docs), and a look
# at what they did. Prints a line per block; its exit code says whether all went well.
#
# usage: docs.sh PAGE...
set -u

failed=0
ok() { echo "ok: $1"; }
bad() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    [ $# -lt 2 ] || sed 's/^/    /' "$2"
    { systemctl status --no-pager -l keepalived; journalctl --no-pager -u keepalived -n 20; } 2>&1 | sed 's/^/    /'
}
# Waits for what must come, not longer than a minute.
until_true() {
    local end=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}
expect() {
    local title=$1
    shift
    if until_true "$@"; then ok "$title"; else bad "$title"; fi
}
address() { ip -4 -o addr show | grep -q " $1/"; }
program() { [ "$(readlink "/proc/$(systemctl show -p MainPID --value keepalived)/exe")" = "$1" ]; }
export DEBIAN_FRONTEND=noninteractive

# One line after the other in one shell: `a && b` fails if a does.
run_block() {
    cat >/tmp/run <<'RUN'
while IFS= read -r line <&3; do
    eval "$line" </dev/null || { echo "failed: $line" && exit 1; }
done 3<"$1"
RUN
    timeout 300 bash /tmp/run "$1" >/tmp/output 2>&1
}

watch_block() {
    timeout -s INT 8 bash -c "$(cat "$1")" >/tmp/output 2>&1 </dev/null
    grep -qi vrrp /tmp/output
}

network() {
    for name in eth0 eth1 ens33; do
        ip link add $name type veth peer name "$name-far"
        ip link set $name up
        ip link set "$name-far" up
    done
    ip addr add 10.0.0.2/24 dev eth0
    ip addr add 10.0.1.2/24 dev eth1
}

# Nothing of an earlier page; the package stays where it is well.
clean() {
    systemctl stop keepalived nginx haproxy
    rm -rf /etc/keepalived/* /etc/nginx/conf.d/*
}

without_keepalived() {
    clean
    apt-get purge -q -y keepalived
    rm -rf /usr/local/keepalived /usr/local/sbin/keepalived /etc/keepalived \
        /etc/systemd/system/multi-user.target.wants/keepalived.service /lib/systemd/system/keepalived.service
    systemctl daemon-reload
} >/dev/null 2>&1

with_keepalived() {
    if [ -e /usr/sbin/keepalived ] && [ ! -e /usr/local/keepalived ]; then
        clean >/dev/null 2>&1
        return
    fi
    without_keepalived
    apt-get install -q -y ./keepalived_*.deb >/tmp/output 2>&1 || bad "the package cannot be installed" /tmp/output
}

with_sample() {
    with_keepalived
    cp /usr/share/doc/keepalived/samples/keepalived.conf.sample /etc/keepalived/keepalived.conf
    systemctl restart keepalived
    until_true address 192.168.200.16
}

# What must be there before a page, or a block of it.
before() {
    case $1 in
        install/01 | notebook/01) without_keepalived ;;
        install/03) without_keepalived ;;
        checks/01)
            with_keepalived
            # The server genhash asks in the guide.
            ip addr add 198.51.100.2/32 dev lo
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=www.example.com -days 2 \
                -keyout /tmp/key -out /tmp/certificate >/dev/null 2>&1
            openssl s_server -accept 198.51.100.2:8443 -key /tmp/key -cert /tmp/certificate -www >/dev/null 2>&1 &
            until_true curl -ks https://198.51.100.2:8443/
            ;;
        troubleshooting/01 | vrrp/01) with_sample ;;
        nginx/01 | haproxy/01 | lvs/01 | mysql/01) with_keepalived ;;
    esac
    case $1 in
        notebook/01)
            mv /etc/apt/sources.list /root/sources.list
            echo "deb [trusted=yes] file:/root/repository ./" >/etc/apt/sources.list
            apt-get update -q >/tmp/output 2>&1 || bad "the repository cannot be read" /tmp/output
            cd /root || exit 1
            ;;
    esac
}

# What must have come of a block.
after() {
    case $1 in
        install/01) expect "$1: the package's daemon runs" program /usr/sbin/keepalived ;;
        install/03) expect "$1: the daemon from source runs" program /usr/local/keepalived/sbin/keepalived ;;
        checks/02) grep -q '[0-9a-f]\{32\}' /tmp/output || bad "$1: there is no digest" /tmp/output ;;
        nginx/01) expect "$1: the address comes" address 10.0.0.10 && expect "$1: nginx answers" curl -fs http://10.0.0.10/ ;;
        haproxy/01) expect "$1: the address comes" address 10.0.0.10 && expect "$1: haproxy answers" curl -fs http://10.0.0.10/healthz ;;
        lvs/01)
            expect "$1: the address comes" address 192.0.2.200
            expect "$1: the kernel has the service" sh -c 'ipvsadm -Ln | grep -q "192.0.2.200:80 rr"'
            ;;
        lvs/02) expect "$1: the web server answers" curl -fs http://10.0.0.2/healthz ;;
        mysql/01) expect "$1: the node begins read-only" sh -c "mariadb -NBe 'SELECT @@read_only' | grep -qx 1" ;;
        lvs/04) expect "$1: the address is on lo" address 10.0.0.200 ;;
    esac
}

network
cd /root/source || exit 1
for page in "$@"; do
    for block in /root/pages/"$page"/*; do
        name=${block##*/}
        kind=${name#*.}
        name=$page/${name%%.*}
        [ -s "$block" ] || continue
        if [ "$page" = notebook ] && grep -q '^tar ' "$block"; then
            without_keepalived
        fi
        before "$name"
        case $kind in
            sh) if run_block "$block"; then ok "$name: $(head -n 1 "$block")"; else bad "$name" /tmp/output; fi ;;
            sh-watch) if watch_block "$block"; then ok "$name: $(head -n 1 "$block")"; else bad "$name" /tmp/output; fi ;;
        esac
        [ "$kind" != sh ] || after "$name"
    done
    if [ "$page" = notebook ]; then
        expect "notebook: the daemon from source runs" program /usr/local/keepalived/sbin/keepalived
    fi
done
echo "docs: $failed failed"
[ $failed -eq 0 ]
