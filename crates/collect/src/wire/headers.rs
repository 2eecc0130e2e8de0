//! The headers of an answer that mean something to us.

use std::time::Duration;

/// The most links that one `Link` header is read for.
pub const MAX_LINKS: usize = 16;

/// The longest wait that a header can ask for; a longer one is a mistake.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// Smaller numbers are seconds from now, larger ones seconds since 1970.
const EPOCH_FROM: u64 = 1_000_000_000;

/// The headers that paging, caching and rate limits go by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    pub content_type: String,
    /// The address behind `rel="next"` of `Link`.
    pub next_link: Option<String>,
    /// There was a `Link` header with at least one relation of pages.
    pub has_links: bool,
    /// `X-Next-Page`: `Some(None)` when it was there and empty, which is the last page.
    pub next_page: Option<Option<u64>>,
    /// `X-Total` or `X-Total-Count`.
    pub total: Option<u64>,
    /// `X-MS-ContinuationToken`.
    pub continuation: Option<String>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// GitHub leaves out what an organisation's single sign-on hides, and says so only here.
    pub withheld: bool,
    pub location: Option<String>,
    /// How many requests are left until `reset`.
    pub remaining: Option<u64>,
    reset: Option<u64>,
    retry_after: Option<String>,
    delay_ms: Option<u64>,
}

impl Headers {
    /// Reads names and values; names in any case. Of two headers of one name the first counts.
    pub fn read<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            found.note(&name.to_ascii_lowercase(), value.trim());
        }
        found
    }

    fn note(&mut self, name: &str, value: &str) {
        match name {
            "content-type" if self.content_type.is_empty() => {
                value.clone_into(&mut self.content_type);
            }
            "link" => self.note_links(value),
            "x-next-page" if self.next_page.is_none() => {
                self.next_page = match value {
                    "" => Some(None),
                    number => number.parse().ok().map(Some),
                };
            }
            "x-total" | "x-total-count" => self.total = self.total.or(value.parse().ok()),
            "x-ms-continuationtoken" if !value.is_empty() => keep(&mut self.continuation, value),
            "etag" => keep(&mut self.etag, value),
            "last-modified" => keep(&mut self.last_modified, value),
            "x-github-sso" => self.withheld |= value.contains("partial-results"),
            "location" => keep(&mut self.location, value),
            "x-ratelimit-remaining" | "ratelimit-remaining" => {
                self.remaining = self.remaining.or(value.parse().ok());
            }
            "x-ratelimit-reset" | "ratelimit-reset" => {
                self.reset = self.reset.or(value.parse().ok());
            }
            "retry-after" => keep(&mut self.retry_after, value),
            "x-ratelimit-delay" => self.delay_ms = self.delay_ms.or(milliseconds(value)),
            _ => {}
        }
    }

    fn note_links(&mut self, value: &str) {
        for link in value.split(',').take(MAX_LINKS) {
            let mut parts = link.split(';');
            let target = parts.next().unwrap_or_default().trim();
            let Some(target) = target.strip_prefix('<').and_then(|text| text.strip_suffix('>'))
            else {
                continue;
            };
            let relation = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                (name.trim() == "rel").then(|| value.trim().trim_matches('"'))
            });
            match relation {
                Some("next") => {
                    self.has_links = true;
                    keep(&mut self.next_link, target);
                }
                Some("prev" | "first" | "last") => self.has_links = true,
                _ => {}
            }
        }
    }

    /// How long the service wants to be left alone after this answer.
    #[must_use]
    pub fn pause(&self, wall_ms: i64) -> Option<Duration> {
        let asked = self.retry_after.as_deref().and_then(|text| retry_after(text, wall_ms));
        let spent = (self.remaining == Some(0)).then(|| self.until_reset(wall_ms)).flatten();
        let delay = self.delay_ms.map(Duration::from_millis);
        let longest = [asked, spent, delay].into_iter().flatten().max()?;
        (!longest.is_zero()).then(|| longest.min(MAX_WAIT))
    }

    fn until_reset(&self, wall_ms: i64) -> Option<Duration> {
        let reset = self.reset?;
        if reset < EPOCH_FROM {
            return Some(Duration::from_secs(reset));
        }
        let now = u64::try_from(wall_ms).unwrap_or_default();
        // The number is in whole seconds, rounded down: one more, so that it has passed.
        Some(Duration::from_millis(
            reset.saturating_add(1).saturating_mul(1_000).saturating_sub(now),
        ))
    }
}

fn keep(place: &mut Option<String>, value: &str) {
    place.get_or_insert_with(|| value.to_owned());
}

fn retry_after(text: &str, wall_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(u64::try_from(date.saturating_sub(wall_ms)).unwrap_or_default()))
}

/// A number of seconds with a fraction.
fn milliseconds(text: &str) -> Option<u64> {
    let seconds: f64 = text.parse().ok()?;
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(duration.as_millis()).ok()
}
