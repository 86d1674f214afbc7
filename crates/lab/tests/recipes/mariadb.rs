//! A MariaDB of the distribution in a namespace: data, socket and logs in a place of its own, run by the user of the
//! package.

use crate::support::Program;
use lab::clock::Clock;
use lab::command::{Result, run};
use lab::netns::Namespace;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// What a lab needs beside the settings of a recipe: small files, everything in one place.
const SMALL: &str = "innodb_buffer_pool_size = 64M\ninnodb_log_file_size = 16M\nskip_name_resolve = 1\n";

/// The programs it takes.
pub(crate) const PROGRAMS: [&str; 5] = [
    "/usr/sbin/mariadbd",
    "/usr/bin/mariadb",
    "/usr/bin/mariadb-install-db",
    "/usr/bin/setpriv",
    "/usr/bin/timeout",
];

/// A server. Ended when dropped.
pub(crate) struct MariaDb {
    program: Program,
    place: TempDir,
}

impl MariaDb {
    /// With `settings` in the section `[mysqld]`, empty but for the system's tables.
    pub(crate) fn start(namespace: &Arc<Namespace>, settings: &str) -> MariaDb {
        let place = place();
        let root = place.path();
        for folder in ["data", "run"] {
            run(
                "install",
                &["-d", "-o", "mysql", "-g", "mysql", &text(&root.join(folder))],
                "",
            )
            .unwrap();
        }
        let file = root.join("my.cnf");
        let here = root.display();
        let places = format!(
            "datadir = {here}/data\nsocket = {here}/run/mysqld.sock\npid_file = {here}/run/mysqld.pid\n\
             log_error = {here}/run/error.log\n"
        );
        fs::write(&file, format!("[mysqld]\n{places}{SMALL}{settings}")).unwrap();
        let defaults = format!("--defaults-file={}", file.display());
        let install = [
            "--user=mysql",
            "--skip-test-db",
            "--auth-root-authentication-method=socket",
        ];
        run("mariadb-install-db", &[&[defaults.as_str()], &install[..]].concat(), "").unwrap();
        let mut command = as_user("mysql", "/usr/sbin/mariadbd");
        command.arg(defaults);
        let server = MariaDb {
            program: Program::start(namespace, command),
            place,
        };
        server.answers();
        server
    }

    /// After its end, which it waits for.
    pub(crate) fn start_again(&mut self) {
        self.program.start_again();
        self.answers();
    }

    /// As systemd does when it was killed.
    pub(crate) fn start_again_if_it_ended(&mut self) {
        if self.program.ended() {
            self.start_again();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Runs statements as root and returns the rows, columns separated by tabs, if it answers at all.
    pub(crate) fn sql(&self, statements: &str) -> Result<String> {
        let socket = format!("--socket={}", text(&self.run_folder().join("mysqld.sock")));
        let client = [
            "-s",
            "KILL",
            "120",
            "mariadb",
            "--no-defaults",
            &socket,
            "--batch",
            "-N",
        ];
        run("timeout", &client, statements)
    }

    /// In the place of /run/mysqld.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.place.path().join("run")
    }

    /// In the place of /var/lib/mysql.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn answers(&self) {
        let clock = Clock::start();
        while let Err(trouble) = self.sql("SELECT 1") {
            let log = fs::read_to_string(self.run_folder().join("error.log")).unwrap_or_default();
            assert!(clock.now() < START, "mariadbd does not start: {trouble}\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A program that is run as a user of a package.
pub(crate) fn as_user(user: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .arg(program.as_ref());
    command
}

/// In memory, where there is some: how long a disk takes is not what is measured.
fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let place = tempfile::Builder::new().prefix("karecipe.").tempdir_in(parent).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    place
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
