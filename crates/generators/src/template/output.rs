//! Where a template writes: bounded, so that no template fills the memory or runs for ever.

use handlebars::Output;

/// The most bytes all strings of one application may have together. A larger one would not pass
/// through a session or into a Secret either.
const MAX_BYTES: usize = 1 << 20;
/// The most pieces written for one application; each turn of a loop counts as one at least.
const MAX_STEPS: usize = 100_000;

/// What is left to write for one application.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    steps: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: MAX_BYTES, steps: MAX_STEPS }
    }
}

impl Budget {
    /// Takes one step and this many bytes, or says which limit is met.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| {
            format!(
                "the templates of one application take at most {MAX_STEPS} steps; loop over less"
            )
        })?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            format!("the templates of one application give at most {MAX_BYTES} bytes; keep large text in the repository")
        })?;
        Ok(())
    }
}

/// The text of one template, charged to the budget of its application.
pub(super) struct BoundedOutput<'a> {
    text: String,
    budget: &'a mut Budget,
}

impl<'a> BoundedOutput<'a> {
    pub(super) fn new(budget: &'a mut Budget) -> Self {
        Self { text: String::new(), budget }
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}

impl Output for BoundedOutput<'_> {
    fn write(&mut self, piece: &str) -> Result<(), std::io::Error> {
        self.budget.spend(piece.len()).map_err(std::io::Error::other)?;
        self.text.push_str(piece);
        Ok(())
    }
}
