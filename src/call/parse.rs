//! The text of a signature.
//!
//! ```text
//! signature   type "(" [ "void" | type { "," type } ] ")"        spaces between any two words and signs
//! type        i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 ptr; void as a result
//! ```

use crate::pool::{Error, Status};
use std::fmt::Display;

/// The type of an argument or a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    Pointer,
    Void,
}

/// Their names, and how many bytes each has.
const TYPES: [(&str, Type, usize); 12] = [
    ("i8", Type::I8, 1),
    ("i16", Type::I16, 2),
    ("i32", Type::I32, 4),
    ("i64", Type::I64, 8),
    ("u8", Type::U8, 1),
    ("u16", Type::U16, 2),
    ("u32", Type::U32, 4),
    ("u64", Type::U64, 8),
    ("f32", Type::F32, 4),
    ("f64", Type::F64, 8),
    ("ptr", Type::Pointer, size_of::<*const u8>()),
    ("void", Type::Void, 0),
];

impl Type {
    /// Bytes of a value.
    pub(super) fn size(self) -> usize {
        TYPES.iter().find(|row| row.1 == self).expect("every type is in the table").2
    }

    pub(super) fn is_floating(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// C promises that a function may have so many arguments (C99, 5.2.4.1).
pub(super) const MOST_ARGUMENTS: usize = 127;

/// Result and arguments.
pub(super) fn parse(text: &[u8]) -> Result<(Type, Vec<Type>), Error> {
    let mut cursor = Cursor { text, at: 0 };
    let result = cursor.named_type()?;
    cursor.expect(b'(')?;
    let arguments = cursor.arguments()?;
    match cursor.next() {
        None => Ok((result, arguments)),
        Some(_) => Err(cursor.wrong(format!("{} after the closing bracket", cursor.seen()))),
    }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// The next byte that is no space, which is not taken.
    fn next(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn word(&self) -> &[u8] {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        &rest[..rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len())]
    }

    /// What stands here, for a message.
    fn seen(&self) -> String {
        const MOST: usize = 24;
        let rest = &self.text[self.at..];
        let shown = match self.word() {
            [] if rest.is_empty() => return "the end".to_owned(),
            [] => String::from_utf8_lossy(rest).chars().take(1).collect(),
            word => String::from_utf8_lossy(&word[..word.len().min(MOST)]).into_owned(),
        };
        format!("\"{}\"", shown.escape_debug())
    }

    #[cold]
    fn wrong(&self, what: impl Display) -> Error {
        Error::new(Status::Invalid, format!("signature, character {}: {what}", self.at + 1))
    }

    fn expect(&mut self, sign: u8) -> Result<(), Error> {
        if self.next() != Some(sign) {
            let hint = if self.next() == Some(b'*') { "; pointers of any kind are ptr" } else { "" };
            let sign = char::from(sign);
            return Err(self.wrong(format!("{} where '{sign}' should be{hint}", self.seen())));
        }
        self.at += 1;
        Ok(())
    }

    fn named_type(&mut self) -> Result<Type, Error> {
        self.next();
        if self.text[self.at..].starts_with(b"...") {
            return Err(
                self.wrong("functions of variable arguments (...) can't be called; wrap it in another one")
            );
        }
        let word = self.word();
        match TYPES.iter().find(|row| row.0.as_bytes() == word) {
            Some(row) => {
                self.at += row.0.len();
                Ok(row.1)
            }
            None if word.is_empty() => Err(self.wrong(format!("{} where a type should be", self.seen()))),
            None => {
                let names = TYPES.map(|row| row.0).join(" ");
                Err(self.wrong(format!("{} is no type; there are {names}", self.seen())))
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Type>, Error> {
        let mut arguments = Vec::new();
        if self.next() == Some(b')') {
            self.at += 1;
            return Ok(arguments);
        }
        loop {
            self.next();
            let start = self.at;
            let argument = self.named_type()?;
            if argument == Type::Void {
                if arguments.is_empty() && self.next() == Some(b')') {
                    break;
                }
                self.at = start;
                return Err(self.wrong("an argument can't be void"));
            }
            if arguments.len() == MOST_ARGUMENTS {
                self.at = start;
                return Err(self.wrong(format!("more than {MOST_ARGUMENTS} arguments")));
            }
            arguments.push(argument);
            if self.next() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.expect(b')')?;
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let error = parse(text.as_bytes()).expect_err(text);
        assert_eq!(error.status, Status::Invalid);
        error.message.expect("says what is wrong").into_owned()
    }

    #[test]
    fn every_type_is_known_as_result_and_as_argument() {
        for (name, it, size) in TYPES {
            assert_eq!(parse(format!("{name}()").as_bytes()), Ok((it, vec![])));
            assert_eq!(it.size(), size);
            if it != Type::Void {
                let both = parse(format!("{name}({name},{name})").as_bytes());
                assert_eq!(both, Ok((it, vec![it, it])));
            }
        }
    }

    #[test]
    fn spaces_and_void_change_nothing() {
        let expected = Ok((Type::F64, vec![Type::F64, Type::I32, Type::Pointer]));
        assert_eq!(parse(b"f64(f64,i32,ptr)"), expected);
        assert_eq!(parse(b" f64 (\tf64 , i32,\n ptr ) "), expected);
        for text in ["i32()", "i32(void)", " i32 ( void ) ", "i32( )"] {
            assert_eq!(parse(text.as_bytes()), Ok((Type::I32, vec![])), "{text}");
        }
    }

    #[test]
    fn a_message_says_what_is_wrong_and_where() {
        for (text, expected) in [
            ("", "character 1: the end where a type should be"),
            ("f64", "character 4: the end where '(' should be"),
            ("f64(f64,)", "character 9: \")\" where a type should be"),
            ("f64(,f64)", "character 5: \",\" where a type should be"),
            ("f64(f64", "character 8: the end where ')' should be"),
            ("f64(f64 f64)", "character 9: \"f64\" where ')' should be"),
            ("f64(f64) x", "character 10: \"x\" after the closing bracket"),
            ("f64(f64))", "character 9: \")\" after the closing bracket"),
            ("void*(i32)", "character 5: \"*\" where '(' should be; pointers of any kind are ptr"),
            ("i32(void, i32)", "character 5: an argument can't be void"),
            ("i32(i32, void)", "character 10: an argument can't be void"),
            ("F64()", "character 1: \"F64\" is no type; there are i8 "),
            ("i32(int)", "character 5: \"int\" is no type; there are i8 "),
            ("i32(\u{e9})", "character 5: \"\u{e9}\" where a type should be"),
            ("i32(ptr, ...)", "character 10: functions of variable arguments (...) can't be called"),
        ] {
            let message = message(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn as_many_arguments_as_c_promises_and_no_more() {
        let with = |count: usize| format!("i8({})", vec!["u8"; count].join(","));
        assert_eq!(parse(with(MOST_ARGUMENTS).as_bytes()).map(|it| it.1.len()), Ok(MOST_ARGUMENTS));
        assert!(message(&with(MOST_ARGUMENTS + 1)).contains("more than 127 arguments"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_a_message_that_is() {
        assert!(parse(b"f64(\xff\xfe\0)").is_err());
        assert!(parse(&[b'a'; 10_000]).expect_err("no type").message.expect("text").len() < 200);
    }
}
