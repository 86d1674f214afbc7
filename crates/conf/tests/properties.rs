//! What must hold for any bytes: a verdict, the same each time, with nothing of a password in it.

use conf::{Bundle, Facts, MapLoader, compile, load};
use proptest::prelude::*;

fn bundle(bytes: &[u8]) -> Bundle {
    let loader = MapLoader::default()
        .with("/c/k.conf", bytes)
        .with("/c/other.conf", "vrrp_instance O { interface eth0 }\ninclude k.conf\n");
    let facts = Facts {
        config_id: "a".to_owned(),
        directory: "/c".into(),
        interfaces: Some(Vec::new()),
        ..Facts::default()
    };
    load("k.conf", facts, &loader)
}

/// Pieces that real files are made of, so that the deeper code is reached.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("\n".to_owned()),
        Just(" ".to_owned()),
        Just("\"".to_owned()),
        Just("\\\n".to_owned()),
        Just("$A=".to_owned()),
        Just("$A".to_owned()),
        Just("${A}".to_owned()),
        Just("$B=$A$A".to_owned()),
        Just("~SEQ(A, 1, 3) ".to_owned()),
        Just("~SEQ(A, 1, 99999999999) ".to_owned()),
        Just("~LST({A,B},{1,2},{3}) ".to_owned()),
        Just("@a ".to_owned()),
        Just("@^a ".to_owned()),
        Just("include other.conf".to_owned()),
        Just("include_check -match".to_owned()),
        Just("#".to_owned()),
        prop::sample::select(conf::keywords::all()).prop_map(|(_, row)| row.name.to_owned()),
        prop::sample::select(conf::keywords::all()).prop_map(|(_, row)| row.arguments.to_owned()),
        Just(
            "vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1/24 dev eth0\n"
                .to_owned()
        ),
        "[0-9.:/-]{1,12}",
        "\\PC{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_a_verdict_and_a_picture(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let bundle = bundle(&bytes);
        let compiled = compile(&bundle);
        for d in compiled.diagnostics.iter().take(50) {
            prop_assert!(!d.render(&bundle, false).is_empty());
        }
        prop_assert_eq!(&compile(&bundle), &compiled);
    }

    #[test]
    fn likely_text_gets_the_same_verdict_twice_and_after_a_journey(parts in prop::collection::vec(fragment(), 0..60)) {
        let bundle = bundle(parts.concat().as_bytes());
        let compiled = compile(&bundle);
        for d in compiled.diagnostics.iter().take(20) {
            prop_assert!(!d.render(&bundle, false).is_empty());
        }
        let sent = postcard::to_stdvec(&bundle).unwrap();
        let received: Bundle = postcard::from_bytes(&sent).unwrap();
        prop_assert_eq!(&received, &bundle);
        prop_assert_eq!(compile(&received), compiled);
    }

    #[test]
    fn a_password_is_never_shown(
        before in "[ \t{}]{0,3}", password in "Qz[a-z0-9{}#!]{3,14}zQ", after in "[ \t{}\"#]{0,3}",
        keyword in prop::sample::select(vec!["auth_pass", "auth_pas", "auth_passs", "password"]),
    ) {
        let text = format!("vrrp_instance V {{\n interface eth0\n authentication {{\n{before}{keyword} {password}{after}\n}}\n}}\n");
        let bundle = bundle(text.as_bytes());
        let compiled = compile(&bundle);
        let pieces: Vec<&str> = password.split(['{', '}', '#', '!']).filter(|piece| piece.len() > 3).collect();
        let debug = format!("{bundle:?} {compiled:?}");
        let shown: String = compiled.diagnostics.iter().map(|d| format!("{d}\n{}\n", d.render(&bundle, true))).collect();
        for piece in pieces {
            prop_assert!(!shown.contains(piece), "{piece} in\n{shown}");
            prop_assert!(!debug.contains(piece), "{piece} in {debug}");
        }
    }
}

#[test]
fn text_that_would_expand_for_ever_ends_with_a_message() {
    let bombs = [
        "~SEQ(a,1000000) ~SEQ(b,1000000) x\n",
        "~SEQ(a,100000) ~SEQ(b,100000) $L\n$L=$L\n~SEQ(a,1000000) $L\n",
        "$A=$B$B$B$B\n$B=$C$C$C$C\n$C=$D$D$D$D\n$D=$A$A$A$A\n~SEQ(i,100000) ${A}\n",
        "$M=a \\\n$M\n$M\n",
        "$M=$N\n$N=a \\\n b \\\n ${M}\n$N\n",
        "include k.conf\ninclude k.conf\n",
        "include {k,k,k,k}.conf\n",
    ];
    for bomb in bombs {
        let compiled = compile(&bundle(bomb.as_bytes()));
        assert!(!compiled.diagnostics.is_empty(), "{bomb:?}");
        assert!(compiled.diagnostics.len() <= conf::limits::DIAGNOSTICS + 8, "{bomb:?}");
    }
}
