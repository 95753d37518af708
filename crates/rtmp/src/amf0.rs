//! AMF0, the encoding of commands and metadata ("Action Message Format – AMF 0", 2006).
//!
//! AMF3 values (marker `0x11`) are not read: no encoder sends them in what we need.

mod decode;
mod encode;

pub use decode::{Decoder, Limits};

/// Name and value pairs, in the order they came; a name may come twice.
pub type Properties = Vec<(String, Value)>;

/// One AMF0 value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `number-marker`, 2.2.
    Number(f64),
    /// `boolean-marker`, 2.3.
    Boolean(bool),
    /// `string-marker`, `long-string-marker` and `xml-document-marker`, 2.4, 2.14 and 2.17; what is not UTF-8 is
    /// replaced.
    String(String),
    /// `object-marker`, 2.5, and `typed-object-marker`, 2.18, without its class name.
    Object(Properties),
    /// `null-marker`, 2.7.
    Null,
    /// `undefined-marker`, 2.8, and `unsupported-marker`, 2.15.
    Undefined,
    /// `reference-marker`, 2.9: the index of an object that came earlier. Not followed.
    Reference(u16),
    /// `ecma-array-marker`, 2.10.
    EcmaArray(Properties),
    /// `strict-array-marker`, 2.12.
    StrictArray(Vec<Self>),
    /// `date-marker`, 2.13: milliseconds since the Unix epoch.
    Date(f64),
}

impl Value {
    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Names and values of an object or an associative array; empty for all else.
    pub fn properties(&self) -> &[(String, Self)] {
        match self {
            Self::Object(properties) | Self::EcmaArray(properties) => properties,
            _ => &[],
        }
    }

    /// The first property of that name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.properties().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// An object of the given properties.
    pub fn object<const N: usize>(properties: [(&str, Self); N]) -> Self {
        Self::Object(properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML_DOCUMENT: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
    pub(super) const AVMPLUS: u8 = 0x11;
}
