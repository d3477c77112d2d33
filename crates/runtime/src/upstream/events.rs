//! Server-sent events, taken apart as they come: of each, the data.

use std::collections::VecDeque;

use super::{ExchangeFault, MESSAGE_BYTES_MAX};

/// Longest line of an event: its data, and the name of the field.
const LINE_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 16;

/// What has come of a stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    /// The last byte was the first half of a line end.
    returned: bool,
    data: Vec<u8>,
    has_data: bool,
    whole: VecDeque<Vec<u8>>,
}

impl Events {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), ExchangeFault> {
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), text)) => (text, Some(*end)),
                _ => (piece, None),
            };
            let second_half = std::mem::take(&mut self.returned) && end == Some(b'\n') && text.is_empty();
            if second_half {
                continue;
            }
            if self.line.len().saturating_add(text.len()) > LINE_BYTES_MAX {
                return Err(ExchangeFault::TooLong);
            }
            self.line.extend_from_slice(text);
            if end.is_some() {
                self.returned = end == Some(b'\r');
                let line = std::mem::take(&mut self.line);
                self.ended(&line)?;
            }
        }
        Ok(())
    }

    fn ended(&mut self, line: &[u8]) -> Result<(), ExchangeFault> {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            // One without data, or with empty ones, says where it stands in the stream and nothing else.
            if std::mem::take(&mut self.has_data) && !data.is_empty() {
                self.whole.push_back(data);
            }
            return Ok(());
        }
        let Some(value) = line.strip_prefix(b"data:") else { return Ok(()) };
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        if self.data.len() > MESSAGE_BYTES_MAX { Err(ExchangeFault::TooLong) } else { Ok(()) }
    }

    /// The data of the next event that is whole.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.whole.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], step: usize) -> Vec<String> {
        let mut events = Events::default();
        text.chunks(step).for_each(|piece| events.push(piece).unwrap());
        std::iter::from_fn(|| events.next()).map(|data| String::from_utf8(data).unwrap()).collect()
    }

    #[test]
    fn events_are_the_same_however_they_come() {
        let text = b": hello\r\nid: 1\r\ndata:\r\n\r\nevent: message\ndata: {\"a\":\ndata: 1}\n\ndata:b\r\rdata: cut";
        for step in 1..text.len() {
            assert_eq!(all(text, step), ["{\"a\":\n1}", "b"], "{step}");
        }
    }

    #[test]
    fn a_message_is_so_long_and_no_longer() {
        let of = |length: usize| [b"data: ".to_vec(), vec![b'x'; length], b"\n\n".to_vec()].concat();
        let mut events = Events::default();
        events.push(&of(MESSAGE_BYTES_MAX)).unwrap();
        assert_eq!(events.next().map(|data| data.len()), Some(MESSAGE_BYTES_MAX));
        assert!(matches!(Events::default().push(&of(MESSAGE_BYTES_MAX + 1)), Err(ExchangeFault::TooLong)));
        assert!(matches!(
            Events::default().push(&vec![b'x'; 2 * LINE_BYTES_MAX]),
            Err(ExchangeFault::TooLong)
        ));
    }
}
