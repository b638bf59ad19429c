//! JSON within a string of JSON, escaped while it is written.

use std::io;

use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Writes JSON as it stands within a string of JSON.
///
/// So it need not be escaped afterwards, which took as long as writing it: a JSON text has a quotation mark every few bytes.
pub(super) struct Quoted<'a> {
    /// How many bytes the escaping has added.
    pub(super) added: &'a mut usize,
}

impl Quoted<'_> {
    fn quotation_mark<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        *self.added += 1;
        writer.write_all(br#"\""#)
    }
}

impl Formatter for Quoted<'_> {
    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.quotation_mark(writer)
    }

    fn end_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.quotation_mark(writer)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        // The longest is a control character's: \u0000.
        let mut once = io::Cursor::new([0; 6]);
        CompactFormatter.write_char_escape(&mut once, escape)?;
        let (mut twice, mut length) = ([0; 12], 0);
        for &byte in once.get_ref().iter().take_while(|&&byte| byte != 0) {
            if matches!(byte, b'"' | b'\\') {
                *self.added += 1;
                twice[length] = b'\\';
                length += 1;
            }
            twice[length] = byte;
            length += 1;
        }
        writer.write_all(&twice[..length])
    }
}
