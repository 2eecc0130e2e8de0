//! One way to print an error with its causes.

use std::error::Error;
use std::fmt::Write as _;

/// The message and those of its sources, joined by `: `.
///
/// A source that a message already quotes is not printed again: libraries disagree on whether
/// `Display` includes the source, and people should not have to read it twice.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        if !message.is_empty() && !text.contains(&message) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {message}");
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use thiserror::Error;

    #[derive(Debug, Error)]
    #[error("{message}")]
    struct Link {
        message: &'static str,
        source: Option<Box<Link>>,
    }

    fn link(messages: &[&'static str]) -> Link {
        let source = (messages.len() > 1).then(|| Box::new(link(&messages[1..])));
        Link { message: messages[0], source }
    }

    #[test]
    fn causes_follow_each_other_once() {
        assert_eq!(chain(&link(&["open a", "read b", "no disk"])), "open a: read b: no disk");
        assert_eq!(chain(&link(&["open a: no disk", "no disk"])), "open a: no disk");
        assert_eq!(chain(&link(&["open a", "", "no disk", "no disk"])), "open a: no disk");
    }
}
