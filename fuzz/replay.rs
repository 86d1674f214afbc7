//! For the tests that replay the seeds of a fuzz target, and what it has found.

use std::collections::BTreeMap;
use std::path::Path;

/// Reads every file of a corpus, and the seeds that the target makes itself, as it makes them now: what is committed may be of
/// an older format of ours. With `WRITE_SEEDS` in the environment they are written first.
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
        println!("{name}");
        read(bytes);
        assert!(
            folder.join(name).exists(),
            "the seed {name} is not there: run this test with WRITE_SEEDS=1"
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
