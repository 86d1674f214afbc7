//! For the tests that replay the seeds of a fuzz target, and what it has found.

use std::collections::BTreeMap;
use std::path::Path;

/// Reads every file of a corpus, and sees that the seeds which the target makes itself are in it as it makes them.
/// With `WRITE_SEEDS` in the environment these are written first.
pub fn replay(target: &str, made: impl IntoIterator<Item = (String, Vec<u8>)>, read: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let made: BTreeMap<String, Vec<u8>> = made.into_iter().collect();
    if std::env::var_os("WRITE_SEEDS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &made {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
    for (name, bytes) in &made {
        let there = std::fs::read(folder.join(name)).unwrap_or_default();
        assert!(
            there == *bytes,
            "the seed {name} is out of date: run this test with WRITE_SEEDS=1"
        );
    }
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let seed = entry.unwrap().path();
        println!("{}", seed.display());
        read(&std::fs::read(seed).unwrap());
        count += 1;
    }
    assert!(count >= 8, "only {count} seeds");
}
