//! A list that is sent again whenever it changes, across restarts of the hub.

use std::time::Duration;

use proto::v1;
use serde_json::Value;
use tonic::Streaming;

use super::call::{Hub, values};
use crate::failure::Failure;
use crate::show::Console;

/// The pause before the hub is asked again. One person watches: there is no crowd to spread.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Watch<'hub> {
    pub(crate) hub: &'hub mut Hub,
    request: v1::ListRequest,
    stream: Option<Streaming<v1::ListResponse>>,
    /// Whether a list has come at least once: only then is an answer that says "not now" worth
    /// waiting out. A connection that broke always is, since it was there.
    began: bool,
    /// Whether the present loss was already told.
    lost: bool,
}

impl<'hub> Watch<'hub> {
    pub(crate) fn new(hub: &'hub mut Hub, request: v1::ListRequest) -> Self {
        Self { hub, request, stream: None, began: false, lost: false }
    }

    /// The next list. A hub that goes away is waited for: that it is there was seen when it was
    /// connected to.
    pub(crate) async fn next(&mut self, console: &mut Console) -> Result<Vec<Value>, Failure> {
        loop {
            match self.attempt().await {
                Ok(Some(items)) => {
                    (self.began, self.lost) = (true, false);
                    return Ok(items);
                }
                Ok(None) => self.say_lost("the hub ended the stream", console),
                Err(failure) if failure.is_passing() && (self.began || failure.is_connection()) => {
                    self.say_lost(&runtime::error::chain(&failure), console);
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn attempt(&mut self) -> Result<Option<Vec<Value>>, Failure> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            // Without a deadline: a watch has no end.
            None => {
                let answer = self.hub.client.watch(self.request.clone()).await;
                self.stream.insert(self.hub.judge(answer)?)
            }
        };
        match stream.message().await {
            Ok(Some(list)) => values(&list.items).map(Some),
            Ok(None) => {
                self.stream = None;
                Ok(None)
            }
            Err(status) => {
                self.stream = None;
                Err(self.hub.failure(&status))
            }
        }
    }

    fn say_lost(&mut self, reason: &str, console: &mut Console) {
        if !self.lost {
            console.say(&format!("{reason}; trying again until it is back"));
        }
        self.lost = true;
    }
}
