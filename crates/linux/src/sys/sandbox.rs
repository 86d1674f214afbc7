//! Filters of system calls, the signal by which a filter says that it has refused one, and the bits that keep capabilities
//! from coming back.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// Numbers of system calls that are counted apart; the kernel has given away less than 500. Higher ones count as this one.
pub(crate) const NUMBERS: usize = 512;

/// How often each was refused, in all threads of this process.
static REFUSED: [AtomicU32; NUMBERS] = [const { AtomicU32::new(0) }; NUMBERS];
/// All of them together, so that looking for news costs nothing.
static TOTAL: AtomicU32 = AtomicU32::new(0);

/// The beginning of `siginfo_t` as the kernel fills it for SIGSYS; `libc` has no name for the last field.
#[repr(C)]
struct Info {
    signal: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    address: *const libc::c_void,
    call: libc::c_int,
}

/// Answers every SIGSYS from now on: the call that was refused fails with EPERM, and is counted.
///
/// The kernel ends a thread that has the signal blocked; nothing here blocks it, and libraries do only around calls that a
/// filter must not answer by the signal (see [`crate::sandbox`]).
pub(crate) fn answer_refusals() -> io::Result<()> {
    // SAFETY: a structure of integers and a pointer to a function, for which all zeros are a value: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_refusal as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_NODEFER;
    // SAFETY: the structure is initialised and outlives the call. The handler has the signature that SA_SIGINFO asks for and
    // does only what a handler may: atomic numbers, and the registers it is given.
    if unsafe { libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn on_refusal(_signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands over a whole `siginfo_t`, of which `Info` is the beginning on every 64-bit Linux.
    let call = unsafe { (*info.cast::<Info>()).call };
    let place = usize::try_from(call).unwrap_or(NUMBERS).min(NUMBERS - 1);
    if let Some(count) = REFUSED.get(place) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    // After the number, so that whoever sees the sum sees the number.
    TOTAL.fetch_add(1, Ordering::Release);
    let context = context.cast::<libc::ucontext_t>();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: with SA_SIGINFO the third argument is the context of the interrupted thread, which is ours to change until
    // the handler returns; this register is where the caller finds the result of its call.
    unsafe {
        if let Some(result) = (*context).uc_mcontext.gregs.get_mut(libc::REG_RAX as usize) {
            *result = -i64::from(libc::EPERM);
        }
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        if let Some(result) = (*context).uc_mcontext.regs.first_mut() {
            *result = (-i64::from(libc::EPERM)) as _;
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = context;
}

/// How many calls were refused by the signal so far.
pub(crate) fn total_refused() -> u32 {
    TOTAL.load(Ordering::Acquire)
}

/// How often the call of this number was.
pub(crate) fn times_refused(number: usize) -> u32 {
    REFUSED.get(number).map_or(0, |count| count.load(Ordering::Relaxed))
}

/// An instruction of a filter, as the kernel reads it.
pub(crate) type Instruction = libc::sock_filter;

/// Puts the calling thread, and every thread and process it makes from now on, under a filter. There is no way back.
///
/// `log`: the kernel logs what the filter refuses by an error number.
pub(crate) fn add_filter(program: &mut [Instruction], log: bool) -> io::Result<()> {
    let len = libc::c_ushort::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog {
        len,
        filter: program.as_mut_ptr(),
    };
    // Without the second flag kernels before 5.16 would slow down every branch of a filtered process.
    let wanted = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW | if log { libc::SECCOMP_FILTER_FLAG_LOG } else { 0 };
    // Kernels before 4.14 and 4.17 do not know the flags.
    for flags in [wanted, 0] {
        // SAFETY: the program and its length describe instructions that live until the call returns; the kernel reads them.
        let failed = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        if failed == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if flags == 0 || error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
    }
    Ok(())
}

/// Sets the bits that decide what user 0 gets by being user 0 (capabilities(7)).
pub(crate) fn set_securebits(bits: libc::c_int) -> io::Result<()> {
    // SAFETY: integers only.
    if unsafe { libc::prctl(libc::PR_SET_SECUREBITS, bits as libc::c_ulong, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Any system call with arguments that mean nothing, for tests of filters: what it answers.
#[cfg(test)]
pub(crate) fn call_in_vain(number: i64) -> io::Error {
    // SAFETY: only in threads under a filter that refuses the call before the kernel looks at its arguments.
    if unsafe { libc::syscall(number, -1, -1, -1, -1, -1, -1) } == -1 {
        return io::Error::last_os_error();
    }
    io::Error::other("it was carried out")
}

/// Memory with this protection, and then with that one, for tests of filters.
#[cfg(test)]
pub(crate) fn memory(first: libc::c_int, then: libc::c_int) -> io::Result<()> {
    const LENGTH: usize = 4096;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses a place where nothing is.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), LENGTH, first, flags, -1, 0) };
    if place == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping made above, which nobody else knows of.
    let changed = match unsafe { libc::mprotect(place, LENGTH, then) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: the same mapping, which nobody uses.
    unsafe { libc::munmap(place, LENGTH) };
    changed
}
