//! Things that virtual routers track: scripts, files, processes, and groups of static items.

use super::{Block, Keyword, rows};

/// The rows of `track_group`.
static TRACK_GROUP_ROWS: &[Keyword] = rows! {
    values 0 "group" "group { INSTANCE ... }" "" "required" "Names the VRRP instances whose state follows the tracked static items" => crate::lower::track_group::group, crate::lower::track_group::member;
};

/// `track_group`.
pub static TRACK_GROUP: Block = Block {
    name: "track_group",
    tables: &[TRACK_GROUP_ROWS],
    close: crate::lower::track_group::close,
};

/// The rows of `vrrp_script`.
static VRRP_SCRIPT_ROWS: &[Keyword] = rows! {
    script 1 "script" "script COMMAND" "one word; quote it to include arguments, later words are ignored" "required" "Command to run; </FILE form reads an exit status number from a file" => crate::lower::track::script;
    line 1 "interval" "interval SECS" "0.001-4294.967295; 0 becomes 1" "1" "Time between runs (millisecond resolution since 2.3.2)" => crate::lower::track::interval;
    line 1 "timeout" "timeout SECS" "0-4294.967295" "0 (= interval)" "Run time after which the script counts as failed and is killed" => crate::lower::track::timeout;
    line 1 "weight" "weight N [reverse]" "-253..253" "0" "Priority added on success (positive) or on failure (negative); 0 = failure puts user in fault" => crate::lower::track::script_weight;
    line 1 "rise" "rise N" "1-4294967295" "1" "Successes needed to go up" => crate::lower::track::rise;
    line 1 "fall" "fall N" "1-4294967295" "1" "Failures needed to go down" => crate::lower::track::fall;
    line 1 "user" "user USER [GROUP]" "" "script_user setting" "Identity that runs the script" => crate::lower::track::script_user;
    line 0 "init_fail" "init_fail" "" "off" "Treat script as failed until first success (state is reset if the script is attached by track_script later in the file)" => crate::lower::track::init_fail;
};

/// `vrrp_script`.
pub static VRRP_SCRIPT: Block = Block {
    name: "vrrp_script",
    tables: &[VRRP_SCRIPT_ROWS],
    close: crate::lower::track::close_script,
};

/// The rows of `vrrp_track_process`.
static VRRP_TRACK_PROCESS_ROWS: &[Keyword] = rows! {
    line 1 "process" "process NAME [PARAM ...]" "" "required" "Command to look for; parameters switch to full command line matching, exact by default" => crate::lower::track::process;
    line 0 "param_match" "param_match [initial|partial]" "" "exact when parameters given, else none" "partial: configured parameters are the first ones and match exactly; initial: last one may be a prefix; bare keyword: exact" => crate::lower::track::param_match;
    line 1 "weight" "weight N [reverse]" "-254..254" "0" "Default priority change for users" => crate::lower::track::process_weight;
    line 1 "quorum" "quorum N" "1-65535" "1" "Minimum matching processes" => crate::lower::track::quorum;
    line 1 "quorum_max" "quorum_max N" "0-65535" "unlimited" "Maximum matching processes; lower than quorum is reported" => crate::lower::track::quorum_max;
    line 1 "delay" "delay SECS" "0.000001-3600" "0" "Sets fork_delay and terminate_delay together" => crate::lower::track::delay;
    line 1 "terminate_delay" "terminate_delay SECS" "0.000001-3600" "0" "Hold before declaring loss after a process ends" => crate::lower::track::terminate_delay;
    line 1 "fork_delay" "fork_delay SECS" "0.000001-3600" "0" "Hold before declaring gain after a fork" => crate::lower::track::fork_delay;
    line 0 "full_command" "full_command" "" "off unless parameters given" "Match against /proc/PID/cmdline instead of the 15 character comm name" => crate::lower::track::full_command;
};

/// `vrrp_track_process`.
pub static VRRP_TRACK_PROCESS: Block = Block {
    name: "vrrp_track_process",
    tables: &[VRRP_TRACK_PROCESS_ROWS],
    close: crate::lower::track::close_process,
};

/// The rows of `track_file`.
static TRACK_FILE_ROWS: &[Keyword] = rows! {
    line 1 "file" "file PATH (quoted allowed)" "parent directory must exist; not on a filesystem without inotify support" "required" "Path of the file whose first line holds an integer; resolved to its real path" => crate::lower::track::file;
    line 0 "weight" "weight N [reverse]" "-254..254 (man page claims a 32-bit range)" "1" "Multiplier applied to the file value for users that give no weight; 0 means non-zero value = fault" => crate::lower::track::file_weight;
    line 0 "init_file" "init_file [VALUE] [overwrite]" "signed integer" "value 0; not created" "Create the file with VALUE at startup; existing file kept unless overwrite given" => crate::lower::track::init_file;
};

/// `track_file`.
pub static TRACK_FILE: Block = Block {
    name: "track_file",
    tables: &[TRACK_FILE_ROWS],
    close: crate::lower::track::close_file,
};

/// The rows of `vrrp_track_file`.
static VRRP_TRACK_FILE_ROWS: &[Keyword] = rows! {
    line 1 "file" "as track_file/file" "" "required" "as track_file/file" => crate::lower::track::file;
    line 0 "weight" "as track_file/weight" "-254..254" "1" "as track_file/weight" => crate::lower::track::file_weight;
    line 0 "init_file" "as track_file/init_file" "" "" "as track_file/init_file" => crate::lower::track::init_file;
};

/// `vrrp_track_file`.
pub static VRRP_TRACK_FILE: Block = Block {
    name: "vrrp_track_file",
    tables: &[VRRP_TRACK_FILE_ROWS],
    close: crate::lower::track::close_file,
};
