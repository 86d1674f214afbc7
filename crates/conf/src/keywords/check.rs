//! Health checks of real servers.

use super::{Block, Keyword, rows};

/// Where a check connects, from where, and for how long.
static CONNECTION: &[Keyword] = rows! {
    line 1 "connect_ip" "connect_ip ADDR" "same or other family" "real server address" "Probe target address" => crate::lower::check::connect_ip;
    line 1 "connect_port" "connect_port N" "1-65535" "port of the real server (no protocol default)" "Probe target port" => crate::lower::check::connect_port;
    line 1 "bindto" "bindto ADDR" "same family as target" "none" "Local address (or, for link-local targets, scope)" => crate::lower::check::bindto;
    line 1 "bind_port" "bind_port N" "1-65535" "ephemeral" "Local port" => crate::lower::check::bind_port;
    line 1 "bind_if" "bind_if IFNAME" "" "none" "Interface for the probe (SO_BINDTODEVICE / IPv6 scope)" => crate::lower::check::bind_if;
    line 1 "connect_timeout" "connect_timeout SECS" "0.000001-4294" "real server setting (5)" "Connect and reply timeout" => crate::lower::check::connect_timeout;
    line 1 "fwmark" "fwmark N" "0-4294967295" "0" "SO_MARK on the probe socket; build option" => crate::lower::check::fwmark;
};

/// What all checks that run by themselves have.
static COMMON: &[Keyword] = rows! {
    line 1 "retry" "retry N" "0-4294967295" "real server setting, else 1 (3 in DNS_CHECK, 0 in MISC_CHECK)" "Additional attempts before failing" => crate::lower::check::retry;
    line 1 "delay_before_retry" "delay_before_retry SECS" "0 and up, microsecond resolution" "real server setting, else 1 s (3 s in HTTP_GET and SSL_GET, delay_loop in DNS_CHECK)" "Delay between attempts" => crate::lower::check::delay_before_retry;
    line 1 "warmup" "warmup SECS" "0 and up" "delay_loop" "Maximum random delay before the first check" => crate::lower::check::warmup;
    line 1 "delay_loop" "delay_loop SECS" "above 0" "real server setting (60)" "Interval between checks" => crate::lower::check::delay_loop;
    line 0 "alpha" "alpha [BOOL]" "" "real server setting" "Start in failed state" => crate::lower::check::alpha;
    line 0 "log_all_failures" "log_all_failures [BOOL]" "" "off" "Log every failed attempt of this checker" => crate::lower::check::log_all_failures;
};

/// What `HTTP_GET` and `SSL_GET` share.
static HTTP: &[Keyword] = rows! {
    line 1 "nb_get_retry" "nb_get_retry N" "0-4294967295" "" "Deprecated; now retry" => crate::lower::check::http::nb_get_retry;
    line 0 "virtualhost" "virtualhost STRING" "" "from real or virtual server" "Host header for all URLs" => crate::lower::check::http::virtualhost;
    line 0 "http_protocol" "http_protocol 1.0|1.0C|1.0c|1.1" "" "1.0" "Request version; C and 1.1 add Connection: close" => crate::lower::check::http::http_protocol;
    line 0 "enable_sni" "enable_sni [BOOL]" "effective for SSL_GET" "off" "Send a TLS server name" => crate::lower::check::http::enable_sni;
    line 0 "sni_name" "sni_name [NAME]" "effective for SSL_GET" "derived from virtualhost settings" "Explicit TLS server name; implies enable_sni; bare keyword = enable only" => crate::lower::check::http::sni_name;
    line 0 "fast_recovery" "fast_recovery [BOOL]" "" "off" "No delay between URLs while recovering" => crate::lower::check::http::fast_recovery;
};

/// What a `url` of both kinds has.
static URL: &[Keyword] = rows! {
    line 1 "path" "path PATH" "quoted allowed" "required" "Request path" => crate::lower::check::http::path;
    line 1 "digest" "digest HEX" "32 hex digits" "none" "Expected MD5 of the body" => crate::lower::check::http::digest;
    line 0 "status_code" "status_code N[-N] ..." "100-599; several values and ranges" "200-299" "Accepted status codes" => crate::lower::check::http::status_code;
    line 0 "virtualhost" "virtualhost STRING" "" "checker, real, virtual server setting" "Host header of this URL" => crate::lower::check::http::url_virtualhost;
    script 0 "regex" "regex PATTERN (quoted/escaped)" "exactly one pattern word; build option regex" "none" "PCRE2 pattern that must match the body" => crate::lower::check::http::regex;
    line 0 "regex_no_match" "regex_no_match" "needs regex" "off" "Invert: match means failure" => crate::lower::check::http::regex_no_match;
    line 0 "regex_options" "regex_options OPTION ..." "allow_empty_class alt_bsux auto_callout caseless dollar_endonly dotall dupnames extended firstline match_unset_backref multiline never_ucp never_utf no_auto_capture no_auto_possess no_dotstar_anchor no_start_optimize ucp ungreedy utf never_backslash_c alt_circumflex alt_verbnames use_offset_limit" "none" "PCRE2 compile options" => crate::lower::check::http::regex_options;
    line 0 "regex_min_offset" "regex_min_offset N" "0-18446744073709551615" "0" "First byte at which matching may start" => crate::lower::check::http::regex_min_offset;
    line 0 "regex_max_offset" "regex_max_offset N" "stored +1" "unlimited" "Last byte at which a match may start" => crate::lower::check::http::regex_max_offset;
    line 0 "regex_stack" "regex_stack START MAX" "positive sizes in bytes; start not above max" "PCRE2 default" "JIT stack used by this and other checks (largest wins)" => crate::lower::check::http::regex_stack;
};

/// What only `virtual_server/real_server/HTTP_GET` has.
static HTTP_GET_ROWS: &[Keyword] = rows! {
    block(super::check::HTTP_GET_URL) 0 "url" "url { ... }" "at least one (none = always up)" "" "One page to fetch" => crate::lower::check::http::open_url;
};

/// `virtual_server/real_server/HTTP_GET`.
pub static HTTP_GET: Block = Block {
    name: "virtual_server/real_server/HTTP_GET",
    tables: &[CONNECTION, COMMON, HTTP, HTTP_GET_ROWS],
    close: crate::lower::check::close,
};

/// `virtual_server/real_server/HTTP_GET/url`.
pub static HTTP_GET_URL: Block = Block {
    name: "virtual_server/real_server/HTTP_GET/url",
    tables: &[URL],
    close: crate::lower::check::http::close_url,
};

/// What only `virtual_server/real_server/SSL_GET` has.
static SSL_GET_ROWS: &[Keyword] = rows! {
    block(super::check::SSL_GET_URL) 0 "url" "url { ... }" "at least one (none = always up)" "" "One page to fetch" => crate::lower::check::http::open_url;
    line 0 "tls_compliant" "tls_compliant [BOOL]" "" "off" "Require an orderly TLS shutdown from the server; a truncated stream is an error" => crate::lower::check::http::tls_compliant;
};

/// `virtual_server/real_server/SSL_GET`.
pub static SSL_GET: Block = Block {
    name: "virtual_server/real_server/SSL_GET",
    tables: &[CONNECTION, COMMON, HTTP, SSL_GET_ROWS],
    close: crate::lower::check::close,
};

/// What only `virtual_server/real_server/SSL_GET/url` has.
static SSL_GET_URL_ROWS: &[Keyword] = rows! {
    line 0 "tls_compliant" "tls_compliant [BOOL]" "" "off (or checker setting)" "As the checker level keyword, for one URL" => crate::lower::check::http::tls_compliant;
};

/// `virtual_server/real_server/SSL_GET/url`.
pub static SSL_GET_URL: Block = Block {
    name: "virtual_server/real_server/SSL_GET/url",
    tables: &[URL, SSL_GET_URL_ROWS],
    close: crate::lower::check::http::close_url,
};

/// `virtual_server/real_server/TCP_CHECK`.
pub static TCP_CHECK: Block = Block {
    name: "virtual_server/real_server/TCP_CHECK",
    tables: &[CONNECTION, COMMON],
    close: crate::lower::check::close,
};

/// What only `virtual_server/real_server/SMTP_CHECK` has.
static SMTP_CHECK_ROWS: &[Keyword] = rows! {
    line 0 "helo_name" "helo_name STRING" "" "smtpchecker.keepalived.org" "HELO argument" => crate::lower::check::kinds::helo_name;
    block(super::check::SMTP_CHECK_HOST) 0 "host" "host { connection options }" "" "" "Deprecated: adds one checker per block" => crate::lower::check::kinds::open_host;
};

/// `virtual_server/real_server/SMTP_CHECK`.
pub static SMTP_CHECK: Block = Block {
    name: "virtual_server/real_server/SMTP_CHECK",
    tables: &[CONNECTION, COMMON, SMTP_CHECK_ROWS],
    close: crate::lower::check::close,
};

/// `virtual_server/real_server/SMTP_CHECK/host`.
pub static SMTP_CHECK_HOST: Block = Block {
    name: "virtual_server/real_server/SMTP_CHECK/host",
    tables: &[CONNECTION, COMMON],
    close: crate::lower::check::kinds::close_host,
};

/// What only `virtual_server/real_server/DNS_CHECK` has.
static DNS_CHECK_ROWS: &[Keyword] = rows! {
    line 1 "type" "type TYPE" "A NS CNAME SOA MX TXT AAAA RRSIG DNSKEY" "SOA" "Query type" => crate::lower::check::kinds::dns_type;
    line 1 "name" "name DOMAIN" "" "empty name (root zone)" "Query name; empty labels rejected" => crate::lower::check::kinds::dns_name;
};

/// `virtual_server/real_server/DNS_CHECK`.
pub static DNS_CHECK: Block = Block {
    name: "virtual_server/real_server/DNS_CHECK",
    tables: &[CONNECTION, COMMON, DNS_CHECK_ROWS],
    close: crate::lower::check::close,
};

/// What only `virtual_server/real_server/UDP_CHECK` has.
static UDP_CHECK_ROWS: &[Keyword] = rows! {
    line 0 "payload" "payload HEX" "hex bytes, spaces allowed" "32 bytes of built-in text" "Datagram sent" => crate::lower::check::kinds::payload;
    line 0 "require_reply" "require_reply [HEX]" "hex bytes, x/X nibbles match anything" "reply not required" "Fail without reply; compare start of reply with the pattern" => crate::lower::check::kinds::require_reply;
    line 1 "min_reply_length" "min_reply_length N" "0-65535" "0" "Minimum reply size (checked only with a require_reply pattern)" => crate::lower::check::kinds::min_reply_length;
    line 1 "max_reply_length" "max_reply_length N" "0-65535" "255" "Maximum reply size (checked only with a require_reply pattern)" => crate::lower::check::kinds::max_reply_length;
};

/// `virtual_server/real_server/UDP_CHECK`.
pub static UDP_CHECK: Block = Block {
    name: "virtual_server/real_server/UDP_CHECK",
    tables: &[CONNECTION, COMMON, UDP_CHECK_ROWS],
    close: crate::lower::check::close,
};

/// `virtual_server/real_server/PING_CHECK`.
pub static PING_CHECK: Block = Block {
    name: "virtual_server/real_server/PING_CHECK",
    tables: &[CONNECTION, COMMON],
    close: crate::lower::check::close,
};

/// What only `virtual_server/real_server/MISC_CHECK` has.
static MISC_CHECK_ROWS: &[Keyword] = rows! {
    script 0 "misc_path" "misc_path COMMAND" "one word; quote it to include arguments, later words are ignored" "required" "Script to run" => crate::lower::check::kinds::misc_path;
    line 1 "misc_timeout" "misc_timeout SECS" "0-4294" "0 (delay_loop of the virtual server)" "Run time limit" => crate::lower::check::kinds::misc_timeout;
    line 0 "misc_dynamic" "misc_dynamic" "" "off" "Exit codes 2-255 set weight to code minus 2" => crate::lower::check::kinds::misc_dynamic;
    line 0 "user" "user USER [GROUP]" "" "script_user setting" "Identity that runs the script" => crate::lower::check::kinds::misc_user;
};

/// `virtual_server/real_server/MISC_CHECK`.
pub static MISC_CHECK: Block = Block {
    name: "virtual_server/real_server/MISC_CHECK",
    tables: &[COMMON, MISC_CHECK_ROWS],
    close: crate::lower::check::kinds::close_misc,
};

/// The rows of `virtual_server/real_server/FILE_CHECK`.
static FILE_CHECK_ROWS: &[Keyword] = rows! {
    line 1 "track_file" "track_file NAME" "declared track_file" "required" "File that controls the server" => crate::lower::check::kinds::track_file;
    line 0 "weight" "weight N [reverse|noreverse]" "-2147483647..2147483647" "track_file weight" "Multiplier of the file value; 0 = non-zero value means down" => crate::lower::check::kinds::file_weight;
};

/// `virtual_server/real_server/FILE_CHECK`.
pub static FILE_CHECK: Block = Block {
    name: "virtual_server/real_server/FILE_CHECK",
    tables: &[FILE_CHECK_ROWS],
    close: crate::lower::check::close,
};

/// The rows of `virtual_server/real_server/BFD_CHECK`.
static BFD_CHECK_ROWS: &[Keyword] = rows! {
    line 0 "name" "name NAME" "declared bfd_instance, max 31" "required" "Session that controls the server" => crate::lower::check::kinds::bfd_name;
    line 0 "alpha" "alpha [BOOL]" "not in the man page" "real server setting" "Start in failed state" => crate::lower::check::alpha;
};

/// `virtual_server/real_server/BFD_CHECK`.
pub static BFD_CHECK: Block = Block {
    name: "virtual_server/real_server/BFD_CHECK",
    tables: &[BFD_CHECK_ROWS],
    close: crate::lower::check::kinds::close_bfd,
};
