//! Asking a driver whether its interface has a link, in the ways that have no safe wrapper.
#![allow(unsafe_code)]

use super::process::interface_request;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// From linux/sockios.h; libc does not have them.
const SIOCGMIIPHY: u32 = 0x8947;
const SIOCGMIIREG: u32 = 0x8948;
const SIOCETHTOOL: u32 = 0x8946;
/// From linux/ethtool.h.
const ETHTOOL_GLINK: u32 = 0xa;
/// From linux/mii.h: the basic mode status register, and its link bit.
const MII_BMSR: u16 = 1;
const BMSR_LSTATUS: u16 = 0x4;

/// struct mii_ioctl_data.
#[repr(C)]
#[derive(Clone, Copy)]
struct Register {
    phy: u16,
    number: u16,
    value_in: u16,
    value_out: u16,
}

/// struct ethtool_value.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// What the transceiver says.
pub(crate) fn mii(socket: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    let mut request = interface_request(name)?;
    let mut call = |number: u32, before: Option<Register>| -> io::Result<Register> {
        let place = (&raw mut request.ifr_ifru).cast::<Register>();
        if let Some(before) = before {
            // SAFETY: the union has room for the eight bytes of a register, is aligned for more, and is ours.
            unsafe { place.write(before) };
        }
        // SAFETY: the request is initialised and outlives the call, in which the kernel reads and writes a register at its end.
        if unsafe { libc::ioctl(socket.as_raw_fd(), number as _, &raw mut request) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as for the writing; every value of the bytes is a register.
        Ok(unsafe { (&raw const request.ifr_ifru).cast::<Register>().read() })
    };
    let found = call(SIOCGMIIPHY, None)?;
    let wanted = Register {
        number: MII_BMSR,
        value_in: 0,
        value_out: 0,
        ..found
    };
    // The bit remembers a loss until it is read: what counts is the second answer.
    call(SIOCGMIIREG, Some(wanted))?;
    let status = call(SIOCGMIIREG, Some(wanted))?;
    Ok(status.value_out & BMSR_LSTATUS != 0)
}

/// What ETHTOOL_GLINK says.
pub(crate) fn ethtool(socket: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    let mut value = Value {
        command: ETHTOOL_GLINK,
        data: 0,
    };
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request is initialised, and it and the value it points to outlive the call, in which the kernel reads and
    // writes the value.
    if unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value.data != 0)
}
