//! Process plumbing without a domain word: supervise, shutdown, clock, backoff, tls, telemetry
