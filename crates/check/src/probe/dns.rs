//! `DNS_CHECK`: one question over UDP, and whether the server answers it without an error (RFC 1035).

use crate::config::Dns;
use alloc::vec::Vec;
use domain::base::iana::{Class, Rcode};
use domain::base::name::{NameBuilder, PushError};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::dep::octseq::array::Array;

/// Room for a header, the longest name, and type and class.
const QUERY: usize = 12 + 255 + 4;

/// What bytes that came back are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Not an answer to our question: reading goes on.
    NotOurs,
    /// An answer without error. What it says is not looked at.
    Good,
    /// An answer with this error.
    Refused(u8),
}

/// The question; `None` if the name of the check is none.
pub fn query(dns: &Dns, id: u16) -> Option<Vec<u8>> {
    let mut message = MessageBuilder::from_target(Array::<QUERY>::new()).ok()?;
    let header = message.header_mut();
    header.set_id(id);
    header.set_rd(true);
    let mut question = message.question();
    let record = Rtype::from_int(dns.record.number());
    question.push((name(&dns.name).ok()?, record, Class::IN)).ok()?;
    Some(question.finish().as_ref().to_vec())
}

/// A name as labels, taken literally: a configuration knows no escapes in it.
fn name(text: &str) -> Result<Name<Array<255>>, PushError> {
    let mut name = NameBuilder::<Array<255>>::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        name.append_label(label.as_bytes())?;
    }
    name.into_name().map_err(|_| PushError::LongName)
}

/// What came back after the question with this id.
pub fn received(id: u16, bytes: &[u8]) -> Received {
    let Ok(message) = Message::from_octets(bytes) else {
        return Received::NotOurs;
    };
    let header = message.header();
    if header.id() != id || !header.qr() {
        return Received::NotOurs;
    }
    match header.rcode() {
        Rcode::NOERROR => Received::Good,
        rcode => Received::Refused(rcode.to_int()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Connection, RecordType};
    use core::time::Duration;
    use proptest::prelude::*;

    fn dns(name: &str, record: RecordType) -> Dns {
        let connection = Connection {
            address: "10.0.0.1".parse().unwrap(),
            port: 53,
            timeout: Duration::from_secs(1),
            from: None,
        };
        Dns {
            connection,
            record,
            name: name.into(),
        }
    }

    #[test]
    fn a_question_has_its_id_wants_recursion_and_names_one_thing() {
        let bytes = query(&dns("a.example", RecordType::Aaaa), 0x1234).unwrap();
        let expected = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x1c\x00\x01";
        assert_eq!(bytes, expected);
        let root = query(&dns("", RecordType::Soa), 1).unwrap();
        assert_eq!(
            root,
            b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01"
        );
    }

    #[test]
    fn a_name_that_is_none_has_no_question() {
        assert_eq!(query(&dns(&"a".repeat(64), RecordType::A), 1), None);
        assert_eq!(query(&dns(&"a.".repeat(200), RecordType::A), 1), None);
        assert!(query(&dns(&["a".repeat(63), "b".repeat(63)].join("."), RecordType::A), 1).is_some());
    }

    #[test]
    fn only_an_answer_with_our_id_counts() {
        let mut bytes = query(&dns("a", RecordType::A), 7).unwrap();
        assert_eq!(received(7, &bytes), Received::NotOurs, "a question is no answer");
        bytes[2] |= 0x80;
        assert_eq!(received(7, &bytes), Received::Good);
        assert_eq!(received(8, &bytes), Received::NotOurs);
        bytes[3] |= 2;
        assert_eq!(received(7, &bytes), Received::Refused(2));
        for len in 0..12 {
            assert_eq!(received(7, &bytes[..len]), Received::NotOurs, "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..600), id: u16) {
            let _ = received(id, &bytes);
        }

        #[test]
        fn any_name_has_a_question_or_none(name in "\\PC{0,300}") {
            let _ = query(&dns(&name, RecordType::Txt), 1);
        }
    }
}
