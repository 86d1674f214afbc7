//! Asking for the link of an interface instead of waiting for the kernel's report: some drivers make none.
//!
//! A driver may take its time with the answer, so this is for threads that may wait. Which interfaces are asked, and how
//! often, is not known here.

use crate::{SysError, sys, sys_process};
use base::IfName;
use std::fmt;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;

/// How a link is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// The registers of the transceiver.
    Mii,
    /// ETHTOOL_GLINK.
    Ethtool,
    /// The flags of the interface, which every interface has.
    Flags,
}

impl Method {
    /// In the order in which they are tried.
    pub const ALL: [Method; 3] = [Method::Mii, Method::Ethtool, Method::Flags];
}

/// As configurations name it.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Mii => "MII",
            Method::Ethtool => "ETHTOOL",
            Method::Flags => "IOCTL",
        })
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The interface is switched on, and there is a link.
    pub up: bool,
    /// The method that had an answer.
    pub by: Method,
}

/// What is asked.
#[derive(Debug)]
pub struct Prober(UdpSocket);

impl Prober {
    /// For interfaces of the network namespace of the calling thread.
    pub fn open() -> Result<Prober, SysError> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
        socket
            .map(Prober)
            .map_err(|source| SysError::new("open a socket to ask for links", "", source))
    }

    /// Asks by `wanted`; without it, or if the driver does not know it, by the first of the others that it knows. An error:
    /// there is no such interface.
    pub fn ask(&self, name: IfName, wanted: Option<Method>) -> Result<Beat, SysError> {
        let (socket, text) = (self.0.as_fd(), name.as_str());
        let flags = sys_process::interface_flags(socket, text)
            .map_err(|source| SysError::new("ask for the link of", name, source))?;
        let both = libc::IFF_UP | libc::IFF_RUNNING;
        let flagged = flags & both == both;
        let answer = |method: Method| match method {
            Method::Mii => sys::carrier::mii(socket, text).ok(),
            Method::Ethtool => sys::carrier::ethtool(socket, text).ok(),
            Method::Flags => Some(flagged),
        };
        let mut methods = wanted.into_iter().chain(Method::ALL);
        let (by, linked) = methods
            .find_map(|method| Some((method, answer(method)?)))
            .unwrap_or((Method::Flags, flagged));
        // What the medium says does not make up for an interface that is switched off.
        Ok(Beat {
            up: linked && flagged,
            by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Netns;

    fn ask(net: &Netns, name: &str, wanted: Option<Method>) -> Beat {
        let name = name.parse().unwrap();
        net.run(|| Prober::open().unwrap().ask(name, wanted)).unwrap()
    }

    #[test]
    fn a_cable_is_asked_by_ethtool_and_follows_its_other_end() {
        let Some(net) = Netns::new() else { return };
        net.ip("link add w0 type veth peer name w1");
        let by = Method::Ethtool;
        for (change, up) in [
            ("link set w0 up", false),
            ("link set w1 up", true),
            ("link set w1 down", false),
            ("link set w1 up", true),
            ("link set w0 down", false),
        ] {
            net.ip(change);
            for wanted in [None, Some(Method::Ethtool)] {
                // The kernel carries a change to the other end when it comes to it.
                let told = (0..500).any(|_| {
                    let same = ask(&net, "w0", wanted) == Beat { up, by };
                    if !same {
                        std::thread::sleep(std::time::Duration::from_millis(10));
                    }
                    same
                });
                assert!(told, "{change}: {:?}", ask(&net, "w0", wanted));
            }
        }
    }

    #[test]
    fn what_the_driver_does_not_know_is_asked_otherwise() {
        let Some(net) = Netns::new() else { return };
        for (wanted, by) in [
            (None, Method::Ethtool),
            (Some(Method::Mii), Method::Ethtool),
            (Some(Method::Ethtool), Method::Ethtool),
            (Some(Method::Flags), Method::Flags),
        ] {
            assert_eq!(ask(&net, "lo", wanted), Beat { up: true, by }, "{wanted:?}");
        }
        net.ip("link set lo down");
        assert!(!ask(&net, "lo", None).up);
    }

    #[test]
    fn flags_count_beside_what_the_medium_says() {
        let Some(net) = Netns::new() else { return };
        net.ip("link add w0 type veth peer name w1");
        net.ip("link set w0 up");
        net.ip("link set w1 up");
        net.ip("link set w0 mode dormant");
        net.ip("link set w0 state dormant");
        let up = false;
        assert_eq!(
            ask(&net, "w0", None),
            Beat {
                up,
                by: Method::Ethtool
            }
        );
        assert_eq!(ask(&net, "w0", Some(Method::Flags)), Beat { up, by: Method::Flags });
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let Some(net) = Netns::new() else { return };
        let error = net.run(|| Prober::open().unwrap().ask("none".parse().unwrap(), None));
        let error = error.unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
    }
}
