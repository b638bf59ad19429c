//! The key of a request: method and name, as Locust's statistics group requests.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::stable_hash::stable_hash;

/// Maximum length of a name or method. Longer ones are cut, so that the size of a summary is bounded.
const MAX_BYTES: usize = 512;

/// Method and name of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct RequestKey {
    method: SmolStr,
    name: SmolStr,
}

#[derive(Deserialize)]
struct Stored {
    method: SmolStr,
    name: SmolStr,
}

impl From<Stored> for RequestKey {
    fn from(Stored { method, name }: Stored) -> Self {
        Self::new(method, name)
    }
}

impl RequestKey {
    /// The key of a request. Texts of more than 512 bytes are cut, and end with `~` and a hash of the whole text.
    pub fn new(method: impl Into<SmolStr>, name: impl Into<SmolStr>) -> Self {
        let [method, name] = [method.into(), name.into()].map(|text| match fitted(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(cut) => cut.into(),
        });
        Self { method, name }
    }

    /// Locust's `request_type`, such as `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Locust's name of the request.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Method and name as they are stored.
    #[cfg(test)]
    pub(crate) const fn texts(&self) -> [&SmolStr; 2] {
        [&self.method, &self.name]
    }

    /// Whether a text is the name, or the method and the name with a space between them.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        *self.name == *fitted(text) || self.is(text)
    }

    /// Whether a text is the method and the name with a space between them.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let name = text.strip_prefix(self.method()).and_then(|rest| rest.strip_prefix(' '));
        name.is_some_and(|name| *self.name == *fitted(name))
    }
}

/// Method and name, as Locust lists requests.
impl fmt::Display for RequestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.name)
    }
}

fn fitted(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_BYTES {
        return text.into();
    }
    let ending = format!("~{:016x}", stable_hash(&[text]));
    let cut = &text[..text.floor_char_boundary(MAX_BYTES - ending.len())];
    format!("{cut}{ending}").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_of_any_texts_is_bounded_and_matches_them(method in "\\PC{0,20}", name in "\\PC{0,20}", times in 0..200usize) {
            let name = name.repeat(times);
            let key = RequestKey::new(method.clone(), name.clone());
            prop_assert!(key.name().len() <= MAX_BYTES);
            let text = format!("{method} {name}");
            prop_assert!(key.matches(&name) && key.matches(&text) && key.is(&text));
            prop_assert_eq!(&RequestKey::new(key.method(), key.name()), &key);
            let json = serde_json::to_string(&key).expect("plain data");
            prop_assert_eq!(serde_json::from_str::<RequestKey>(&json).expect("just written"), key);
        }
    }

    #[test]
    fn long_names_that_differ_only_at_the_end_have_different_keys() {
        let [one, other] = ["a", "b"].map(|end| RequestKey::new("GET", "x".repeat(1000) + end));
        assert_ne!(one, other);
        assert!(!one.matches(&("x".repeat(1000) + "b")));
    }

    #[test]
    fn the_method_may_be_omitted_and_another_one_does_not_match() {
        let key = RequestKey::new("POST", "/checkout");
        assert!(key.matches("/checkout") && key.matches("POST /checkout") && !key.is("/checkout"));
        assert!(
            !["GET /checkout", "POST  /checkout", "POST/checkout", "checkout", ""].iter().any(|text| key.matches(text))
        );
        assert_eq!(key.to_string(), "POST /checkout");
    }
}
