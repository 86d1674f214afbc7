//! Virtual servers, real servers, and the client certificate of their checks.

use super::{Block, Keyword, rows};

/// The rows of `SSL`.
static SSL_ROWS: &[Keyword] = rows! {
    line 0 "password" "password STRING" "" "none" "Pass phrase for the private key" => crate::lower::lvs::tls::password;
    line 0 "ca" "ca FILE" "" "none" "CA file loaded into the client context" => crate::lower::lvs::tls::ca;
    line 0 "certificate" "certificate FILE" "" "none" "Client certificate file" => crate::lower::lvs::tls::certificate;
    line 0 "key" "key FILE" "" "none" "Client private key file" => crate::lower::lvs::tls::key;
};

/// `SSL`.
pub static SSL: Block = Block {
    name: "SSL",
    tables: &[SSL_ROWS],
    close: super::nothing,
};

/// The rows of `virtual_server`.
static VIRTUAL_SERVER_ROWS: &[Keyword] = rows! {
    line 1 "ip_family" "ip_family inet|inet6" "" "derived from addresses" "Needed for fwmark services whose family cannot be seen; ignored with a message when it contradicts an address" => crate::lower::lvs::service::ip_family;
    line 1 "retry" "retry N" "1-4294967295" "checker default" "Default retries for the checkers below" => crate::lower::lvs::service::retry;
    line 1 "delay_before_retry" "delay_before_retry SECS" "0 and up, microsecond resolution" "checker default" "Default delay between retries" => crate::lower::lvs::service::delay_before_retry;
    line 1 "warmup" "warmup SECS" "0 and up" "checker delay_loop" "Default maximum random delay before the first check" => crate::lower::lvs::service::warmup;
    line 1 "connect_timeout" "connect_timeout SECS" "0.000001-4294" "5" "Default connection timeout" => crate::lower::lvs::service::connect_timeout;
    line 1 "delay_loop" "delay_loop SECS" "0.000001 and up" "60" "Default interval between checks" => crate::lower::lvs::service::delay_loop;
    line 0 "inhibit_on_failure" "inhibit_on_failure" "" "off" "Default: set weight 0 instead of removing failed real servers" => crate::lower::lvs::service::inhibit_on_failure;
    line 1 "lb_algo" "lb_algo NAME" "rr wrr lc wlc lblc lblcr sh mh dh fo ovf sed nq twos (others rejected)" "wlc with a message" "IPVS scheduler" => crate::lower::lvs::service::lb_algo;
    line 1 "lvs_sched" "lvs_sched NAME" "" "" "Same setting; old name of lb_algo" => crate::lower::lvs::service::lb_algo;
    line 0 "hashed" "hashed" "" "off" "Accepted for compatibility, no effect (reported as applying to sh only)" => crate::lower::lvs::service::hashed;
    line 0 "ops" "ops" "UDP or fwmark only" "off" "One packet scheduling flag" => crate::lower::lvs::service::ops;
    line 0 "flag-1" "flag-1" "" "off" "Scheduler flag 1" => crate::lower::lvs::service::flag_1;
    line 0 "flag-2" "flag-2" "" "off" "Scheduler flag 2" => crate::lower::lvs::service::flag_2;
    line 0 "flag-3" "flag-3" "" "off" "Scheduler flag 3" => crate::lower::lvs::service::flag_3;
    line 0 "sh-port" "sh-port" "only after lb_algo sh" "off" "Include port in source hash (flag 2)" => crate::lower::lvs::service::sh_port;
    line 0 "sh-fallback" "sh-fallback" "only after lb_algo sh" "off" "Fall back when hashed server unusable (flag 1)" => crate::lower::lvs::service::sh_fallback;
    line 0 "mh-port" "mh-port" "only after lb_algo mh" "off" "Include port in hash (flag 2)" => crate::lower::lvs::service::mh_port;
    line 0 "mh-fallback" "mh-fallback" "only after lb_algo mh" "off" "Fall back when hashed server unusable (flag 1)" => crate::lower::lvs::service::mh_fallback;
    line 1 "lb_kind" "lb_kind NAT|DR|TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]" "port 1-65535 required for gue and refused otherwise; remcsum gue only; csum not for ipip" "NAT with a message" "Default forwarding method" => crate::lower::lvs::service::lb_kind;
    line 1 "lvs_method" "lvs_method ..." "" "" "Same setting; old name of lb_kind" => crate::lower::lvs::service::lb_kind;
    line 1 "persistence_engine" "persistence_engine NAME" "max 15 characters; sip is the only kernel engine" "none" "Persistence engine module" => crate::lower::lvs::service::persistence_engine;
    line 0 "persistence_timeout" "persistence_timeout [SECS]" "1-2678400; bare keyword 360" "off (360 forced when port is 0)" "Client persistence" => crate::lower::lvs::service::persistence_timeout;
    line 1 "persistence_granularity" "persistence_granularity MASK|PREFIX" "IPv4 dotted mask (0.0.0.0 allowed, holes allowed); IPv6 1-128" "255.255.255.255 / 128; sets persistence 360 if none" "Client grouping mask" => crate::lower::lvs::service::persistence_granularity;
    line 1 "protocol" "protocol TCP|UDP|SCTP" "case-insensitive" "UDP with a message for address services; ignored for fwmark" "Transport protocol" => crate::lower::lvs::service::protocol;
    line 0 "ha_suspend" "ha_suspend" "not with fwmarks" "off" "Run checkers only while the service address is on this host" => crate::lower::lvs::service::ha_suspend;
    line 0 "smtp_alert" "smtp_alert [BOOL]" "" "smtp_alert_checker, else smtp_alert, else off" "Mail on quorum changes" => crate::lower::lvs::service::smtp_alert;
    line 0 "virtualhost" "virtualhost STRING" "" "none" "Default Host header for HTTP checkers" => crate::lower::lvs::service::virtualhost;
    line 0 "snmp_name" "snmp_name STRING" "" "none" "Name shown in SNMP" => crate::lower::lvs::service::snmp_name;
    line 0 "alpha" "alpha" "" "off" "Default: real servers start down until checks succeed" => crate::lower::lvs::service::alpha;
    line 0 "omega" "omega" "" "off" "Send down notifications at shutdown" => crate::lower::lvs::service::omega;
    script 1 "quorum_up" "quorum_up COMMAND [USER [GROUP]]" "" "none" "Run when quorum is gained" => crate::lower::lvs::service::quorum_up;
    script 1 "quorum_down" "quorum_down COMMAND [USER [GROUP]]" "" "none" "Run when quorum is lost" => crate::lower::lvs::service::quorum_down;
    line 1 "quorum" "quorum N" "1-4294967295; above total weight is reduced" "1" "Minimum total weight of live real servers" => crate::lower::lvs::service::quorum;
    line 1 "hysteresis" "hysteresis N" "0-4294967295; must be below quorum (else quorum-1)" "0" "Dead band around quorum" => crate::lower::lvs::service::hysteresis;
    line 1 "weight" "weight N" "1-2147483647" "1" "Default weight of real servers" => crate::lower::lvs::service::weight;
    line 1 "sorry_server" "sorry_server ADDR [PORT]" "port 1-65535" "none; port = service port" "Server used when quorum is lost" => crate::lower::lvs::service::sorry_server;
    line 0 "sorry_server_inhibit" "sorry_server_inhibit" "needs sorry_server first" "off" "Keep sorry server in IPVS with weight 0 when unused" => crate::lower::lvs::service::sorry_server_inhibit;
    line 1 "sorry_server_lvs_method" "sorry_server_lvs_method (as lb_kind)" "needs sorry_server first" "service forwarding method" "Forwarding method of the sorry server" => crate::lower::lvs::service::sorry_server_lvs_method;
    block(super::lvs::REAL_SERVER) 1 "real_server" "real_server ADDR [PORT] { ... }" "port 1-65535; family must match unless TUN" "port = service port" "Declares a real server" => crate::lower::lvs::real::open;
};

/// `virtual_server`.
pub static VIRTUAL_SERVER: Block = Block {
    name: "virtual_server",
    tables: &[VIRTUAL_SERVER_ROWS],
    close: crate::lower::lvs::service::close,
};

/// The rows of `virtual_server/real_server`.
static REAL_SERVER_ROWS: &[Keyword] = rows! {
    line 1 "weight" "weight N" "0-2147483647" "virtual server weight" "Initial weight" => crate::lower::lvs::real::weight;
    line 1 "lvs_method" "lvs_method (as virtual_server/lb_kind)" "" "virtual server method" "Forwarding method of this server" => crate::lower::lvs::real::lvs_method;
    line 1 "uthreshold" "uthreshold N" "0-4294967295" "0 (off)" "Upper connection threshold" => crate::lower::lvs::real::uthreshold;
    line 1 "lthreshold" "lthreshold N" "0-4294967295" "0 (off)" "Lower connection threshold" => crate::lower::lvs::real::lthreshold;
    line 0 "inhibit_on_failure" "inhibit_on_failure [BOOL]" "" "virtual server setting" "Set weight 0 instead of removing" => crate::lower::lvs::real::inhibit_on_failure;
    script 1 "notify_up" "notify_up COMMAND [USER [GROUP]]" "" "none" "Run when the server comes up" => crate::lower::lvs::real::notify_up;
    script 1 "notify_down" "notify_down COMMAND [USER [GROUP]]" "" "none" "Run when the server goes down" => crate::lower::lvs::real::notify_down;
    line 0 "alpha" "alpha [BOOL]" "" "virtual server setting" "Start down until checks succeed" => crate::lower::lvs::real::alpha;
    line 1 "retry" "retry N" "1-4294967295" "virtual server setting" "Default retries for checkers below" => crate::lower::lvs::real::retry;
    line 1 "delay_before_retry" "delay_before_retry SECS" "0 and up, microsecond resolution" "virtual server setting" "Default delay between retries" => crate::lower::lvs::real::delay_before_retry;
    line 1 "warmup" "warmup SECS" "0 and up" "virtual server setting" "Default random start delay" => crate::lower::lvs::real::warmup;
    line 1 "connect_timeout" "connect_timeout SECS" "0.000001-4294" "virtual server setting" "Default connection timeout" => crate::lower::lvs::real::connect_timeout;
    line 1 "delay_loop" "delay_loop SECS" "0.000001 and up" "virtual server setting" "Default check interval" => crate::lower::lvs::real::delay_loop;
    line 0 "smtp_alert" "smtp_alert [BOOL]" "" "smtp_alert_checker, else smtp_alert, else on" "Mail on state changes of this server" => crate::lower::lvs::real::smtp_alert;
    line 0 "virtualhost" "virtualhost STRING" "" "none" "Host header for HTTP checkers of this server" => crate::lower::lvs::real::virtualhost;
    line 0 "snmp_name" "snmp_name STRING" "" "none" "Name shown in SNMP" => crate::lower::lvs::real::snmp_name;
    block(super::check::MISC_CHECK) 0 "MISC_CHECK" "MISC_CHECK { ... }" "" "" "Script checker" => crate::lower::check::kinds::open_misc;
    block(super::check::SMTP_CHECK) 0 "SMTP_CHECK" "SMTP_CHECK { ... }" "" "" "SMTP dialogue checker" => crate::lower::check::kinds::open_smtp;
    block(super::check::TCP_CHECK) 0 "TCP_CHECK" "TCP_CHECK { ... }" "" "" "TCP connect checker" => crate::lower::check::kinds::open_tcp;
    block(super::check::PING_CHECK) 0 "PING_CHECK" "PING_CHECK { ... }" "" "" "ICMP echo checker" => crate::lower::check::kinds::open_ping;
    block(super::check::UDP_CHECK) 0 "UDP_CHECK" "UDP_CHECK { ... }" "" "" "UDP probe checker" => crate::lower::check::kinds::open_udp;
    block(super::check::HTTP_GET) 0 "HTTP_GET" "HTTP_GET { ... }" "" "" "HTTP checker" => crate::lower::check::http::open_http;
    block(super::check::SSL_GET) 0 "SSL_GET" "SSL_GET { ... }" "" "" "HTTPS checker" => crate::lower::check::http::open_ssl;
    block(super::check::DNS_CHECK) 0 "DNS_CHECK" "DNS_CHECK { ... }" "" "" "DNS query checker" => crate::lower::check::kinds::open_dns;
    block(super::check::FILE_CHECK) 0 "FILE_CHECK" "FILE_CHECK { ... }" "" "" "Tracked file checker" => crate::lower::check::kinds::open_file;
    block(super::check::BFD_CHECK) 0 "BFD_CHECK" "BFD_CHECK { ... }" "build option bfd" "" "BFD session checker" => crate::lower::check::kinds::open_bfd;
};

/// `virtual_server/real_server`.
pub static REAL_SERVER: Block = Block {
    name: "virtual_server/real_server",
    tables: &[REAL_SERVER_ROWS],
    close: crate::lower::lvs::real::close,
};
