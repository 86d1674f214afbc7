//! What surrounds the keywords: files, lines, definitions, and the lines inside lists.

use super::{Part, Section};

fn section(title: &str, parts: Vec<Part>) -> Section {
    Section {
        title: title.to_owned(),
        parts,
    }
}

fn text(paragraph: &str) -> Part {
    Part::Text(paragraph.to_owned())
}

fn terms(all: &[(&str, &str)]) -> Part {
    Part::Terms(
        all.iter()
            .map(|(term, meaning)| ((*term).to_owned(), (*meaning).to_owned()))
            .collect(),
    )
}

/// The sections before the keywords.
pub(super) fn before() -> Vec<Section> {
    vec![description(), lines(), includes(), definitions(), repetition()]
}

/// The sections after them.
pub(super) fn after() -> Vec<Section> {
    vec![addresses(), routes(), rules(), lists()]
}

fn description() -> Section {
    section(
        "Description",
        vec![
            text(
                "The daemon reads `/etc/keepalived/keepalived.conf`, or the file named with `-f`. The file consists of \
                 keywords with their values, and of blocks of keywords between braces.",
            ),
            Part::Lines(
                "vrrp_instance web {\n    interface eth0\n    virtual_router_id 51\n    priority 150\n    virtual_ipaddress {\n        192.0.2.10/24\n    }\n}",
            ),
            text(
                "`keepalived -t -f FILE` checks a file and says what is wrong with it. `keepalivedctl lint FILE` says \
                 what is allowed and probably not meant. `keepalivedctl explain KEYWORD` shows one entry of this page.",
            ),
            text(
                "In what follows, words in capitals stand for values, square brackets enclose what may be left out, and \
                 a bar separates alternatives. BOOL is `true`, `on`, `yes`, `false`, `off` or `no`; a keyword with \
                 [BOOL] and no value means true. Times are in seconds unless something else is said and may have a \
                 fraction of up to six digits.",
            ),
        ],
    )
}

fn lines() -> Section {
    section(
        "Lines",
        vec![
            text(
                "`#` and `!` begin a comment, except inside double quotes; `\\#` and `\\!` give the sign itself. Words \
                 are separated by white space. `\"...\"` is one word. A brace ends a line wherever it stands outside \
                 quotes. A line has at most 1023 characters; longer ones are reported and dropped.",
            ),
            text(
                "The command of a script is one word: quote it if the program has arguments. Inside, both kinds of \
                 quotes and the usual backslash escapes are understood. USER and GROUP, where allowed, follow as words \
                 of their own.",
            ),
            terms(&[
                (
                    "@ID TEXT",
                    "TEXT counts only if the configuration id (-i, or the host name up to its first dot) is ID",
                ),
                ("@^ID TEXT", "TEXT counts only if the id is another"),
            ]),
        ],
    )
}

fn includes() -> Section {
    section(
        "Includes",
        vec![
            text(
                "PATTERN may contain wildcards and braces. Relative names begin at the folder of the file that includes. \
                 Directories, files that are not regular and files that are executable are left out.",
            ),
            terms(&[
                (
                    "include PATTERN",
                    "Reads the files; what counts as an error is set by include_check",
                ),
                ("includer PATTERN", "A file that cannot be read is an error"),
                ("includem PATTERN", "So is a pattern that matches nothing"),
                ("includew PATTERN", "So is, besides, a wildcard that matches nothing"),
                (
                    "includeb PATTERN",
                    "A file that cannot be read is an error, and so is an alternative in braces that matches nothing",
                ),
                ("includea PATTERN", "All of these are errors"),
            ]),
        ],
    )
}

fn definitions() -> Section {
    section(
        "Definitions",
        vec![
            text(
                "A definition holds from its line on, in all files. A value that ends with a backslash goes on in the \
                 next line; such a definition stands at the end of the line that uses it.",
            ),
            terms(&[
                (
                    "$NAME=VALUE",
                    "Defines NAME: letters, digits and underscores, no digit first",
                ),
                ("${NAME}", "Is replaced by the value, anywhere"),
                (
                    "$NAME",
                    "The same, before a space, a comma, a closing parenthesis or the end of the line",
                ),
                ("${_PWD}", "The folder of the file"),
                ("${_INSTANCE}", "The configuration id"),
                ("${_RANDOM MIN MAX}", "A number; 0 to 32767 unless said otherwise"),
                ("${_ENV VARIABLE}", "The value of an environment variable of the daemon"),
                ("${_HASH}", "The sign #"),
                ("${_BANG}", "The sign !"),
            ]),
        ],
    )
}

fn repetition() -> Section {
    section(
        "Repetition",
        vec![
            terms(&[
                (
                    "~SEQ(VAR, START, STEP, END) TEXT",
                    "TEXT once for each number, which is defined as VAR; START and STEP may be left out",
                ),
                ("~SEQx(VAR, START, STEP, END) TEXT", "The same in hexadecimal"),
                ("~LST(VAR, VALUE, ...) TEXT", "TEXT once for each value"),
                ("~LST({VAR, ...}, {VALUE, ...}, ...) TEXT", "Several variables at once"),
            ]),
            text("TEXT may itself begin with a repetition."),
        ],
    )
}

fn addresses() -> Section {
    section(
        "Address lines",
        vec![
            text(
                "A line of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress` is an address with \
                 an optional prefix length (32 or 128 if there is none), then any of:",
            ),
            terms(&[
                (
                    "dev IF",
                    "The interface; that of the instance, or default_interface, if not given",
                ),
                (
                    "scope SCOPE",
                    "global, nowhere, host, link, site, a name of rt_scopes or a number; IPv4",
                ),
                (
                    "broadcast ADDR|+|-",
                    "Broadcast address; + sets and - clears all host bits; IPv4. Also written brd",
                ),
                ("label TEXT", "Label of at most 15 characters; IPv4"),
                ("peer ADDR", "The other end of a point-to-point address"),
                ("home, mngtmpaddr, noprefixroute, autojoin", "The flags of these names"),
                (
                    "-nodad",
                    "Run duplicate address detection, which is off otherwise; IPv6",
                ),
                (
                    "preferred_lft SECS|forever",
                    "Preferred lifetime; 0 for an IPv6 /128, forever otherwise",
                ),
                ("no_track", "Its removal by somebody else does not matter"),
                ("track_group NAME", "Static addresses only"),
                (
                    "use_vmac",
                    "On another interface: through an interface with the virtual MAC address there",
                ),
            ]),
        ],
    )
}

fn routes() -> Section {
    section(
        "Route lines",
        vec![
            text("A line of `virtual_routes` and `static_routes`; words in any order, `nexthop` last."),
            terms(&[
                (
                    "[to] [TYPE] DEST",
                    "Where to: an address with prefix length, default, any or all. TYPE is unicast, local, nat, broadcast, anycast, multicast, prohibit, unreachable, blackhole, xresolve or throw",
                ),
                ("via [inet|inet6] ADDR", "Gateway"),
                ("dev IF", "Output interface. Also written oif"),
                ("src ADDR", "Preferred source address"),
                ("from ADDR[/PREFIX]", "Source prefix; IPv6"),
                ("inet, inet6", "The family, where no address says it"),
                ("tos N, dsfield N", "Type of service"),
                ("table TABLE, vrf NAME", "Routing table, or that of a VRF"),
                ("protocol PROTOCOL, scope SCOPE", "As in ip-route(8)"),
                ("metric N, priority N, preference N", "Metric"),
                ("onlink", "The gateway is on the link"),
                ("encap ip|ip6|mpls|ila ...", "Lightweight tunnel"),
                ("expires SECS", "Lifetime; IPv6"),
                (
                    "mtu, advmss, reordering, window, cwnd, ssthresh, initcwnd, initrwnd, hoplimit N",
                    "Metrics; the first six may be preceded by lock, except window",
                ),
                (
                    "rtt, rttvar, rto_min [lock] TIME",
                    "Times: a number in the kernel's units, or with s or ms",
                ),
                (
                    "realms A[/B], features ecn, quickack 0|1, congctl [lock] NAME, fastopen_no_cookie 0|1, ttl-propagate enabled|disabled, pref low|medium|high",
                    "As in ip-route(8)",
                ),
                (
                    "add, prepend, append",
                    "How to insert it beside similar routes; prepend if not given",
                ),
                (
                    "nexthop via ADDR dev IF weight N ...",
                    "One of several ways; weight 1 to 256",
                ),
                ("no_track", "Its removal by somebody else does not matter"),
                ("track_group NAME", "Static routes only"),
            ]),
        ],
    )
}

fn rules() -> Section {
    section(
        "Rule lines",
        vec![
            text("A line of `virtual_rules` and `static_rules`. An action is needed."),
            terms(&[
                (
                    "[not] from ADDR[/PREFIX], to ADDR[/PREFIX], inet, inet6",
                    "What it applies to",
                ),
                ("iif IF, oif IF, dev IF", "Interfaces; dev is iif"),
                (
                    "tos N, dsfield N, fwmark VALUE[/MASK], tunnel-id N, uidrange A-B, sport A-B, dport A-B, ipproto PROTOCOL, l3mdev",
                    "What else it applies to",
                ),
                (
                    "table TABLE, lookup TABLE, goto N, nop, blackhole, unreachable, prohibit",
                    "Actions",
                ),
                (
                    "preference N, order N, priority N",
                    "Position; counted down from 16384 where none is given",
                ),
                (
                    "realms [A/]B, suppress_prefixlength N, suppress_ifgroup GROUP, protocol N",
                    "As in ip-rule(8)",
                ),
                ("no_track", "Its removal by somebody else does not matter"),
                ("track_group NAME", "Static rules with iif only"),
            ]),
        ],
    )
}

fn lists() -> Section {
    section(
        "Lines of other lists",
        vec![terms(&[
            (
                "NAME [weight N [reverse|noreverse]]",
                "In track_interface, track_script, track_file, track_process and track_bfd",
            ),
            ("ADDR [min_ttl N] [max_ttl N]", "In unicast_peer; 0 to 255"),
            ("IF DOWN [UP]", "In interface_up_down_delays; seconds"),
            ("IF [MII|ETHTOOL|IOCTL]", "In linkbeat_interfaces"),
            (
                "ADDR [PORT]",
                "In virtual_server_group; ADDR may be a range A-B, with B a whole address or its last part, or ADDR/MASK",
            ),
            ("fwmark N [inet|inet6]", "In virtual_server_group"),
        ])],
    )
}
