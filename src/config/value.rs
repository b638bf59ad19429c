//! Deserializes option values of any type from a program. Errors name the option and the type that it needs.

use std::fmt;
use std::vec;

use serde::Deserialize;
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::options::{InvalidOption, Problem};

/// A value of any type.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each is a type of Python")]
pub enum OptionValue {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<OptionValue>),
    /// A value that no option accepts, as Python's `repr`.
    #[serde(skip)]
    Other(String),
}

/// Formats the value as Python's `repr` does, for messages.
impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{}'", text.escape_debug()),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Self::Other(repr) => f.write_str(repr),
        }
    }
}

impl OptionValue {
    fn must_be(&self, expected: &str) -> InvalidOption {
        de::Error::custom(format_args!("must be {expected}, not {self}"))
    }
}

/// [`OptionValues`] adds the name of the option to each error.
impl de::Error for InvalidOption {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self { option: String::new(), problem: Problem::Other(problem.to_string()) }
    }

    fn unknown_field(field: &str, _known: &'static [&'static str]) -> Self {
        Self { option: field.to_owned(), problem: Problem::Unknown }
    }
}

impl IntoDeserializer<'_, InvalidOption> for OptionValue {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for OptionValue {
    type Error = InvalidOption;

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        match self {
            Self::Bool(value) => visitor.visit_bool(value),
            other => Err(other.must_be("a Boolean")),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        match self {
            Self::Int(number) => visitor.visit_i64(number),
            other => Err(other.must_be("a whole number")),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "options are far below 2^53")]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        match self {
            Self::Int(number) => visitor.visit_f64(number as f64),
            Self::Float(number) => visitor.visit_f64(number),
            other => Err(other.must_be("a number")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        match self {
            Self::Text(text) => visitor.visit_string(text),
            other => Err(other.must_be("text")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        match self {
            Self::None => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        match self {
            Self::List(values) => visitor.visit_seq(SeqDeserializer::new(values.into_iter())),
            other => Err(other.must_be("a list of text")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        choices: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidOption> {
        match self {
            Self::Text(text) if choices.contains(&text.as_str()) => visitor.visit_enum(StrDeserializer::new(&text)),
            other => {
                let problem = Problem::NotAChoice { choices, given: other.to_string() };
                Err(InvalidOption { option: String::new(), problem })
            }
        }
    }

    /// No option has a type other than those above.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        self.deserialize_string(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char str bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct
        map struct identifier ignored_any
    }
}

/// Values by the names of their options.
pub(super) struct OptionValues {
    rest: vec::IntoIter<(String, OptionValue)>,
    next: Option<(String, OptionValue)>,
}

impl OptionValues {
    pub(super) fn new(values: impl IntoIterator<Item = (String, OptionValue)>) -> Self {
        Self { rest: values.into_iter().collect::<Vec<_>>().into_iter(), next: None }
    }
}

impl<'de> MapAccess<'de> for OptionValues {
    type Error = InvalidOption;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, InvalidOption> {
        self.next = self.rest.next();
        self.next.as_ref().map(|(option, _)| seed.deserialize(StrDeserializer::new(option))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, InvalidOption> {
        let (option, value) = self.next.take().unwrap_or((String::new(), OptionValue::None));
        seed.deserialize(value).map_err(|InvalidOption { problem, .. }| InvalidOption { option, problem })
    }
}

impl<'de> Deserializer<'de> for OptionValues {
    type Error = InvalidOption;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidOption> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
