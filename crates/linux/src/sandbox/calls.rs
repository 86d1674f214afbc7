//! System calls: which a process may make, and what becomes of the others.
//!
//! Three tables. What any of our processes may use is [`PERMITTED`]; it is wide, because libraries change what they use, and
//! none of it reaches beyond the process, its descriptors and its sockets. What no process here has a use for, but who
//! takes it over has, is [`FORBIDDEN`]: it fails with EPERM and is counted. Everything else, which is what kernels after this
//! program will bring, does not exist for us (ENOSYS), and the kernel logs it. Of some calls only certain uses are
//! forbidden: [`misuses`].

use super::Confinement;
use crate::sys::sandbox as raw;
use crate::{SysError, sys};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

/// A call by its number and name.
pub(super) type Call = (libc::c_long, &'static str);

macro_rules! calls {
    ($($name:ident)*) => { &[$((libc::$name, stringify!($name))),*] };
}

/// What libraries and the runtime of the language may want, and what all roles do.
#[rustfmt::skip]
pub(super) const PERMITTED: &[&[Call]] = &[
    // Memory and threads.
    calls!(SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_mincore SYS_msync SYS_membarrier SYS_mseal
        SYS_mlock SYS_mlock2 SYS_mlockall SYS_munlock SYS_munlockall SYS_futex SYS_futex_waitv SYS_set_robust_list
        SYS_get_robust_list SYS_set_tid_address SYS_rseq SYS_clone SYS_clone3 SYS_exit SYS_exit_group SYS_sched_yield
        SYS_restart_syscall SYS_get_mempolicy),
    // Descriptors.
    calls!(SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev SYS_preadv2
        SYS_pwritev2 SYS_close SYS_close_range SYS_dup SYS_dup3 SYS_fcntl SYS_lseek SYS_ioctl SYS_pipe2 SYS_eventfd2
        SYS_ftruncate SYS_memfd_create SYS_flock SYS_fsync SYS_fdatasync SYS_fadvise64 SYS_sendfile SYS_splice
        SYS_copy_file_range SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2
        SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_signalfd4 SYS_inotify_init1
        SYS_inotify_add_watch SYS_inotify_rm_watch),
    // Looking at files.
    calls!(SYS_openat SYS_newfstatat SYS_fstat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2
        SYS_readlinkat SYS_getdents64 SYS_getcwd),
    // Sockets.
    calls!(SYS_socket SYS_socketpair SYS_bind SYS_connect SYS_listen SYS_accept SYS_accept4 SYS_getsockname
        SYS_getpeername SYS_getsockopt SYS_setsockopt SYS_shutdown SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg
        SYS_sendmmsg SYS_recvmmsg),
    // Signals, time, chance.
    calls!(SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_rt_sigtimedwait
        SYS_rt_sigsuspend SYS_sigaltstack SYS_tgkill SYS_tkill SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep
        SYS_nanosleep SYS_gettimeofday SYS_getitimer SYS_setitimer SYS_timer_create SYS_timer_settime
        SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete SYS_getrandom),
    // This process.
    calls!(SYS_getpid SYS_getppid SYS_gettid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid
        SYS_getresgid SYS_getgroups SYS_getpgid SYS_getsid SYS_getrusage SYS_times SYS_uname SYS_sysinfo SYS_getcpu
        SYS_capget SYS_prctl SYS_umask SYS_prlimit64 SYS_getpriority SYS_setpriority SYS_sched_getaffinity
        SYS_sched_setaffinity SYS_sched_getscheduler SYS_sched_setscheduler SYS_sched_getparam SYS_sched_setparam
        SYS_sched_getattr SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_rr_get_interval),
    OLD,
];

/// Older forms of calls above, which younger architectures do not have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD: &[Call] = calls!(SYS_open SYS_stat SYS_lstat SYS_access SYS_readlink SYS_getdents SYS_pipe SYS_dup2 SYS_poll
    SYS_select SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_signalfd SYS_inotify_init SYS_time SYS_alarm SYS_pause
    SYS_getpgrp SYS_getrlimit SYS_setrlimit SYS_arch_prctl);
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Call] = calls!(SYS_getrlimit SYS_setrlimit);

/// What no role does and an attacker would.
#[rustfmt::skip]
pub(super) const FORBIDDEN: &[&[Call]] = &[
    // Other programs, other processes.
    calls!(SYS_execve SYS_execveat SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_kcmp SYS_kill
        SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_pidfd_open SYS_pidfd_getfd SYS_pidfd_send_signal
        SYS_process_madvise SYS_process_mrelease SYS_migrate_pages SYS_move_pages),
    // The kernel itself.
    calls!(SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_reboot SYS_bpf SYS_perf_event_open
        SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_add_key SYS_request_key
        SYS_keyctl SYS_syslog SYS_acct SYS_swapon SYS_swapoff SYS_sethostname SYS_setdomainname SYS_quotactl
        SYS_settimeofday SYS_clock_settime SYS_clock_adjtime SYS_adjtimex SYS_personality SYS_vhangup),
    // The place it runs in.
    calls!(SYS_setns SYS_unshare SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_move_mount SYS_open_tree SYS_fsopen
        SYS_fsconfig SYS_fsmount SYS_fspick SYS_mount_setattr SYS_open_by_handle_at SYS_name_to_handle_at),
    // Who it is.
    calls!(SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setgroups SYS_setfsuid
        SYS_setfsgid SYS_setsid SYS_setpgid SYS_capset),
    // Files: making, removing, moving them, and whom they belong to. A descriptor in `openat2` is not seen by a filter.
    calls!(SYS_openat2 SYS_unlinkat SYS_mkdirat SYS_mknodat SYS_linkat SYS_symlinkat SYS_renameat2
        SYS_truncate SYS_fallocate SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_utimensat SYS_setxattr
        SYS_lsetxattr SYS_fsetxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr SYS_fanotify_init
        SYS_fanotify_mark),
    OLD_FORBIDDEN,
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD_FORBIDDEN: &[Call] = calls!(SYS_kexec_file_load SYS_creat SYS_unlink SYS_rmdir SYS_mkdir SYS_mknod SYS_link
    SYS_symlink SYS_rename SYS_renameat SYS_chmod SYS_chown SYS_lchown SYS_utime SYS_utimes SYS_futimesat SYS_iopl SYS_ioperm
    SYS_modify_ldt SYS_uselib);
#[cfg(not(target_arch = "x86_64"))]
const OLD_FORBIDDEN: &[Call] = &[];

/// Making processes. Refused by an error number alone: the C library has signals blocked when it does.
#[cfg(target_arch = "x86_64")]
const FORKS: &[Call] = calls!(SYS_fork SYS_vfork);
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[Call] = &[];

/// Sockets of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Other programs of this machine.
    Unix,
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// The kernel.
    Netlink,
    /// Frames.
    Packet,
}

impl Family {
    const fn number(self) -> libc::c_int {
        match self {
            Family::Unix => libc::AF_UNIX,
            Family::Inet => libc::AF_INET,
            Family::Inet6 => libc::AF_INET6,
            Family::Netlink => libc::AF_NETLINK,
            Family::Packet => libc::AF_PACKET,
        }
    }
}

/// Requests of ioctl(2), whose type is another one in each C library.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Built<T> = Result<T, seccompiler::BackendError>;

/// A rule that holds if all of these hold: an argument, compared.
fn rule(conditions: &[(u8, Op, u64)]) -> Built<SeccompRule> {
    let conditions: Built<Vec<SeccompCondition>> = conditions
        .iter()
        .map(|(argument, how, value)| SeccompCondition::new(*argument, Len::Dword, how.clone(), *value))
        .collect();
    SeccompRule::new(conditions?)
}

/// What an argument of these bits under this mask means.
fn bits(argument: u8, mask: libc::c_int, value: libc::c_int) -> Built<SeccompRule> {
    rule(&[(argument, Op::MaskedEq(mask as u32 as u64), value as u32 as u64)])
}

/// Uses of permitted calls that are forbidden all the same.
fn misuses(of: &Confinement) -> Built<Rules> {
    let other_than_own = |argument: u8| rule(&[(argument, Op::Ne, 0)]);
    let is = |argument: u8, value: u64| rule(&[(argument, Op::Eq, value)]);
    let mut rules = Rules::new();
    // Memory that is code: the matcher of patterns interprets, nothing here compiles.
    let code = libc::PROT_WRITE | libc::PROT_EXEC;
    rules.insert(libc::SYS_mprotect, vec![bits(2, libc::PROT_EXEC, libc::PROT_EXEC)?]);
    rules.insert(libc::SYS_mmap, vec![bits(2, code, code)?]);
    // Typing into the terminal of whoever started a daemon in the foreground.
    rules.insert(libc::SYS_ioctl, vec![is(1, TIOCSTI)?, is(1, TIOCLINUX)?]);
    // Other processes.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![rule(&[(0, Op::Ne, own)])?]);
    // By which some C libraries end a process; its first thread has its number.
    rules.insert(libc::SYS_tkill, vec![rule(&[(0, Op::Ne, own)])?]);
    for number in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
    ] {
        rules.insert(number, vec![other_than_own(0)?]);
    }
    rules.insert(libc::SYS_setpriority, vec![other_than_own(0)?, other_than_own(1)?]);
    // Families of sockets: most bugs of the kernel's network are in those that nobody uses.
    let families: Vec<(u8, Op, u64)> = of
        .families
        .iter()
        .map(|family| (0, Op::Ne, family.number() as u64))
        .collect();
    rules.insert(libc::SYS_socket, vec![rule(&families)?]);
    if !of.writes {
        let opens = [(libc::SYS_openat, 2)];
        #[cfg(target_arch = "x86_64")]
        let opens = [opens[0], (libc::SYS_open, 1)];
        for (number, flags) in opens {
            let mut ways = Vec::new();
            for mode in [libc::O_WRONLY, libc::O_RDWR, libc::O_ACCMODE] {
                ways.push(bits(flags, libc::O_ACCMODE, mode)?);
            }
            for flag in [libc::O_CREAT, libc::O_TRUNC] {
                ways.push(bits(flags, flag, flag)?);
            }
            rules.insert(number, ways);
        }
    }
    Ok(rules)
}

fn unconditional<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Rules {
    calls.into_iter().map(|(number, _)| (*number, Vec::new())).collect()
}

/// One filter: what matches has one fate, everything else the other.
struct Part {
    rules: Rules,
    matching: SeccompAction,
    other: SeccompAction,
    /// Whether the kernel logs what is refused by number.
    log: bool,
}

/// The filters of a process; the strictest answer of all counts.
fn parts(of: &Confinement) -> Built<Vec<Part>> {
    let allow = SeccompAction::Allow;
    let trusted = |(number, _): &&Call| of.enters_namespaces && *number == libc::SYS_setns;
    let forbidden = || FORBIDDEN.iter().copied().flatten().filter(|call| !trusted(call));
    let known = PERMITTED
        .iter()
        .copied()
        .flatten()
        .chain(FORBIDDEN.iter().copied().flatten())
        .chain(FORKS);
    let mut refused = unconditional(forbidden());
    refused.append(&mut misuses(of)?);
    let mut forks = unconditional(FORKS);
    // A thread is no process.
    forks.insert(libc::SYS_clone, vec![bits(0, libc::CLONE_THREAD, 0)?]);
    let errno = |number: libc::c_int| SeccompAction::Errno(number as u32);
    let part = |rules, matching, other, log| Part {
        rules,
        matching,
        other,
        log,
    };
    Ok(vec![
        part(refused, SeccompAction::Trap, allow.clone(), false),
        part(forks, errno(libc::EPERM), allow.clone(), true),
        // Its arguments are in memory, where a filter does not look; the C library then takes `clone`.
        part(
            unconditional(calls!(SYS_clone3)),
            errno(libc::ENOSYS),
            allow.clone(),
            false,
        ),
        // The last one, after which no other filter can be added.
        part(unconditional(known), allow, errno(libc::ENOSYS), true),
    ])
}

fn programs(of: &Confinement) -> Built<Vec<(BpfProgram, bool)>> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    parts(of)?
        .into_iter()
        .map(|part| {
            let filter = SeccompFilter::new(part.rules, part.other, part.matching, machine)?;
            Ok((BpfProgram::try_from(filter)?, part.log))
        })
        .collect()
}

/// Puts the calling thread and all it makes under the filters.
pub(super) fn filter(of: &Confinement) -> Result<(), SysError> {
    let failed = |source: io::Error| SysError::new("filter system calls", "", source);
    let programs = programs(of).map_err(|error| failed(io::Error::other(error.to_string())))?;
    sys::sandbox::answer_refusals().map_err(failed)?;
    for (program, log) in programs {
        let mut raw: Vec<raw::Instruction> = program
            .into_iter()
            .map(|step| raw::Instruction {
                code: step.code,
                jt: step.jt,
                jf: step.jf,
                k: step.k,
            })
            .collect();
        raw::add_filter(&mut raw, log).map_err(failed)?;
    }
    Ok(())
}

/// A call that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is called.
    pub call: &'static str,
    /// How often since it was told last.
    pub times: u32,
}

thread_local! {
    /// What [`news`] has told: the sum, and each number's share.
    static TOLD: RefCell<(u32, BTreeMap<usize, u32>)> = const { RefCell::new((0, BTreeMap::new())) };
}

/// Calls of any thread of this process that were refused since this was asked last; to be asked by one thread.
pub fn news() -> Vec<Refusal> {
    let total = raw::total_refused();
    TOLD.with_borrow_mut(|(sum, told)| {
        if *sum == total {
            return Vec::new();
        }
        *sum = total;
        let mut news = Vec::new();
        for number in 0..raw::NUMBERS {
            let times = raw::times_refused(number);
            let before = told.insert(number, times).unwrap_or(0);
            if times != before {
                let times = times.wrapping_sub(before);
                news.push(Refusal {
                    call: name(number),
                    times,
                });
            }
        }
        news
    })
}

fn name(number: usize) -> &'static str {
    let all = PERMITTED.iter().chain(FORBIDDEN).copied().flatten();
    let found = all.into_iter().find(|(known, _)| usize::try_from(*known) == Ok(number));
    found.map_or("an unknown call", |(_, name)| name.strip_prefix("SYS_").unwrap_or(name))
}
