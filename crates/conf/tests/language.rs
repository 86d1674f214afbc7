//! The language as `config-language.md` has it, seen through the keywords that come out.
//!
//! A root line whose first word is no keyword is reported with that word, so what the expansion made of a line can be
//! read from the messages.

use conf::{Facts, LoadError, Loader, MapLoader, Model, compile, exit_code, load};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vrrp::config::Name;

/// The first words of all lines that came out, with their line numbers.
fn words(text: &str) -> Vec<String> {
    let keep = |line: String| -> Option<String> {
        let (number, rest) = line.strip_prefix("(Line ")?.split_once(") Unknown keyword '")?;
        Some(format!("{number}:{}", rest.strip_suffix('\'')?))
    };
    messages(text).into_iter().filter_map(keep).collect()
}

fn messages(text: &str) -> Vec<String> {
    let loader = MapLoader::default().with("/c/k.conf", text);
    compile(&load("k.conf", facts(), &loader))
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn facts() -> Facts {
    Facts {
        config_id: "vm".to_owned(),
        directory: "/c".into(),
        checking: true,
        environment: [("HOME".to_owned(), "/root".to_owned())].into(),
        ..Facts::default()
    }
}

fn model(text: &str) -> Model {
    let loader = MapLoader::default().with("/c/k.conf", text);
    compile(&load("k.conf", facts(), &loader)).model
}

#[test]
fn the_configuration_of_the_demo_is_clean_and_means_what_it_says() {
    let text = "global_defs {\n router_id ka2\n vrrp_mcast_group4 224.6.6.6\n vrrp_garp_interval 0\n\
        vrrp_gna_interval 0\n}\nvrrp_instance VI_1 {\n state MASTER\n interface ens33\n virtual_router_id 50\n\
        priority 70\n advert_int 1\n authentication {\n auth_type PASS\n auth_pass 123456\n }\n virtual_ipaddress {\n\
        10.0.0.10/24\n 10.0.0.11/24 dev eth0\n 10.0.0.12/24 dev eth1 label eth1:1\n }\n}\n";
    assert_eq!(messages(text), Vec::<String>::new());
    let model = model(text);
    assert_eq!(model.global.router_id.as_deref(), Some("ka2"));
    assert!(model.has_vrrp && !model.has_checkers && !model.has_bfd);
    assert_eq!(model.vrrp.settings.group4.to_string(), "224.6.6.6");
    assert_eq!(model.vrrp.settings.garp_interval, Duration::ZERO);
    let instance = &model.vrrp.instances[&Name::from("VI_1")];
    assert_eq!((instance.priority.get(), instance.vrid.0.get()), (70, 50));
    let on: Vec<_> = instance
        .addresses
        .iter()
        .map(|a| format!("{} {}", a.prefix, a.interface))
        .collect();
    assert_eq!(on, ["10.0.0.10/24 ens33", "10.0.0.11/24 eth0", "10.0.0.12/24 eth1"]);
    assert_eq!(
        instance.addresses[2].label.map(|l| l.to_string()).as_deref(),
        Some("eth1:1")
    );
}

#[test]
fn comments_end_a_line_unless_quoted_or_protected() {
    let text = "foo \\# bar # baz\n\"a # b\" c\nx!y\n# nothing\n  ! nothing\nz\\#y\n";
    assert_eq!(words(text), ["1:foo", "2:a # b", "3:x", "6:z#y"]);
}

#[test]
fn carriage_returns_and_a_missing_last_newline_change_nothing() {
    assert_eq!(words("a\r\n  b  \r\nc"), ["1:a", "2:b", "3:c"]);
}

#[test]
fn lines_that_are_too_long_or_hold_a_nul_are_left_out() {
    let long = "y".repeat(1024);
    let text = format!("{}\n{long}\nb\0c\n", "x".repeat(1023));
    let all = messages(&text);
    assert!(all[0].starts_with("(Line 1) Unknown keyword 'xxx"));
    assert!(all.contains(&"(Line 2) line too long - ignoring".to_owned()));
    let nul = "(Line 3) configuration appears to have embedded NULs - ignoring line";
    assert!(all.contains(&nul.to_owned()));
    assert_eq!(all.len(), 3);
}

#[test]
fn braces_split_lines_outside_quotes() {
    let text = "a { b 1 } \"{\" c\n";
    assert_eq!(words(text), ["1:a", "1:b", "1:}", "1:{"]);
}

#[test]
fn definitions_are_expanded_where_they_are_used() {
    let text = "$A=1\nq${A}q\nq$A\nq$A.q\n$A=2\nq${A}\n$B=$A$A\n$B\n$C=${A}x\n$C\n$D=\nq${D}q\n$nope\n${nope}\n";
    let expected = [
        "2:q1q", "3:q1", "4:q$A.q", "6:q2", "8:$A2", "10:2x", "12:qq", "13:$nope", "14:$", "14:nope", "14:}",
    ];
    assert_eq!(words(text), expected);
}

#[test]
fn values_of_several_lines_come_line_by_line_and_only_at_the_end_of_a_line() {
    let text = "$M=a1 \\\n  b2 \\\n \\\n  c3\n$M\nx$M\n$M x\n$N=n1 \\\n  $M\n${N}\n";
    let expected = [
        "5:a1", "5:b2", "5:c3", "6:xa1", "6:b2", "6:c3", "7:$M", "10:n1", "10:a1", "10:b2", "10:c3",
    ];
    assert_eq!(words(text), expected);
}

#[test]
fn a_comment_inside_a_value_of_several_lines_is_not_its_end_but_an_empty_line_is() {
    let text = "$Q=x1 \\\n# comment\nx2 \\\n\nx3\n$Q\n";
    assert_eq!(words(text), ["5:x3", "6:x1", "6:x2"]);
}

#[test]
fn built_in_definitions_have_their_values() {
    let text = "z${_PWD}\nz${_INSTANCE}\nz${_ENV HOME}\nz${_ENV NONE}z\nz${_RANDOM 5 5}\nz${_HASH}z\nz${_RANDOM a}\n";
    let expected = [
        "1:z/c",
        "2:zvm",
        "3:z/root",
        "4:zz",
        "5:z5",
        "6:z",
        "7:z$",
        "7:_RANDOM",
        "7:}",
    ];
    assert_eq!(words(text), expected);
}

#[test]
fn a_random_seed_repeats_the_numbers() {
    let text = "global_defs { random_seed 7 }\nz${_RANDOM}\nz${_RANDOM}\n";
    let first = words(text);
    let other = Facts { seed: 99, ..facts() };
    let loader = MapLoader::default().with("/c/k.conf", text);
    let again = compile(&load("k.conf", other, &loader));
    let again: Vec<String> = again.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(first.len(), 2);
    assert_ne!(first[0][2..], first[1][2..]);
    assert_eq!(messages(text), again);
}

#[test]
fn conditions_keep_lines_for_one_node_or_for_all_others() {
    let text = "@vm yes\n@^vm no\n@^x yes2\n@other no\n@vm\n$V=@vm maybe\n$V\n@vm $W=w\n${W}\n";
    assert_eq!(words(text), ["1:yes", "3:yes2", "7:maybe", "9:w"]);
}

#[test]
fn repetitions_nest_and_use_definitions() {
    let text = "$N=2\n~SEQ(x,$N) a$x\n~SEQ(x,2) ~SEQ(y,2) m${x}${y}\n~LST({x, y},{1},{,4}) p${x}-${y}\n\
        ~SEQx(x,15,17) h$x\n~SEQ (x,2) no\n";
    let expected = [
        "2:a1", "2:a2", "3:m11", "3:m12", "3:m21", "3:m22", "4:p1-", "4:p-4", "5:hf", "5:h10", "5:h11", "6:~SEQ",
    ];
    assert_eq!(words(text), expected);
}

#[test]
fn a_block_of_several_lines_repeats_as_a_whole() {
    let text = "$V=vrrp_instance V_$I { \\\n interface eth0 \\\n virtual_router_id $I \\\n virtual_ipaddress { \\\n 10.0.0.$I \\\n } \\\n}\n\
        ~SEQ(I,3) $V\n";
    let model = model(&text.replace("V_$I", "V_${I}"));
    let names: Vec<_> = model.vrrp.instances.keys().map(|n| n.as_str().to_owned()).collect();
    assert_eq!(names, ["V_1", "V_2", "V_3"]);
}

#[test]
fn includes_are_read_in_place_from_the_directory_of_their_file() {
    let loader = MapLoader::default()
        .with("/c/k.conf", "a\ninclude d/*.conf\nb\n")
        .with("/c/d/1.conf", "one\ninclude sub.inc\n")
        .with("/c/d/2.conf", "two ${_PWD}\n")
        .with("/c/d/sub.inc", "sub\n");
    let compiled = compile(&load("k.conf", facts(), &loader));
    let lines: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    let expected = [
        "(Line 1) Unknown keyword 'a'",
        "(d/1.conf: Line 1) Unknown keyword 'one'",
        "(sub.inc: Line 1) Unknown keyword 'sub'",
        "(d/2.conf: Line 1) Unknown keyword 'two'",
        "(Line 3) Unknown keyword 'b'",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn each_include_directive_complains_about_its_own_things() {
    let text = "include no.conf\ninclude no*.conf\nincluder no.conf\nincludem no.conf\nincludem no*.conf\n\
        includew no*.conf\nincludeb {k,no}.conf2\nincludea {no,none}\nincluder d\n";
    let loader = MapLoader::default().with("/c/k.conf", text).with("/c/d/x", "");
    let compiled = compile(&load("k.conf", facts(), &loader));
    let lines: Vec<_> = compiled
        .diagnostics
        .iter()
        .map(|d| (d.to_string(), d.class == conf::Class::Notice))
        .collect();
    let expected = [
        ("(Line 1) Config files missing 'no.conf'.", true),
        ("(Line 3) Config files missing 'no.conf'.", true),
        ("(Line 4) Config files missing 'no.conf'.", false),
        ("(Line 6) No config files matched 'no*.conf'.", false),
        ("(Line 7) Config files missing '{k,no}.conf2'.", false),
        ("(Line 8) Config files missing '{no,none}'.", false),
        ("(Line 9) Configuration file 'd/' is a directory - skipping", false),
    ];
    assert_eq!(lines, expected.map(|(text, notice)| (text.to_owned(), notice)));
}

#[test]
fn include_check_and_the_command_line_decide_about_plain_includes() {
    let text = "global_defs { include_check match }\ninclude no.conf\n";
    assert_eq!(
        exit_code(&compile(&load("k.conf", facts(), &MapLoader::default().with("/c/k.conf", text))).diagnostics),
        4
    );
    let strict = Facts {
        strict_includes: true,
        ..facts()
    };
    let loader = MapLoader::default().with("/c/k.conf", "include no*.conf\n");
    assert_eq!(exit_code(&compile(&load("k.conf", strict, &loader)).diagnostics), 4);
}

#[test]
fn a_file_that_includes_itself_ends_with_a_message() {
    let loader = MapLoader::default().with("/c/k.conf", "include k.conf\n");
    let compiled = compile(&load("k.conf", facts(), &loader));
    assert_eq!(compiled.diagnostics.len(), 1);
    assert_eq!(compiled.diagnostics[0].code, "include-loop");
}

#[test]
fn a_missing_main_file_is_said_and_ends_a_start() {
    let compiled = compile(&load("none.conf", facts(), &MapLoader::default()));
    assert_eq!(compiled.diagnostics.len(), 1);
    assert_eq!(compiled.diagnostics[0].to_string(), "Config files missing 'none.conf'.");
    assert_eq!(conf::fatal(&compiled.diagnostics), Some(6));
}

#[test]
fn a_file_that_cannot_be_opened_is_said_with_the_systems_reason() {
    struct Refusing;
    impl Loader for Refusing {
        fn read(&self, _: &Path) -> Result<Vec<u8>, LoadError> {
            Err(LoadError::Other("Permission denied".to_owned()))
        }
        fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, LoadError> {
            Ok(vec![pattern.into()])
        }
        fn read_secret(&self, path: &Path) -> Result<conf::SecretFile, LoadError> {
            Err(self.read(path).unwrap_err())
        }
    }
    let compiled = compile(&load("k.conf", facts(), &Refusing));
    let text = "Configuration file 'k.conf' open problem (Permission denied) - skipping";
    assert_eq!(compiled.diagnostics[0].to_string(), text);
}

#[test]
fn interfaces_may_be_missing_when_they_are_dynamic() {
    let instance = "vrrp_instance V {\n interface gone0\n virtual_router_id 1\n virtual_ipaddress { 192.0.2.1 }\n}\n";
    let known = Facts {
        interfaces: Some(Vec::new()),
        ..facts()
    };
    let check = |text: &str| {
        let loader = MapLoader::default().with("/c/k.conf", text);
        exit_code(&compile(&load("k.conf", known.clone(), &loader)).diagnostics)
    };
    assert_eq!(check(instance), 5);
    assert_eq!(check(&format!("{instance}global_defs {{ dynamic_interfaces }}\n")), 0);
}

#[test]
fn what_follows_a_number_is_used_with_a_warning_unless_only_checking() {
    let text = "vrrp_instance V {\n interface eth0\n virtual_router_id 7;\n priority 90;\n virtual_ipaddress { 192.0.2.1 }\n}\n";
    let running = Facts {
        checking: false,
        ..facts()
    };
    let loader = MapLoader::default().with("/c/k.conf", text);
    let model = compile(&load("k.conf", running, &loader)).model;
    let instance = &model.vrrp.instances[&Name::from("V")];
    assert_eq!((instance.vrid.0.get(), instance.priority.get()), (7, 90));
    assert!(messages(text).contains(&"(k.conf: Line 4) invalid number '90;'".to_owned()));
}

#[test]
fn every_keyword_of_the_tables_is_known_in_its_block_and_listed_once() {
    let mut rows: Vec<_> = conf::keywords::all()
        .into_iter()
        .map(|(path, row)| (path, row.name))
        .collect();
    let count = rows.len();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), count, "a keyword is twice in a block");
    assert!(count >= 531, "{count} rows");
}

#[test]
fn each_word_is_a_recipient_and_a_name_goes_with_its_address() {
    let text = "global_defs {\n notification_email {\n a@x.org b@x.org\n Ops Team <c@x.org>\n \"D <d@x.org>\"\n }\n}\n";
    let recipients = model(text).global.mail.recipients;
    assert_eq!(recipients, ["a@x.org", "b@x.org", "Ops Team <c@x.org>", "D <d@x.org>"]);
}
