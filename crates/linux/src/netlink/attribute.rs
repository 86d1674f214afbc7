//! Attributes: how nftables and generic netlink (IPVS) write what a message says.
//!
//! An attribute is a length, a number and bytes, and its bytes may be attributes again. This codec writes whole
//! messages into one buffer for one system call, and takes answers apart. It does not know what a number means, and
//! not which messages belong together.

/// Bytes of the header of an attribute.
const HEADER: usize = 4;
/// The largest attribute with its header: its length is a 16 bit number.
///
/// Beyond it the message cannot be written: [`Messages::is_too_long`] says so, and nothing of it may be sent.
pub const MOST_BYTES: usize = u16::MAX as usize;
/// Set in the number of an attribute that holds attributes.
const NESTED: u16 = 0x8000;
/// The bits of the number that are the number.
const NUMBER: u16 = 0x3fff;

/// Messages that go to the kernel in one system call.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Messages {
    /// No messages.
    pub fn new() -> Messages {
        Messages::default()
    }

    /// Forgets the messages and keeps their memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.too_long = false;
    }

    /// Appends a message: its type, flags (NLM_F_*) and number, the fixed header of its family, and what `body` writes.
    pub fn push(&mut self, kind: u16, flags: u16, number: u32, header: &[u8], body: impl FnOnce(&mut Writer<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&number.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
        pad(&mut self.bytes);
        body(&mut Writer {
            bytes: &mut self.bytes,
            too_long: &mut self.too_long,
        });
        let Ok(length) = u32::try_from(self.bytes.len() - start) else {
            self.too_long = true;
            return;
        };
        self.overwrite(start, &length.to_ne_bytes());
    }

    /// Sets NLM_F_ACK or other flags on the message that begins at this byte.
    pub(crate) fn add_flags(&mut self, start: usize, flags: u16) {
        let at = start + 6;
        let Some(now) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) else {
            return;
        };
        let both = u16::from_ne_bytes(*now) | flags;
        self.overwrite(at, &both.to_ne_bytes());
    }

    /// Whether an attribute did not fit: the messages are not what was meant.
    pub fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// The bytes for the kernel.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn overwrite(&mut self, at: usize, with: &[u8]) {
        overwrite(&mut self.bytes, at, with);
    }
}

/// Writes the attributes of one message, or of one attribute.
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    too_long: &'a mut bool,
}

impl Writer<'_> {
    /// An attribute of these bytes.
    pub fn put(&mut self, number: u16, value: &[u8]) -> &mut Self {
        match u16::try_from(HEADER + value.len()) {
            Ok(length) => {
                self.bytes.extend_from_slice(&length.to_ne_bytes());
                self.bytes.extend_from_slice(&number.to_ne_bytes());
                self.bytes.extend_from_slice(value);
                pad(self.bytes);
            }
            Err(_) => *self.too_long = true,
        }
        self
    }

    /// An attribute of one byte.
    pub fn put_u8(&mut self, number: u16, value: u8) -> &mut Self {
        self.put(number, &[value])
    }

    /// An attribute of two bytes in the order of this machine.
    pub fn put_u16(&mut self, number: u16, value: u16) -> &mut Self {
        self.put(number, &value.to_ne_bytes())
    }

    /// An attribute of four bytes in the order of this machine.
    pub fn put_u32(&mut self, number: u16, value: u32) -> &mut Self {
        self.put(number, &value.to_ne_bytes())
    }

    /// An attribute of two bytes in the order of the network.
    pub fn put_be16(&mut self, number: u16, value: u16) -> &mut Self {
        self.put(number, &value.to_be_bytes())
    }

    /// An attribute of four bytes in the order of the network.
    pub fn put_be32(&mut self, number: u16, value: u32) -> &mut Self {
        self.put(number, &value.to_be_bytes())
    }

    /// An attribute of eight bytes in the order of the network.
    pub fn put_be64(&mut self, number: u16, value: u64) -> &mut Self {
        self.put(number, &value.to_be_bytes())
    }

    /// An attribute of text with the zero byte the kernel expects after it.
    pub fn put_text(&mut self, number: u16, text: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        self.put(number, &bytes)
    }

    /// An attribute of the attributes that `body` writes.
    pub fn nest(&mut self, number: u16, body: impl FnOnce(&mut Writer<'_>)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(number | NESTED).to_ne_bytes());
        body(&mut Writer {
            bytes: self.bytes,
            too_long: self.too_long,
        });
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => overwrite(self.bytes, start, &length.to_ne_bytes()),
            Err(_) => *self.too_long = true,
        }
        self
    }
}

/// An attribute of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its number, without flags.
    pub number: u16,
    /// Its bytes.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The attributes in it.
    pub fn nested(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        attributes(self.value)
    }

    /// Its one byte.
    pub fn as_u8(&self) -> Option<u8> {
        let [value] = self.value else { return None };
        Some(*value)
    }

    /// Its two bytes in the order of this machine.
    pub fn as_u16(&self) -> Option<u16> {
        Some(u16::from_ne_bytes(self.value.try_into().ok()?))
    }

    /// Its four bytes in the order of this machine.
    pub fn as_u32(&self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.value.try_into().ok()?))
    }

    /// Its eight bytes in the order of this machine.
    pub fn as_u64(&self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.value.try_into().ok()?))
    }

    /// Its two bytes in the order of the network.
    pub fn as_be16(&self) -> Option<u16> {
        Some(u16::from_be_bytes(self.value.try_into().ok()?))
    }

    /// Its four bytes in the order of the network.
    pub fn as_be32(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.value.try_into().ok()?))
    }

    /// Its text, up to the first zero byte.
    pub fn as_text(&self) -> Option<&'a str> {
        let text = self.value.split(|byte| *byte == 0).next()?;
        core::str::from_utf8(text).ok()
    }
}

/// The attributes in these bytes. Ends where the bytes stop making sense; never more than there are bytes.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    core::iter::from_fn(move || {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [a, b, c, d] = *header;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = rest.get(..length.checked_sub(HEADER)?)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute {
            number: u16::from_ne_bytes([c, d]) & NUMBER,
            value,
        })
    })
}

fn pad(bytes: &mut Vec<u8>) {
    // Messages begin at multiples of four, and so does everything in them.
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + with.len()) {
        place.copy_from_slice(with);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length, type, flags, number, port.
    const MESSAGE_HEADER: usize = 16;

    #[test]
    fn a_message_has_its_header_and_aligned_attributes() {
        let mut messages = Messages::new();
        messages.push(0x0a00, 5, 7, &[2, 0, 0, 0], |writer| {
            writer.put_text(1, "ab").nest(2, |inner| {
                inner.put_be32(1, 0x0102_0304).put_u8(2, 9);
            });
        });
        let expected: Vec<u8> = [
            &48_u32.to_ne_bytes()[..],
            &0x0a00_u16.to_ne_bytes(),
            &5_u16.to_ne_bytes(),
            &7_u32.to_ne_bytes(),
            &[0; 4],
            &[2, 0, 0, 0],
            &7_u16.to_ne_bytes(),
            &1_u16.to_ne_bytes(),
            b"ab\0\0",
            &20_u16.to_ne_bytes(),
            &0x8002_u16.to_ne_bytes(),
            &8_u16.to_ne_bytes(),
            &1_u16.to_ne_bytes(),
            &[1, 2, 3, 4],
            &5_u16.to_ne_bytes(),
            &2_u16.to_ne_bytes(),
            &[9, 0, 0, 0],
        ]
        .concat();
        assert_eq!(messages.bytes(), expected);
        assert!(!messages.is_too_long());
    }

    #[test]
    fn what_was_written_is_read_again() {
        let mut messages = Messages::new();
        messages.push(1, 0, 0, &[], |writer| {
            writer
                .put_u32(3, 77)
                .put_be16(4, 80)
                .put_text(5, "name")
                .nest(6, |inner| {
                    inner.put_u16(1, 5).put(2, &[]);
                });
        });
        let payload = &messages.bytes()[MESSAGE_HEADER..];
        let all: Vec<Attribute<'_>> = attributes(payload).collect();
        assert_eq!(all[0].as_u32(), Some(77));
        assert_eq!(all[1].as_be16(), Some(80));
        assert_eq!(all[2].as_text(), Some("name"));
        let inner: Vec<Attribute<'_>> = all[3].nested().collect();
        assert_eq!((inner[0].number, inner[0].as_u16()), (1, Some(5)));
        assert_eq!((inner[1].number, inner[1].value), (2, &[][..]));
        assert_eq!((all.len(), inner.len()), (4, 2));
    }

    #[test]
    fn a_value_of_another_length_than_asked_for_is_none() {
        let attribute = Attribute {
            number: 1,
            value: &[1, 2, 3],
        };
        assert_eq!(attribute.as_u8(), None);
        assert_eq!(attribute.as_u16(), None);
        assert_eq!(attribute.as_u32(), None);
        assert_eq!(attribute.as_u64(), None);
        assert_eq!(attribute.as_be32(), None);
    }

    #[test]
    fn every_shorter_prefix_and_any_bytes_end_without_a_panic() {
        let mut messages = Messages::new();
        messages.push(1, 0, 0, &[], |writer| {
            writer.put_u32(1, 1).nest(2, |inner| {
                inner.put_u32(1, 2);
            });
        });
        let payload = &messages.bytes()[MESSAGE_HEADER..];
        for length in 0..payload.len() {
            let whole = attributes(&payload[..length]).count();
            assert!(whole < 2, "{length}");
        }
        let mut rng = base::Rng::from_seed(1);
        for _ in 0..20_000 {
            let length = usize::try_from(rng.below(64)).unwrap();
            let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
            let read: usize = attributes(&bytes).map(|a| a.nested().count() + 1).sum();
            assert!(read <= 2 * length);
        }
    }

    #[test]
    fn an_attribute_that_is_too_long_is_noticed() {
        let mut messages = Messages::new();
        messages.push(1, 0, 0, &[], |writer| {
            writer.put(1, &vec![0; MOST_BYTES - HEADER]);
        });
        assert!(!messages.is_too_long());
        messages.push(1, 0, 0, &[], |writer| {
            writer.nest(1, |inner| {
                inner.put(1, &[0; 40_000]).put(1, &[0; 40_000]);
            });
        });
        assert!(messages.is_too_long());
        messages.clear();
        assert!(!messages.is_too_long() && messages.bytes().is_empty());
    }
}
