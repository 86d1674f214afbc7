//! All that a configuration is made of, as one value.
//!
//! A [`Bundle`] holds the bytes of the main file and of every file it includes, and the facts the language may ask
//! for. It is made by [`load`] with the help of a [`Loader`], the only thing that opens files; from then on the files
//! may change without consequence. Bundles carry passwords, so they have no useful `Debug`.

use crate::expand::{Answer, Files, Found, Reader};
use crate::limits;
use crate::names::{self, Names};
use crate::programs::{self, Answers, Missing, ProgramFact, UserFact};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The only thing that opens files.
pub trait Loader {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`LoadError`] says why there are none.
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError>;

    /// The files that match a pattern with wildcards and braces, sorted as glob(3) sorts; none is no error.
    ///
    /// # Errors
    /// [`LoadError::Other`] if a directory cannot be read.
    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, LoadError>;

    /// The bytes of a file that holds a secret, at most [`limits::KEY_FILE_BYTES`].
    ///
    /// # Errors
    /// [`LoadError`] says why there are none.
    fn read_secret(&self, path: &Path) -> Result<SecretFile, LoadError>;

    /// A program that a command names; without `/` it is looked for in the path.
    fn program(&self, name: &[u8]) -> ProgramFact {
        unknown_program(name)
    }

    /// A user by its name.
    fn user(&self, name: &str) -> Option<UserFact> {
        (name == "root").then_some(UserFact { uid: 0, gid: 0 })
    }

    /// The number of a group by its name.
    fn group(&self, name: &str) -> Option<u32> {
        (name == "root").then_some(0)
    }

    /// Whether the name of a host has an address.
    fn resolves(&self, _host: &str) -> bool {
        true
    }

    /// The user the daemon runs as.
    fn own(&self) -> UserFact {
        UserFact { uid: 0, gid: 0 }
    }
}

/// A file that holds a secret. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFile {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Whether others than its owner may do anything with it.
    pub open_to_others: bool,
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// Why a file has no bytes for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadError {
    /// There is no such file.
    Missing,
    /// It is a directory.
    Directory,
    /// It is a device or the like, or it may be executed.
    NotRegular,
    /// The system's reason.
    Other(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Missing => f.write_str("No such file or directory"),
            LoadError::Directory => f.write_str("is a directory"),
            LoadError::NotRegular => f.write_str("is not a regular non-executable file"),
            LoadError::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for LoadError {}

/// What the language may ask about the place it is read in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The configuration id of `@` lines and `${_INSTANCE}`: `-i`, or the node name up to the first dot.
    pub config_id: String,
    /// The environment, for `${_ENV NAME}`.
    pub environment: BTreeMap<String, String>,
    /// The working directory, absolute; relative names of the main file begin here.
    pub directory: PathBuf,
    /// Seed of `${_RANDOM}`, unless `random_seed` is given.
    pub seed: u64,
    /// The interfaces of the place; `None` if they are not known, then no interface is reported as missing.
    pub interfaces: Option<Vec<InterfaceFact>>,
    /// `-e`: every problem with an include is an error.
    pub strict_includes: bool,
    /// The configuration is only checked (`-t`): what follows a number on its word makes it invalid. Otherwise the number
    /// is used with a warning, as upstream does.
    pub checking: bool,
    /// Names of routing tables and the like; [`load`] asks the loader for them.
    pub names: Names,
    /// The routing tables of VRF interfaces, by name.
    pub vrf_tables: BTreeMap<String, u32>,
    /// Processors that can be named in `*_cpu_affinity`; `None` if not known.
    pub processors: Option<u32>,
}

/// What is known of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceFact {
    /// Its name.
    pub name: String,
    /// The largest packet it takes.
    pub mtu: u32,
    /// Whether it can do multicast.
    pub multicast: bool,
}

/// A file of a bundle.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredFile {
    pub(crate) path: PathBuf,
    /// Its text; bytes that are no UTF-8 are replaced. Shared with whoever reads it: it may be large.
    pub(crate) text: Arc<str>,
}

/// What was asked of the loader, and what it answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    pattern: String,
    answer: Answer,
}

/// A file with a secret that a line names, by its absolute path.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredSecret {
    path: PathBuf,
    file: Result<SecretFile, LoadError>,
}

/// The bytes of all files, and the facts. Compiling it twice gives the same result twice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    main: String,
    facts: Facts,
    files: Vec<StoredFile>,
    asked: Vec<Asked>,
    secrets: Vec<StoredSecret>,
    answers: Answers,
}

/// Files may hold passwords: only their number is shown.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("main", &self.main)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Bundle {
    /// The name or pattern of the main file.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// The facts.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is known of programs, users and groups.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The paths of all files, in the order in which they were first read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// All of it in one text, each file under a comment with its path. There may be secrets in it.
    pub fn consolidated(&self) -> String {
        let mut all = String::new();
        for file in &self.files {
            // Writing to a String does not fail.
            let _ = writeln!(all, "# File {}", file.path.display());
            all.push_str(&file.text);
            if !file.text.ends_with('\n') {
                all.push('\n');
            }
        }
        all
    }

    /// Where the files with names of routing tables are: `iproute_etc_dir` and `iproute_usr_dir`.
    fn name_folders(&self) -> (String, String) {
        let (mut etc, mut usr) = (names::ETC.to_owned(), names::USR.to_owned());
        if !self.files.iter().any(|file| file.text.contains("iproute_")) {
            return (etc, usr);
        }
        let mut reader = Reader::new(&self.facts, Replay::new(self));
        reader.open_main(&self.main);
        let mut words = Vec::new();
        while reader.next().is_some() {
            let Some(line) = reader.line() else { break };
            let text = line.text.text;
            crate::token::words(text, &mut words);
            let word = |at: usize| words.get(at).and_then(|range| text.get(range.clone()));
            match (word(0), word(1)) {
                (Some("iproute_etc_dir"), Some(folder)) => etc = folder.to_owned(),
                (Some("iproute_usr_dir"), Some(folder)) => usr = folder.to_owned(),
                _ => {}
            }
        }
        (etc, usr)
    }

    /// A file with a secret; `None` if nobody asked for it when the bundle was made.
    pub(crate) fn secret(&self, path: &Path) -> Option<&Result<SecretFile, LoadError>> {
        self.secrets.iter().find(|other| other.path == path).map(|s| &s.file)
    }

    /// The text of a file.
    pub(crate) fn text(&self, file: usize) -> Option<&Arc<str>> {
        self.files.get(file).map(|f| &f.text)
    }
}

/// Reads a configuration and everything it includes.
///
/// It never fails: what cannot be read is a diagnostic of [`crate::compile`].
pub fn load(file_or_glob: &str, facts: Facts, loader: &dyn Loader) -> Bundle {
    let recorder = Recorder {
        loader,
        files: Vec::new(),
        asked: Vec::new(),
        secrets: Vec::new(),
        total: 0,
    };
    // Which files are included depends on conditions and definitions, so the lines are expanded once for the
    // loader to see what is asked for. The lines themselves are thrown away.
    let mut reader = Reader::new(&facts, recorder);
    reader.open_main(file_or_glob);
    // Without the words and without definitions that could make them, there is nothing to be seen.
    let mut answers = Answers {
        own: Some(loader.own()),
        ..Answers::default()
    };
    if reader.files().may_matter() {
        let checking = facts.checking;
        let mut words = Vec::new();
        while reader.next().is_some() {
            let text = reader.line().map(|line| line.text.text).unwrap_or_default();
            answers.ask(text, checking, loader);
            if !text.starts_with("key") {
                continue;
            }
            crate::token::words(text, &mut words);
            let words: Vec<&str> = words.iter().filter_map(|range| text.get(range.clone())).collect();
            if let Some(name) = key_file(&words) {
                let path = reader.directory().join(name);
                reader.files_mut().fetch_secret(path);
            }
        }
    }
    let recorder = reader.into_files();
    let mut bundle = Bundle {
        main: file_or_glob.to_owned(),
        files: recorder.files,
        asked: recorder.asked,
        secrets: recorder.secrets,
        answers,
        facts,
    };
    let (etc, usr) = bundle.name_folders();
    bundle.facts.names = Names::read(loader, &etc, &usr);
    bundle
}

/// Answers from the loader, remembered.
struct Recorder<'l> {
    loader: &'l dyn Loader,
    files: Vec<StoredFile>,
    asked: Vec<Asked>,
    secrets: Vec<StoredSecret>,
    total: usize,
}

/// The file that a line names as that of a key: `key ID file:PATH`.
pub(crate) fn key_file<'w>(words: &[&'w str]) -> Option<&'w str> {
    match words {
        ["key", _, value, ..] => value.strip_prefix("file:"),
        _ => None,
    }
}

impl Recorder<'_> {
    /// Whether any file read so far could name another, or names something that is asked about.
    fn may_matter(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|file| {
            file.text.contains('$')
                || file.text.contains("include")
                || file.text.contains("file:")
                || programs::may_ask(file.text.as_bytes())
        })
    }

    fn fetch_secret(&mut self, path: PathBuf) {
        if self.secrets.len() >= limits::INCLUDED_FILES || self.secrets.iter().any(|other| other.path == path) {
            return;
        }
        let file = self.loader.read_secret(&path);
        self.secrets.push(StoredSecret { path, file });
    }

    fn fetch(&mut self, path: PathBuf) -> Found {
        if let Some(file) = self.files.iter().position(|f| f.path == path) {
            return Found { path, file: Ok(file) };
        }
        let file = match self.loader.read(&path) {
            Ok(bytes) if self.total + bytes.len() > limits::TOTAL_BYTES => {
                Err(LoadError::Other("the configuration is too large".to_owned()))
            }
            Ok(bytes) => {
                self.total += bytes.len();
                self.files.push(StoredFile {
                    path: path.clone(),
                    text: Arc::from(String::from_utf8_lossy(&bytes)),
                });
                Ok(self.files.len() - 1)
            }
            Err(error) => Err(error),
        };
        Found { path, file }
    }
}

impl Files for Recorder<'_> {
    fn ask(&mut self, pattern: &str) -> Answer {
        let answer = match self.loader.glob(pattern) {
            Ok(paths) => Ok(paths.into_iter().map(|path| self.fetch(path)).collect()),
            Err(error) => Err(error),
        };
        self.asked.push(Asked {
            pattern: pattern.to_owned(),
            answer: answer.clone(),
        });
        answer
    }

    fn text(&self, file: usize) -> Arc<str> {
        self.files.get(file).map(|f| Arc::clone(&f.text)).unwrap_or_default()
    }
}

/// The answers of a bundle, given again in the same order.
pub(crate) struct Replay<'b> {
    bundle: &'b Bundle,
    next: usize,
}

impl<'b> Replay<'b> {
    pub(crate) fn new(bundle: &'b Bundle) -> Replay<'b> {
        Replay { bundle, next: 0 }
    }
}

impl Files for Replay<'_> {
    fn ask(&mut self, pattern: &str) -> Answer {
        // Reading is deterministic, so the questions come in the order in which they were recorded. A bundle that was
        // tampered with gives an answer that does not fit, which counts as no file.
        let asked = self
            .bundle
            .asked
            .get(self.next)
            .filter(|asked| asked.pattern == pattern);
        self.next += 1;
        asked.map_or(Ok(Vec::new()), |asked| asked.answer.clone())
    }

    fn text(&self, file: usize) -> Arc<str> {
        self.bundle.text(file).cloned().unwrap_or_default()
    }
}

/// A loader whose files are a map, for tests and for tools that have the text already.
#[derive(Clone, Default)]
pub struct MapLoader {
    files: BTreeMap<PathBuf, Vec<u8>>,
    programs: BTreeMap<Vec<u8>, ProgramFact>,
    users: BTreeMap<String, UserFact>,
}

impl MapLoader {
    /// Adds a file.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> MapLoader {
        self.files.insert(path.into(), bytes.into());
        self
    }

    /// Adds a program that everybody may run and root alone can change.
    #[must_use]
    pub fn with_program(self, path: &str) -> MapLoader {
        self.with_program_fact(path, ProgramFact::plain(path))
    }

    /// Adds a program as the file system would have it.
    #[must_use]
    pub fn with_program_fact(mut self, name: &str, fact: ProgramFact) -> MapLoader {
        self.programs.insert(name.as_bytes().to_vec(), fact);
        self
    }

    /// Adds a user with a group of the same name and number.
    #[must_use]
    pub fn with_user(mut self, name: &str, uid: u32) -> MapLoader {
        self.users.insert(name.to_owned(), UserFact { uid, gid: uid });
        self
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.files.keys().any(|file| file != path && file.starts_with(path))
    }
}

impl Loader for MapLoader {
    fn program(&self, name: &[u8]) -> ProgramFact {
        let known = self.programs.get(name).cloned();
        known.unwrap_or_else(|| unknown_program(name))
    }

    fn user(&self, name: &str) -> Option<UserFact> {
        let root = || (name == "root").then_some(UserFact { uid: 0, gid: 0 });
        self.users.get(name).cloned().or_else(root)
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.user(name).map(|user| user.gid)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None if self.is_directory(path) => Err(LoadError::Directory),
            None => Err(LoadError::Missing),
        }
    }

    fn read_secret(&self, path: &Path) -> Result<SecretFile, LoadError> {
        let bytes = self.read(path)?;
        Ok(SecretFile {
            bytes,
            open_to_others: false,
        })
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, LoadError> {
        let mut found = Vec::new();
        for alternative in crate::pattern::braces(pattern) {
            let plain = Path::new(&alternative);
            if self.is_directory(plain) {
                found.push(plain.to_owned());
            }
            found.extend(
                self.files
                    .keys()
                    .filter(|path| path_matches(&alternative, path))
                    .cloned(),
            );
        }
        Ok(found)
    }
}

fn unknown_program(name: &[u8]) -> ProgramFact {
    let reason = if name.contains(&b'/') {
        Missing::Reason("No such file or directory".to_owned())
    } else {
        Missing::NotInPath
    };
    ProgramFact {
        missing: Some(reason),
        ..ProgramFact::default()
    }
}

/// Whether each component of a path matches that of a pattern.
fn path_matches(pattern: &str, path: &Path) -> bool {
    let path = path.to_string_lossy();
    let (mut patterns, mut names) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if pattern == name || crate::pattern::matches(pattern, name) => {}
            (Some(_) | None, _) => return false,
        }
    }
}
