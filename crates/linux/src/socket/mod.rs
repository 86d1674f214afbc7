//! Sockets for packets: adverts over IP, announcements over Ethernet, BFD over UDP, the questions of health checks.

pub mod client;
pub mod datagram;
pub mod frame;
pub mod packet;
pub mod raw;

#[cfg(test)]
mod datagram_tests;
#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod lan;
