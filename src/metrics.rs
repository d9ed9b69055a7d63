//! What the server counts about itself, for Prometheus.
//!
//! Promises: a counter on the path of an event is one atomic addition; every label comes from a fixed set or from the
//! configuration, never from a client. This is the one place besides the server that reads the monotonic clock: it
//! measures, and decides nothing.

use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::issue::Reason;
use crate::outcome::{Outcome, RejectReason};
use crate::time::Time;

/// The counters, and the registry that writes them.
pub(crate) struct Metrics {
    registry: Registry,
    alerted: Counter,
    suppressed: [Counter; Reason::ALL.len()],
    rejected: [Counter; RejectReason::ALL.len()],
    /// Secrets and personal data replaced by a mark.
    pub(crate) scrubbed: Counter,
    /// Windows whose end was told or had nothing to tell.
    pub(crate) windows_ended: Counter,
    /// Events that wait for the archive.
    pub(crate) queued_events: Gauge,
    /// Deliveries that wait or are being tried.
    pub(crate) deliveries_pending: Gauge,
    /// Deliveries that were given up.
    pub(crate) deliveries_dead: Gauge,
    /// Whether the cache is asked: 1, or 0 while it rests.
    pub(crate) cache_up: Gauge,
    /// Whether the archive is asked to decide: 1, or 0 while it is left alone.
    pub(crate) archive_up: Gauge,
    /// Alerts granted while the archive was away, and not recorded yet.
    pub(crate) alerts_unrecorded: Gauge,
    /// Occurrences counted by the archive that the cache may have counted as well: its answer was lost.
    pub(crate) cache_in_doubt: Counter,
    /// Totals that this pod was told by the cache and that are not known to be written back.
    pub(crate) write_back_pending: Gauge,
    reloads: Family<ResultLabel, Counter>,
    config_loaded: Gauge,
    canaries: Family<ResultLabel, Counter>,
    canary_arrived: Gauge,
    canary_stopped: Gauge,
    heartbeats: Family<ResultLabel, Counter>,
    cache: Family<OperationLabel, Histogram>,
    ignored: Family<KindLabel, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    edits: Family<AttemptLabels, Counter>,
    archive: Family<OperationLabel, Histogram>,
    sends: Family<ChannelLabel, Histogram>,
    template_failures: Family<ChannelLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabel {
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    channel: String,
    result: &'static str,
}

impl Metrics {
    /// All counters at zero.
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("bongsu");
        let outcomes = Family::<OutcomeLabels, Counter>::default();
        let counter = |outcome, reason| outcomes.get_or_create_owned(&OutcomeLabels { outcome, reason });
        let alerted = counter("alerted", "");
        let suppressed = Reason::ALL.map(|reason| counter("suppressed", reason.name()));
        let rejected = RejectReason::ALL.map(|reason| counter("rejected", reason.name()));
        let metrics = Metrics {
            alerted,
            suppressed,
            rejected,
            scrubbed: Counter::default(),
            windows_ended: Counter::default(),
            queued_events: Gauge::default(),
            deliveries_pending: Gauge::default(),
            deliveries_dead: Gauge::default(),
            cache_up: Gauge::default(),
            archive_up: Gauge::default(),
            alerts_unrecorded: Gauge::default(),
            cache_in_doubt: Counter::default(),
            write_back_pending: Gauge::default(),
            reloads: Family::default(),
            config_loaded: Gauge::default(),
            canaries: Family::default(),
            canary_arrived: Gauge::default(),
            canary_stopped: Gauge::default(),
            heartbeats: Family::default(),
            // 20 µs to 1.3 s.
            cache: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_02, 2.0, 17))),
            ignored: Family::default(),
            attempts: Family::default(),
            edits: Family::default(),
            // 50 µs to 3.3 s.
            archive: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_05, 2.0, 17))),
            // 1 ms to 16 s.
            sends: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 15))),
            template_failures: Family::default(),
            registry: Registry::default(),
        };
        registry.register("events", "Events by what became of them", outcomes);
        metrics.register(&mut registry);
        metrics.archive_up.set(1);
        Metrics { registry, ..metrics }
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("build", "Version of this server", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("scrubbed", "Secrets and personal data replaced by a mark", self.scrubbed.clone());
        registry.register("windows_ended", "Windows that ended", self.windows_ended.clone());
        registry.register("ignored_items", "Sentry envelope items that are no error events", self.ignored.clone());
        registry.register("queued_events", "Events waiting for the archive", self.queued_events.clone());
        registry.register("deliveries_pending", "Deliveries waiting or being tried", self.deliveries_pending.clone());
        registry.register("deliveries_dead", "Deliveries given up (dead letters)", self.deliveries_dead.clone());
        registry.register("delivery_attempts", "Attempts to deliver by channel and result", self.attempts.clone());
        registry.register("edits", "Attempts to edit a message by channel and result", self.edits.clone());
        registry.register("cache_up", "Whether the cache is asked, or rests", self.cache_up.clone());
        registry.register("archive_up", "Whether the archive is asked, or left alone", self.archive_up.clone());
        registry.register(
            "alerts_unrecorded",
            "Alerts granted while the archive was away, and not recorded yet",
            self.alerts_unrecorded.clone(),
        );
        registry.register(
            "cache_in_doubt",
            "Occurrences counted by the archive that the cache may have counted as well",
            self.cache_in_doubt.clone(),
        );
        registry.register(
            "write_back_pending",
            "Totals of the cache not known to be in the archive",
            self.write_back_pending.clone(),
        );
        registry.register("config_reloads", "Configurations read again while running", self.reloads.clone());
        registry.register(
            "config_last_success_timestamp_seconds",
            "When the configuration in force was read",
            self.config_loaded.clone(),
        );
        let failures = self.template_failures.clone();
        registry.register("template_failures", "Messages sent plain because their template failed", failures);
        registry.register("canaries", "Errors that bongsu sent itself", self.canaries.clone());
        registry.register(
            "canary_last_arrival_timestamp_seconds",
            "When an error that bongsu sent itself arrived last",
            self.canary_arrived.clone(),
        );
        registry.register(
            "canary_stopped",
            "Whether the last error that bongsu sent itself did not arrive",
            self.canary_stopped.clone(),
        );
        registry.register("heartbeats", "Requests of watch.heartbeat", self.heartbeats.clone());
        registry.register_with_unit("cache", "Cache operations", Unit::Seconds, self.cache.clone());
        registry.register_with_unit("archive", "Archive operations", Unit::Seconds, self.archive.clone());
        registry.register_with_unit("delivery", "Requests to channels", Unit::Seconds, self.sends.clone());
    }

    /// Counts what became of an event.
    pub(crate) fn count(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Alerted { .. } => self.alerted.inc(),
            Outcome::Suppressed { reason, .. } => self.suppressed[*reason as usize].inc(),
            Outcome::Rejected(reject) => self.rejected[reject.reason as usize].inc(),
        };
    }

    /// Counts a request that was turned away before its events were known.
    pub(crate) fn count_refused(&self, reason: RejectReason) {
        self.rejected[reason as usize].inc();
    }

    /// Counts an envelope item that is no error event. `kind` must come from a fixed set.
    pub(crate) fn count_ignored(&self, kind: &'static str) {
        self.ignored.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts an attempt to deliver.
    pub(crate) fn count_attempt(&self, channel: &str, result: &'static str, took: Stopwatch) {
        let channel = channel.to_owned();
        self.sends.get_or_create(&ChannelLabel { channel: channel.clone() }).observe(took.seconds());
        self.attempts.get_or_create(&AttemptLabels { channel, result }).inc();
    }

    /// Counts a message that its channel's template could not lay out.
    pub(crate) fn count_template_failure(&self, channel: &str) {
        self.template_failures.get_or_create(&ChannelLabel { channel: channel.to_owned() }).inc();
    }

    /// Counts an attempt to edit a message.
    pub(crate) fn count_edit(&self, channel: &str, result: &'static str) {
        self.edits.get_or_create(&AttemptLabels { channel: channel.to_owned(), result }).inc();
    }

    /// Records how long an archive operation took.
    pub(crate) fn observe_archive(&self, operation: &'static str, took: Stopwatch) {
        self.archive.get_or_create(&OperationLabel { operation }).observe(took.seconds());
    }

    /// Records how long a cache operation took.
    pub(crate) fn observe_cache(&self, operation: &'static str, took: Stopwatch) {
        self.cache.get_or_create(&OperationLabel { operation }).observe(took.seconds());
    }

    /// Counts a configuration that was read while the server runs: taken, or refused.
    pub(crate) fn count_reload(&self, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts what became of a canary.
    pub(crate) fn count_canary(&self, arrived: bool, now: Time) {
        let result = if arrived { "arrived" } else { "stopped" };
        self.canaries.get_or_create(&ResultLabel { result }).inc();
        self.canary_stopped.set(i64::from(!arrived));
        if arrived {
            self.canary_arrived.set(now.ms() / 1_000);
        }
    }

    /// Counts a request of the heartbeat.
    pub(crate) fn count_heartbeat(&self, taken: bool) {
        self.heartbeats.get_or_create(&ResultLabel { result: if taken { "taken" } else { "failed" } }).inc();
    }

    /// Notes when the configuration in force was read.
    pub(crate) fn config_loaded(&self, at: Time) {
        self.config_loaded.set(at.ms() / 1_000);
    }

    /// Everything in the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

/// A running measurement.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// How long it has run.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
