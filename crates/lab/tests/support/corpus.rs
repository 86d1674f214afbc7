//! The corpus of configurations that others wrote, where it lies beside the repository.

use lab::netns::Namespace;
use std::fs;
use std::path::{Path, PathBuf};

/// Its folder.
pub(crate) fn find() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    folder
        .join("INDEX.tsv")
        .exists()
        .then(|| folder.canonicalize().unwrap())
}

/// The files in which the original finds nothing wrong.
pub(crate) fn clean(corpus: &Path) -> Vec<String> {
    let index = fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let rows = index.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
    rows.filter(|columns| columns.get(6) == Some(&"clean"))
        .filter_map(|columns| columns.first().map(|file| (*file).to_owned()))
        .filter(|file| corpus.join("configs").join(file).is_file())
        .collect()
}

/// The network namespace of the verdicts.
pub(crate) fn place(corpus: &Path) -> Namespace {
    let place = Namespace::create("corpus").unwrap();
    let table = fs::read_to_string(corpus.join("interfaces.tsv")).unwrap();
    let mut lines = Vec::new();
    for (number, row) in table.lines().skip(1).enumerate() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [name, kind, address] = columns.as_slice() else {
            continue;
        };
        match *kind {
            "bridge" => lines.push(format!("link add {name} type bridge")),
            _ => {
                lines.push(format!("link add {name} type veth peer name other{number}"));
                lines.push(format!("link set other{number} up"));
            }
        }
        lines.push(format!("link set {name} up"));
        lines.push(format!("address add {address} dev {name}"));
    }
    place.ip(&lines).unwrap();
    place
}
