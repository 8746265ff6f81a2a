//! Bytes from a socket, cut into bounded lines or netstrings.

use memchr::memchr;
use zeroize::Zeroize;

use super::ProtocolError;

/// What is kept of a line that is too long: enough to know which request it was, and from where.
const KEPT: usize = 512;
/// How much of one line is skipped before the peer is given up.
const MAX_SKIPPED: usize = 8 << 20;

/// How requests are told from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A LF ends each.
    Lines,
    /// Its length comes first: `5:hello,`.
    Netstrings,
}

/// One line without its LF, or what a netstring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The whole line.
    Whole(&'a [u8]),
    /// The beginning of a line that exceeds the bound. The rest was dropped.
    TooLong(&'a [u8]),
}

/// Collects bytes until a line is complete.
///
/// A line may have `max` bytes. A longer one is skipped to its end and handed over as its first bytes, so that
/// a request too large gets a reply instead of ending the connection for all others on it.
#[derive(Debug)]
pub struct LineBuffer {
    /// What has come in, and behind it zeros for what will.
    bytes: Vec<u8>,
    /// Where the unread part begins.
    start: usize,
    /// Where it ends.
    end: usize,
    max: usize,
    /// How much of the current line was dropped; the kept part then stands at `start`.
    skipped: usize,
}

impl LineBuffer {
    /// A buffer for lines of at most `max` bytes, LF not counted.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, max, skipped: 0 }
    }

    /// Room for `length` more bytes, to be read into; then [`filled`](Self::filled) says how many those were.
    pub fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.end + length;
        if self.bytes.len() < end {
            self.grow(end);
        }
        &mut self.bytes[self.end..end]
    }

    /// So many bytes were read into the room.
    pub fn filled(&mut self, length: usize) {
        self.end = self.bytes.len().min(self.end + length);
    }

    /// Adds bytes that stand elsewhere.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// A vector that grows by itself would leave passwords behind in the memory that it gives back.
    fn grow(&mut self, length: usize) {
        let mut larger = Vec::with_capacity(length);
        larger.extend_from_slice(&self.bytes[..self.end]);
        larger.resize(length, 0);
        self.bytes[..self.end].zeroize();
        self.bytes = larger;
    }

    /// The next complete line, if there is one.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        let unread = &self.bytes[self.start..self.end];
        let Some(length) = memchr(b'\n', unread) else {
            self.skip_excess();
            return None;
        };
        let line_start = self.start;
        self.start += length + 1;
        let line = &self.bytes[line_start..line_start + length];
        if std::mem::take(&mut self.skipped) > 0 || length > self.max {
            return Some(Line::TooLong(&line[..length.min(KEPT)]));
        }
        Some(Line::Whole(line))
    }

    /// The next complete request, if there is one.
    ///
    /// # Errors
    /// [`ProtocolError::Netstring`]: where a netstring should begin or end there is something else, or it is longer
    /// than the bound. Lines have no such faults.
    #[inline]
    pub fn next_request(&mut self, framing: Framing) -> Result<Option<Line<'_>>, ProtocolError> {
        match framing {
            Framing::Lines => Ok(self.next_line()),
            Framing::Netstrings => self.next_netstring(),
        }
    }

    fn next_netstring(&mut self) -> Result<Option<Line<'_>>, ProtocolError> {
        let unread = &self.bytes[self.start..self.end];
        let Some((length, digits)) = read_length(unread, self.max)? else { return Ok(None) };
        let begin = self.start + digits + 1;
        let end = begin + length;
        if end >= self.end {
            return Ok(None);
        }
        if self.bytes[end] != b',' {
            return Err(ProtocolError::Netstring);
        }
        self.start = end + 1;
        Ok(Some(Line::Whole(&self.bytes[begin..end])))
    }

    /// Forgets the lines that were handed out; they may hold passwords, so they are wiped.
    pub fn wipe_read(&mut self) {
        let left = self.end - self.start;
        self.bytes.copy_within(self.start..self.end, 0);
        self.bytes[left..self.end].zeroize();
        (self.start, self.end) = (0, left);
    }

    /// Whether the peer has sent a line beyond all bounds.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.skipped > MAX_SKIPPED
    }

    /// Whether no part of a line is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    fn skip_excess(&mut self) {
        let length = self.end - self.start;
        if length > self.max || (self.skipped > 0 && length > KEPT) {
            let kept_end = self.start + KEPT.min(length);
            self.skipped += self.end - kept_end;
            self.bytes[kept_end..self.end].zeroize();
            self.end = kept_end;
        }
    }
}

impl Drop for LineBuffer {
    fn drop(&mut self) {
        self.bytes[..self.end].zeroize();
    }
}

/// The length that a netstring begins with, and how many digits it has. `None`: the colon has not come yet.
fn read_length(unread: &[u8], max: usize) -> Result<Option<(usize, usize)>, ProtocolError> {
    let mut length = 0;
    for (digits, &byte) in unread.iter().enumerate() {
        match byte {
            b':' if digits > 0 => return Ok(Some((length, digits))),
            // A zero stands alone.
            b'0'..=b'9' if digits == 0 || length > 0 => length = 10 * length + usize::from(byte - b'0'),
            _ => return Err(ProtocolError::Netstring),
        }
        if length > max {
            return Err(ProtocolError::Netstring);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_lines(buffer: &mut LineBuffer) -> Vec<(bool, Vec<u8>)> {
        let mut lines = Vec::new();
        while let Some(line) = buffer.next_line() {
            lines.push(match line {
                Line::Whole(line) => (true, line.to_vec()),
                Line::TooLong(line) => (false, line.to_vec()),
            });
        }
        buffer.wipe_read();
        lines
    }

    #[test]
    fn a_line_too_long_is_handed_over_as_its_beginning() {
        let mut buffer = LineBuffer::new(1000);
        buffer.extend(b"AUTH\t7\tPLAIN\t");
        buffer.extend(&[b'x'; 5000]);
        assert_eq!(all_lines(&mut buffer), []);
        buffer.extend(&[b'x'; 5000]);
        assert_eq!(all_lines(&mut buffer), []);
        assert!(buffer.end <= KEPT && buffer.bytes[buffer.end..].iter().all(|&byte| byte == 0));
        buffer.extend(b"x\nAUTH\t8\n");
        let lines = all_lines(&mut buffer);
        assert_eq!(lines.len(), 2);
        assert!(!lines[0].0 && lines[0].1.starts_with(b"AUTH\t7\tPLAIN\t"));
        assert_eq!(lines[1], (true, b"AUTH\t8".to_vec()));
    }

    #[test]
    fn a_line_of_exactly_the_bound_is_whole() {
        let mut buffer = LineBuffer::new(5);
        buffer.extend(b"12345\n123456\n");
        assert_eq!(all_lines(&mut buffer), [(true, b"12345".to_vec()), (false, b"123456".to_vec())]);
    }

    #[test]
    fn a_line_that_never_ends_is_noticed() {
        let mut buffer = LineBuffer::new(1000);
        for _ in 0..9 {
            buffer.extend(&vec![b'x'; 1 << 20]);
            assert_eq!(all_lines(&mut buffer), []);
        }
        assert!(buffer.is_endless());
    }

    proptest! {
        #[test]
        fn cuts_between_reads_do_not_matter(text in "[a-c\n]{0,300}", cut in 1_usize..50) {
            let mut whole = LineBuffer::new(80);
            whole.extend(text.as_bytes());
            let mut pieces = LineBuffer::new(80);
            let mut lines = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                pieces.extend(piece);
                lines.extend(all_lines(&mut pieces));
            }
            prop_assert_eq!(all_lines(&mut whole), lines);
        }
    }
}
