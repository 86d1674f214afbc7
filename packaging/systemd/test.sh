#!/bin/bash
# Runs inside a booted Debian whose init is systemd, as root, with the package of keepalived installed: what an operator
# does with the service, and what systemd does to it. Prints a line per point, and at the end how many failed.
set -u

failed=0
ok() { echo "ok: $1"; }
bad() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    { systemctl status --no-pager -l keepalived; journalctl --no-pager -u keepalived -n 40; } 2>&1 | sed 's/^/    /'
}
# check TITLE COMMAND...
check() {
    local title=$1
    shift
    if "$@" >/tmp/output 2>&1; then ok "$title"; else
        bad "$title"
        sed 's/^/    /' /tmp/output
    fi
}
# Waits for what must come, not longer than a minute.
until_true() {
    local end=$((SECONDS + 60))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}
state() { systemctl show -p ActiveState --value keepalived; }
main() { systemctl show -p MainPID --value keepalived; }
is() { [ "$(state)" = "$1" ]; }
address() { ip -4 -o addr show dev eth0 | grep -q "inet 192.0.2.$1/"; }
no_address() { ! address "$1"; }
logged() { journalctl --no-pager -u keepalived | grep -q "$1"; }
logged_since() { journalctl --no-pager -u keepalived --since "$1" | grep -q "$2"; }

ip link add eth0 type veth peer name other
ip link set eth0 up
ip link set other up
ip addr add 192.0.2.1/24 dev eth0

# conf LAST-BYTE-OF-THE-ADDRESS [more lines]
conf() {
    cat >/etc/keepalived/keepalived.conf <<CONF
global_defs {
    enable_script_security
    script_user root
    ${2:-}
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    notify /usr/local/sbin/told
    virtual_ipaddress {
        192.0.2.$1/24
    }
}
CONF
}

# What scripts of this trade do: look at services, log, ask the network, write a file in /var, switch users.
cat >/usr/local/sbin/told <<'TOLD'
#!/bin/bash
{
    echo "$*"
    systemctl is-active dbus.service
    logger -t told "is $3"
    ping -c 1 -W 2 192.0.2.1 >/dev/null && echo pinged
    su nobody -s /bin/sh -c 'id -un'
    mkdir -p /var/lib/told && touch /var/lib/told/file && echo written
} >>/run/told 2>&1
TOLD
chmod 755 /usr/local/sbin/told

# --- without a configuration, and with an empty one ------------------------------------------------------------------
rm -f /etc/keepalived/keepalived.conf
systemctl start keepalived
check "without a configuration the service does not start, and that is no failure" is inactive
printf '\n' >/etc/keepalived/keepalived.conf
check "with an empty configuration it runs" systemctl start keepalived
check "and is active" is active
systemctl stop keepalived

# --- start ----------------------------------------------------------------------------------------------------------
conf 50
check "systemctl start" systemctl start keepalived
check "it is active" is active
check "the address comes" until_true address 50
check "the pid file names the main process" [ "$(cat /run/keepalived.pid)" = "$(main)" ]
check "the journal has the lines of the roles" until_true logged 'Keepalived_vrrp\[.*(VI_1) Entering MASTER STATE'
check "a notify script runs and finds what it needs" until_true grep -q written /run/told
for word in 'INSTANCE VI_1 MASTER 150' active pinged nobody; do
    check "the script saw: $word" grep -q "^$word" /run/told
done

# --- reload ---------------------------------------------------------------------------------------------------------
before=$(main)
conf 51
check "systemctl reload" systemctl reload keepalived
check "the new address comes" until_true address 51
check "the old one goes" until_true no_address 50
check "the process is the same" [ "$(main)" = "$before" ]
check "it is active after the reload" until_true is active
echo 'vrrp_instance VI_2 { interface' >>/etc/keepalived/keepalived.conf
sed -i 's/virtual_router_id 51/virtual_router_id 999/' /etc/keepalived/keepalived.conf
systemctl reload keepalived
sleep 2
check "a failing reload leaves the daemon alive" is active
check "and the process is the same" [ "$(main)" = "$before" ]

# --- restart, stop --------------------------------------------------------------------------------------------------
conf 52
check "systemctl restart" systemctl restart keepalived
check "another process runs" [ "$(main)" != "$before" ]
check "its address comes" until_true address 52
check "the addresses before it are gone" no_address 51
check "systemctl stop" systemctl stop keepalived
check "the address goes" no_address 52
check "it is inactive, not failed" is inactive
check "no pid file stays" sh -c '! ls /run/keepalived*.pid /run/keepalived/*.pid 2>/dev/null | grep .'

# --- an error in the configuration ----------------------------------------------------------------------------------
printf 'global_defs {\n}\nvrrp_instance VI_1 {\n    interface nothere\n    virtual_router_id 999\n}\n' >/etc/keepalived/keepalived.conf
keepalived -t -f /etc/keepalived/keepalived.conf >/tmp/verdict 2>&1
echo "    keepalived -t says: exit $?: $(head -n 1 /tmp/verdict)"
conf 53
check "it starts again after a correction" systemctl start keepalived
check "and the address comes" until_true address 53

# --- killed, frozen -------------------------------------------------------------------------------------------------
before=$(main)
since=$(date '+%Y-%m-%d %H:%M:%S')
kill -KILL "$before"
check "killed, systemd starts it again" until_true sh -c "[ \"\$(systemctl show -p MainPID --value keepalived)\" != $before ] && [ \"\$(systemctl show -p ActiveState --value keepalived)\" = active ]"
check "and the address is there" until_true address 53
mkdir -p /run/systemd/system/keepalived.service.d
printf '[Service]\nWatchdogSec=4s\n' >/run/systemd/system/keepalived.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart keepalived
until_true address 53
before=$(main)
sleep 6
check "a healthy daemon feeds the watchdog" [ "$(main)" = "$before" ]
kill -STOP "$before"
check "a frozen supervisor is replaced by the watchdog" until_true sh -c "new=\$(systemctl show -p MainPID --value keepalived); [ \"\$new\" != $before ] && [ \"\$new\" != 0 ]"
check "and the address is there again" until_true address 53
before=$(main)
role=$(pgrep -P "$before" | head -n 1)
kill -STOP "$role"
check "a frozen role is noticed, by the supervisor or by the watchdog" until_true sh -c "! kill -0 $role 2>/dev/null"
check "after which the address is there" until_true address 53
rm -rf /run/systemd/system/keepalived.service.d
systemctl daemon-reload

# --- the system calls of Linux 4.18 ---------------------------------------------------------------------------------
# That is Rocky Linux 8: what came later fails as it does there. Names that this systemd does not know it skips.
mkdir -p /run/systemd/system/keepalived.service.d
cat >/run/systemd/system/keepalived.service.d/old.conf <<'OLD'
[Service]
SystemCallErrorNumber=ENOSYS
SystemCallFilter=~pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig
SystemCallFilter=~fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2
SystemCallFilter=~mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret
SystemCallFilter=~process_mrelease futex_waitv set_mempolicy_home_node
OLD
systemctl daemon-reload
rm -f /run/told
conf 54
since=$(date '+%Y-%m-%d %H:%M:%S')
check "with the system calls of Linux 4.18 alone it starts" systemctl restart keepalived
check "and they are really withheld" grep -q '^Seccomp:.*2' "/proc/$(main)/status"
check "its address comes" until_true address 54
check "its notify script runs" until_true grep -q written /run/told
conf 55
check "it reloads" systemctl reload keepalived
check "and the other address comes" until_true address 55
check "and goes" systemctl stop keepalived
check "with the daemon" no_address 55
check "nothing was refused to it" sh -c "! journalctl --no-pager -u keepalived --since '$since' | grep -i 'not implemented'"
rm -rf /run/systemd/system/keepalived.service.d
systemctl daemon-reload

# --- logging --------------------------------------------------------------------------------------------------------
systemctl restart keepalived
check "without the rule the lines are in /var/log/syslog" until_true grep -q 'Keepalived.*Entering MASTER STATE' /var/log/syslog
sed -i 's/^#//' /etc/rsyslog.d/keepalived.conf
systemctl restart rsyslog
sleep 1
before_rule=$(wc -c </var/log/syslog)
echo 'KEEPALIVED_OPTIONS="-D -S 0"' >/etc/default/keepalived
systemctl restart keepalived
check "-S 0 and the rsyslog rule: /var/log/keepalived.log has the lines" \
    until_true grep -q 'Keepalived_vrrp\[[0-9]*\]: .*Entering MASTER STATE' /var/log/keepalived.log
check "and /var/log/syslog has not" sh -c "! tail -c +$((before_rule + 1)) /var/log/syslog | grep 'Keepalived.*Entering MASTER STATE'"
for facility in 1 7; do
    printf 'local%s.*\t/var/log/local%s.log\n' $facility $facility >/etc/rsyslog.d/local.conf
    systemctl restart rsyslog
    echo "KEEPALIVED_OPTIONS=\"-D -S $facility\"" >/etc/default/keepalived
    systemctl restart keepalived
    check "-S $facility logs to local$facility" until_true grep -q 'Entering MASTER STATE' /var/log/local$facility.log
done
echo 'KEEPALIVED_OPTIONS="-D --log-file=/var/log/own.log --flush-log-file"' >/etc/default/keepalived
systemctl restart keepalived
check "--log-file writes a file" until_true sh -c "grep -q 'Entering MASTER STATE' /var/log/own*"
check "the log can be rotated" logrotate -f /etc/logrotate.d/keepalived
systemctl stop keepalived

echo "systemd: $failed failed"
