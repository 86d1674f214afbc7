//! Where the daemon's files are, from the command line and the configuration. Nothing is opened here.

use crate::cli::Options;
use crate::configuration::Settings;
use crate::ipc::DumpKind;
use crate::log::writer::with_suffix;
use crate::role::Kind;
use std::path::{Path, PathBuf};

/// Run state.
pub(crate) const RUN: &str = "/run";
/// The folder of pid files if there may be several daemons, and what namespaces are bound over.
pub(crate) const RUN_KEEPALIVED: &str = "/run/keepalived";
/// What is read without `-f`.
const SYSTEM_CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";
/// The same where `./configure` was given another prefix: said to the compiler by the Makefile.
const OWN_CONFIGURATION: Option<&str> = option_env!("KEEPALIVED_CONFIGURATION");

/// What is read without `-f`: the file below the prefix of this installation, else that of the system.
pub(crate) fn default_configuration() -> PathBuf {
    choose_configuration(OWN_CONFIGURATION.map(Path::new), Path::new(SYSTEM_CONFIGURATION))
}

/// A `keepalived.conf` that is a link to the sample beside it, as `make install` leaves it, is not a configuration yet;
/// see docs/divergences.md, "configuration-below-the-prefix".
fn choose_configuration(own: Option<&Path>, system: &Path) -> PathBuf {
    let untouched = |path: &Path| {
        let target = path.read_link().unwrap_or_default();
        target.extension().is_some_and(|extension| extension == "sample")
    };
    let own = own.filter(|path| path.exists() && (!untouched(path) || !system.exists()));
    own.unwrap_or(system).to_owned()
}

/// The folder for temporary files: what TMPDIR says, if it is an absolute name of a folder.
pub(crate) fn temporary(tmpdir: Option<&str>) -> PathBuf {
    tmpdir
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && path.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Names of pid files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PidPaths {
    /// The supervisor's.
    pub(crate) parent: PathBuf,
    /// A folder that has to exist for them and is removed at the end if it is empty.
    pub(crate) folder: Option<PathBuf>,
    roles: [(Kind, PathBuf); 3],
}

impl PidPaths {
    /// As the operator says, or as the names of namespace and instance demand.
    pub(crate) fn choose(options: &Options, settings: &Settings, directory: &Path) -> PidPaths {
        let apart = settings.use_pid_dir || settings.namespace.is_some() || settings.instance.is_some();
        let folder = Path::new(if apart { RUN_KEEPALIVED } else { RUN });
        let suffix = settings
            .instance
            .as_ref()
            .map(|name| format!("_{name}"))
            .unwrap_or_default();
        let choose = |said: &Option<PathBuf>, name: &str| match said {
            Some(path) => directory.join(path),
            None => with_suffix(&folder.join(name), &suffix),
        };
        PidPaths {
            parent: choose(&options.pid_file, "keepalived.pid"),
            folder: apart.then(|| folder.to_owned()),
            roles: [
                (Kind::Check, choose(&options.check_pid_file, "checkers.pid")),
                (Kind::Vrrp, choose(&options.vrrp_pid_file, "vrrp.pid")),
                (Kind::Bfd, choose(&options.bfd_pid_file, "bfd.pid")),
            ],
        }
    }

    /// A role's; one that upstream does not have has none.
    pub(crate) fn role(&self, kind: Kind) -> Option<&Path> {
        self.roles
            .iter()
            .find(|(other, _)| *other == kind)
            .map(|(_, path)| path.as_path())
    }

    /// The record of what the vrrp role puts into the kernel.
    pub(crate) fn holdings(&self) -> PathBuf {
        let path = self.role(Kind::Vrrp).unwrap_or(&self.parent);
        path.with_extension("holdings")
    }

    /// The record of virtual services.
    pub(crate) fn services(&self) -> PathBuf {
        let path = self.role(Kind::Check).unwrap_or(&self.parent);
        path.with_extension("services")
    }
}

/// Where a dump goes; `of` is `None` for the supervisor's own.
pub(crate) fn dump(kind: DumpKind, of: Option<Kind>, settings: &Settings, temporary: &Path) -> PathBuf {
    let (said, usual) = match kind {
        DumpKind::Data | DumpKind::Before | DumpKind::After => (&settings.state_dump, "keepalived.data"),
        DumpKind::Stats => (&settings.stats_dump, "keepalived.stats"),
        DumpKind::Json => (&settings.json_dump, "keepalived.json"),
    };
    // Absolute names stay what they are.
    let base = match said.as_deref() {
        Some(folder) if folder.ends_with('/') => temporary.join(folder).join(usual),
        Some(name) => temporary.join(name),
        None => temporary.join(usual),
    };
    let who = match of {
        None => "_parent",
        Some(Kind::Vrrp) => "",
        Some(Kind::Check) => "_check",
        Some(Kind::Bfd) => "_bfd",
        Some(Kind::Manage) => "_manage",
    };
    let path = with_suffix(&base, who);
    let names: Vec<&str> = [&settings.namespace, &settings.instance]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if settings.data_use_instance && !names.is_empty() {
        return with_suffix(&path, &format!(".{}", names.join("_")));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{Model, settings};

    fn named(namespace: Option<&str>, instance: Option<&str>) -> Settings {
        Settings {
            namespace: namespace.map(str::to_owned),
            instance: instance.map(str::to_owned),
            ..settings(&Model::default())
        }
    }

    #[test]
    fn the_file_below_the_prefix_is_read_unless_it_is_only_the_sample() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (own, system) = (path("own.conf"), path("system.conf"));
        let choose = |own: Option<&Path>| choose_configuration(own, &system);
        assert_eq!(choose(None), system);
        assert_eq!(choose(Some(&own)), system, "there is none below the prefix");
        std::os::unix::fs::symlink("own.conf.sample", &own).unwrap();
        std::fs::write(path("own.conf.sample"), "").unwrap();
        assert_eq!(choose(Some(&own)), own, "better than nothing");
        std::fs::write(&system, "").unwrap();
        assert_eq!(choose(Some(&own)), system);
        std::fs::remove_file(&own).unwrap();
        std::fs::write(&own, "").unwrap();
        assert_eq!(choose(Some(&own)), own);
    }

    #[test]
    fn pid_files_are_in_run_unless_there_may_be_several_daemons() {
        let choose = |s: &Settings| PidPaths::choose(&Options::default(), s, Path::new("/work"));
        let plain = choose(&named(None, None));
        assert_eq!(plain.parent, Path::new("/run/keepalived.pid"));
        assert_eq!(plain.role(Kind::Vrrp), Some(Path::new("/run/vrrp.pid")));
        assert_eq!(plain.role(Kind::Manage), None);
        assert_eq!(plain.holdings(), Path::new("/run/vrrp.holdings"));
        assert_eq!(plain.services(), Path::new("/run/checkers.services"));
        assert_eq!(plain.folder, None);
        let apart = choose(&named(Some("blue"), Some("one")));
        assert_eq!(apart.parent, Path::new("/run/keepalived/keepalived_one.pid"));
        assert_eq!(
            apart.role(Kind::Check),
            Some(Path::new("/run/keepalived/checkers_one.pid"))
        );
        assert_eq!(apart.folder, Some(PathBuf::from("/run/keepalived")));
    }

    #[test]
    fn a_relative_pid_file_stays_where_the_daemon_was_started() {
        let options = Options {
            pid_file: Some("k.pid".into()),
            ..Options::default()
        };
        let paths = PidPaths::choose(&options, &named(None, Some("x")), Path::new("/work"));
        assert_eq!(paths.parent, Path::new("/work/k.pid"));
    }

    fn plain_again() -> Settings {
        named(None, None)
    }

    #[test]
    fn dumps_are_named_after_process_and_instance() {
        let dump = |kind, of, s: &Settings| dump(kind, of, s, Path::new("/t")).display().to_string();
        let plain = named(Some("ns"), Some("i"));
        assert_eq!(dump(DumpKind::Data, Some(Kind::Vrrp), &plain), "/t/keepalived.data");
        assert_eq!(dump(DumpKind::Data, None, &plain), "/t/keepalived_parent.data");
        assert_eq!(dump(DumpKind::Data, Some(Kind::Bfd), &plain), "/t/keepalived_bfd.data");
        let with = Settings {
            data_use_instance: true,
            ..plain
        };
        let elsewhere = |place: &str| Settings {
            state_dump: Some(place.to_owned()),
            ..plain_again()
        };
        assert_eq!(
            dump(DumpKind::Data, None, &elsewhere("/var/k/")),
            "/var/k/keepalived_parent.data"
        );
        assert_eq!(
            dump(DumpKind::Data, None, &elsewhere("/var/k/my.txt")),
            "/var/k/my_parent.txt"
        );
        assert_eq!(
            dump(DumpKind::Data, Some(Kind::Vrrp), &elsewhere("my.txt")),
            "/t/my.txt"
        );
        let json = Settings {
            json_dump: Some("/var/k/".to_owned()),
            stats_dump: Some("s".to_owned()),
            ..plain_again()
        };
        assert_eq!(dump(DumpKind::Json, Some(Kind::Vrrp), &json), "/var/k/keepalived.json");
        assert_eq!(dump(DumpKind::Stats, Some(Kind::Vrrp), &json), "/t/s");
        assert_eq!(
            dump(DumpKind::Stats, Some(Kind::Vrrp), &with),
            "/t/keepalived.ns_i.stats"
        );
    }
}
