//! Names of routing tables and the like, from the files of iproute2 (`spec/config-language.md` 13.1).
//!
//! Decides which files are asked, which of two entries holds, and what is known without any file. Numbers are always
//! accepted. What the numbers are used for is not known here.

use crate::bundle::Loader;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the local files are unless `iproute_etc_dir` says otherwise.
pub const ETC: &str = "/etc/iproute2";
/// Where the files of the distribution are unless `iproute_usr_dir` says otherwise.
pub const USR: &str = "/usr/share/iproute2";

/// Entries taken from all files of one kind. Nobody names more; what comes after is not known by name.
const MOST: usize = 4096;

/// Numbers by name.
pub type Numbers = BTreeMap<String, u32>;

/// What the files say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// `rt_tables`.
    pub tables: Numbers,
    /// `rt_dsfield`.
    pub fields: Numbers,
    /// `rt_realms`.
    pub realms: Numbers,
    /// `rt_protos`.
    pub protocols: Numbers,
    /// `rt_scopes`.
    pub scopes: Numbers,
    /// `group`: of interfaces.
    pub groups: Numbers,
}

impl Names {
    /// Reads the files: the local one or else that of the distribution, then the fragments of both, of which one of the
    /// distribution is left out if there is a local one with its name. What cannot be read names nothing.
    pub fn read(loader: &dyn Loader, etc: &str, usr: &str) -> Names {
        let read = |file: &str| numbers(loader, etc, usr, file);
        Names {
            tables: read("rt_tables"),
            fields: read("rt_dsfield"),
            realms: read("rt_realms"),
            protocols: read("rt_protos"),
            scopes: read("rt_scopes"),
            groups: read("group"),
        }
    }

    /// A routing table.
    pub fn table(&self, word: &str) -> Option<u32> {
        find(
            &self.tables,
            &[("default", 253), ("main", 254), ("local", 255)],
            word,
            u32::MAX,
        )
    }

    /// A value of the DS field.
    pub fn field(&self, word: &str) -> Option<u8> {
        byte(find(&self.fields, &[], word, 255))
    }

    /// One realm.
    pub fn realm(&self, word: &str) -> Option<u32> {
        find(&self.realms, &[], word, 255)
    }

    /// `A[/B]`: the first in the upper half; a realm alone in the lower.
    pub fn realms(&self, word: &str) -> Option<u32> {
        match word.split_once('/') {
            Some((from, to)) => Some(self.realm(from)? << 16 | self.realm(to)?),
            None => self.realm(word),
        }
    }

    /// Who put a route there.
    pub fn protocol(&self, word: &str) -> Option<u8> {
        const KNOWN: &[(&str, u32)] = &[
            ("none", 0),
            ("redirect", 1),
            ("kernel", 2),
            ("boot", 3),
            ("static", 4),
            ("gated", 8),
            ("ra", 9),
            ("mrt", 10),
            ("zebra", 11),
            ("bird", 12),
            ("babel", 42),
            ("dnrouted", 13),
            ("xorp", 14),
            ("ntk", 15),
            ("dhcp", 16),
            ("keepalived", 18),
        ];
        byte(find(&self.protocols, KNOWN, word, 255))
    }

    /// A scope.
    pub fn scope(&self, word: &str) -> Option<u8> {
        const KNOWN: &[(&str, u32)] = &[
            ("global", 0),
            ("nowhere", 255),
            ("host", 254),
            ("link", 253),
            ("site", 200),
        ];
        byte(find(&self.scopes, KNOWN, word, 255))
    }

    /// A group of interfaces.
    pub fn group(&self, word: &str) -> Option<u32> {
        find(&self.groups, &[("default", 0)], word, u32::MAX)
    }
}

fn byte(number: Option<u32>) -> Option<u8> {
    number.and_then(|number| u8::try_from(number).ok())
}

fn find(named: &Numbers, known: &[(&str, u32)], word: &str, most: u32) -> Option<u32> {
    let known = || known.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
    let number = || number(word);
    named
        .get(word)
        .copied()
        .or_else(known)
        .or_else(number)
        .filter(|number| *number <= most)
}

/// A number with the prefixes of C.
pub fn number(word: &str) -> Option<u32> {
    crate::expand::number(word).and_then(|number| u32::try_from(number).ok())
}

fn numbers(loader: &dyn Loader, etc: &str, usr: &str, file: &str) -> Numbers {
    let mut all = Numbers::new();
    let here = loader.read(&Path::new(etc).join(file));
    let main = here.or_else(|_| loader.read(&Path::new(usr).join(file)));
    take(&main.unwrap_or_default(), &mut all);
    let fragments = |folder: &str| loader.glob(&format!("{folder}/{file}.d/*.conf")).unwrap_or_default();
    let local = fragments(etc);
    let shadowed = |path: &Path| local.iter().any(|own| own.file_name() == path.file_name());
    let distributed = fragments(usr).into_iter().filter(|path| !shadowed(path));
    for path in local.iter().cloned().chain(distributed) {
        take(&loader.read(&path).unwrap_or_default(), &mut all);
    }
    all
}

/// Lines `NUMBER NAME`. The first entry of a name holds.
fn take(bytes: &[u8], into: &mut Numbers) {
    for line in String::from_utf8_lossy(bytes).lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        if let (Some(value), Some(name)) = (words.next(), words.next())
            && let Some(value) = number(value)
            && into.len() < MOST
        {
            into.entry(name.to_owned()).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::MapLoader;

    #[test]
    fn local_files_come_first_and_a_local_fragment_hides_one_of_the_distribution() {
        let loader = MapLoader::default()
            .with(
                "/etc/iproute2/rt_tables",
                "# comment\n100 alpha # more\n0x65\tbeta\nnonsense\n",
            )
            .with("/usr/share/iproute2/rt_tables", "200 hidden\n")
            .with("/etc/iproute2/rt_tables.d/a.conf", "300 alpha\n301 gamma\n")
            .with("/usr/share/iproute2/rt_tables.d/a.conf", "302 delta\n")
            .with("/usr/share/iproute2/rt_tables.d/b.conf", "303 epsilon\n")
            .with("/usr/share/iproute2/rt_realms", "5 five\n6 six\n");
        let names = Names::read(&loader, ETC, USR);
        assert_eq!(names.table("alpha"), Some(100));
        assert_eq!(names.table("beta"), Some(101));
        assert_eq!(names.table("gamma"), Some(301));
        assert_eq!(names.table("epsilon"), Some(303));
        for unknown in ["hidden", "delta", "comment"] {
            assert_eq!(names.table(unknown), None, "{unknown}");
        }
        assert_eq!(names.realms("five/0x10"), Some(5 << 16 | 16));
        assert_eq!(names.realms("six"), Some(6));
        assert_eq!(names.realms("6/300"), None);
    }

    #[test]
    fn without_files_the_usual_names_and_all_numbers_are_known() {
        let names = Names::default();
        assert_eq!(names.table("main"), Some(254));
        assert_eq!(names.table("4294967295"), Some(u32::MAX));
        assert_eq!(names.table("4294967296"), None);
        assert_eq!(names.protocol("keepalived"), Some(18));
        assert_eq!(names.protocol("256"), None);
        assert_eq!(names.scope("link"), Some(253));
        assert_eq!(names.field("0x10"), Some(16));
        assert_eq!(names.field("AF11"), None);
    }
}
