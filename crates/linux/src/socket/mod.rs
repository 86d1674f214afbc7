//! Sockets for packets that no transport protocol carries: adverts over IP, announcements over Ethernet.

pub mod frame;
pub mod packet;
pub mod raw;

#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod lan;
