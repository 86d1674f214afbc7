//! Calls about processes, signals and scheduling for which there is no safe wrapper.
#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Takes charge of a descriptor that the kernel has just put into this process (SCM_RIGHTS).
pub(crate) fn own_received(raw: RawFd) -> OwnedFd {
    // SAFETY: the descriptor was made by the recvmsg call whose answer the caller is reading, so nobody else owns
    // it; the answer is consumed, so nobody will own it twice.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// Divides this process: the number of the child in the parent, `None` in the child.
pub(crate) fn fork() -> io::Result<Option<i32>> {
    // SAFETY: the caller has a single thread (said in `process::daemonise`), so the child may go on using every
    // lock and allocation it inherits.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        child => Ok(Some(child)),
    }
}

/// Marks every descriptor from `first` on to be closed by the next `exec`.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: integers only; the call changes flags of descriptors and closes none.
    let failed = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes every signal as a new process would; those that cannot be changed are left.
pub(crate) fn default_dispositions() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: the default disposition runs no code of ours. Refused for SIGKILL, SIGSTOP and the C library's own.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// All threads of this process have one heap from now on: what one frees another one uses. Where the allocator of the C library
/// knows no such setting nothing happens.
pub(crate) fn one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: an integer setting, which may be made at any time.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives memory that is free back to the kernel, as far as the allocator of the C library can be asked for it.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches no allocation that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Ends this process without running anything that was registered for its end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: always allowed.
    unsafe { libc::_exit(code) }
}

/// A child that has ended and its status, if there is one; no children at all is the same as none that ended.
///
/// Not nix's wrapper, which refuses a status that names a real-time signal, when the child is already reaped.
pub(crate) fn wait_any() -> io::Result<Option<(i32, i32)>> {
    loop {
        let mut status = 0;
        // SAFETY: the status is ours and outlives the call.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
        if pid > 0 {
            return Ok(Some((pid, status)));
        }
        if pid == 0 {
            return Ok(None);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ECHILD) => return Ok(None),
            Some(libc::EINTR) => {}
            Some(_) | None => return Err(error),
        }
    }
}

/// A set of signals by number.
fn signal_set(numbers: &[i32]) -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset writes a whole set into the storage it is given.
    let mut set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    };
    for &number in numbers {
        // SAFETY: the set is initialised and ours.
        if unsafe { libc::sigaddset(&mut set, number) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(set)
}

/// Blocks these signals and gives a non-blocking descriptor from which they can be read.
pub(crate) fn signal_descriptor(numbers: &[i32]) -> io::Result<OwnedFd> {
    let set = signal_set(numbers)?;
    // SAFETY: the set is initialised; no old set is asked for.
    let failed = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    // SAFETY: the set is initialised; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The number of the next signal waiting on a signal descriptor.
pub(crate) fn read_signal(fd: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let length = size_of::<libc::signalfd_siginfo>();
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `info`.
    let got = unsafe { libc::read(fd.as_raw_fd(), info.as_mut_ptr().cast(), length) };
    if got < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Ok(None),
            Some(_) | None => Err(error),
        };
    }
    if got.unsigned_abs() != length {
        return Ok(None);
    }
    // SAFETY: the kernel wrote a whole record.
    let info = unsafe { info.assume_init() };
    Ok(i32::try_from(info.ssi_signo).ok())
}

/// Lets this process ignore signals, or take them as a new process would.
pub(crate) fn set_disposition(number: i32, ignore: bool) -> io::Result<()> {
    let handler = if ignore { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither disposition runs code of ours.
    if unsafe { libc::signal(number, handler) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Puts this process into a real-time class (`SCHED_RR`) at this priority; children start in the normal one.
pub(crate) fn set_realtime(priority: i32) -> io::Result<()> {
    // SAFETY: a structure of integers, for which all zeros are a value.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = priority;
    // SAFETY: the structure is initialised and outlives the call; 0 is this process.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &parameter) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Puts this process into the normal class.
pub(crate) fn set_normal() -> io::Result<()> {
    // SAFETY: a structure of integers, for which all zeros are a value, and the one this class demands.
    let parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is initialised and outlives the call; 0 is this process.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &parameter) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The largest packet an interface of the namespace of `socket` takes.
pub(crate) fn interface_mtu(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let mut request = interface_request(name)?;
    // SAFETY: the request is initialised and outlives the call, in which the kernel fills the MTU.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU as _, &mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so this is the field that was written.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    u32::try_from(mtu).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The flags (`IFF_...`) of an interface of the namespace of `socket`.
pub(crate) fn interface_flags(socket: BorrowedFd<'_>, name: &str) -> io::Result<i32> {
    let mut request = interface_request(name)?;
    // SAFETY: the request is initialised and outlives the call, in which the kernel fills the flags.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so this is the field that was written.
    Ok(i32::from(unsafe { request.ifr_ifru.ifru_flags }))
}

pub(super) fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: a structure of integers and a union of such, for which all zeros are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero: the kernel wants an end.
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    Ok(request)
}

/// Sets the nice value of this process.
pub(crate) fn set_nice(value: i32) -> io::Result<()> {
    // SAFETY: plain integers; 0 is this process.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
