//! Whether secondary addresses of an interface outlive their primary one (net.ipv4.conf.IF.promote_secondaries).
//!
//! Remembers what was set before, to set it again. Does not know why it should be set.

use crate::SysError;
use base::IfName;
use std::collections::BTreeMap;
use std::fs;

/// Interfaces whose setting was changed, and what it was.
#[derive(Debug, Default)]
pub struct Promotion {
    before: BTreeMap<IfName, String>,
}

impl Promotion {
    /// Switches it on, or back to what it was before it was switched on here. That the interface is gone is no error.
    pub fn set(&mut self, interface: IfName, on: bool) -> Result<(), SysError> {
        let path = format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
        let result = if on {
            fs::read_to_string(&path).and_then(|before| {
                fs::write(&path, "1")?;
                self.before.entry(interface).or_insert(before);
                Ok(())
            })
        } else {
            match self.before.remove(&interface) {
                Some(before) => fs::write(&path, before),
                None => Ok(()),
            }
        };
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(SysError::new("set promote_secondaries", interface, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Netns;

    #[test]
    fn the_setting_is_on_and_then_as_it_was_before() {
        let Some(net) = Netns::new() else { return };
        net.ip("link add va type veth peer name vb");
        net.run(|| {
            // What this file shows belongs to the namespace of whoever opens it.
            let read = || fs::read_to_string("/proc/thread-self/root/proc/sys/net/ipv4/conf/va/promote_secondaries");
            let name: IfName = "va".parse().unwrap();
            for before in ["0\n", "1\n"] {
                fs::write("/proc/sys/net/ipv4/conf/va/promote_secondaries", before).unwrap();
                let mut promotion = Promotion::default();
                promotion.set(name, true).unwrap();
                promotion.set(name, true).unwrap();
                assert_eq!(read().unwrap(), "1\n");
                promotion.set(name, false).unwrap();
                assert_eq!(read().unwrap(), before);
            }
            Promotion::default().set("gone".parse().unwrap(), true).unwrap();
        });
    }
}
