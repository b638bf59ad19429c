//! A mark on its way from a user to the log and the summary.

use crate::sample::{LifeCycleEvent, Scalar};
use crate::summary::Mark;

/// A moment of the test that a user has named.
#[derive(Debug, Clone, PartialEq)]
pub struct UserMark {
    /// The mark.
    pub mark: Mark,
    /// Users in this process at that time.
    pub users: u32,
}

impl From<&UserMark> for LifeCycleEvent {
    fn from(UserMark { mark, users }: &UserMark) -> Self {
        let text = Scalar::Text(mark.text().to_owned());
        Self { time: mark.time(), name: "mark".to_owned(), fields: vec![("text".to_owned(), text)], users: *users }
    }
}
