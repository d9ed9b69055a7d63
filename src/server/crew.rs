//! The crew: the outbox workers, one for each channel.
//!
//! Promises: what the admission hands over goes to the worker of its channel. Deliberately not here: what a worker does.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::orders::Orders;
use super::{now, random};
use crate::admit::Handoff;
use crate::alert::Delivery;
use crate::archive::{Archive, Interim};
use crate::cache::Cache;
use crate::deliver::{Channel, Pacer, Worker};
use crate::metrics::Metrics;

/// What the workers of all channels share.
pub(super) struct Post {
    pub(super) archive: Archive,
    pub(super) interim: Arc<Interim>,
    /// Where turns are kept, the first that answers.
    pub(super) pacing: Vec<Arc<Cache>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) granted: Arc<Notify>,
}

/// The workers, each with the way to it.
pub(super) struct Crew(Vec<(Arc<Worker>, mpsc::Receiver<Delivery>)>);

impl Crew {
    /// A worker for each channel, and the ways to them.
    pub(super) fn new(orders: &Orders, post: &Post) -> (Crew, Vec<Handoff>) {
        let deliver = &orders.config.deliver;
        let hire = |channel: &Arc<Channel>| {
            let (to, fresh) = mpsc::channel(Worker::ahead(deliver).max(1));
            let handoff = Handoff { channel: Arc::clone(channel.name()), lease: deliver.lease.get(), to };
            ((post.worker(channel, orders), fresh), handoff)
        };
        let (workers, handoffs) = orders.channels.iter().map(hire).unzip();
        (Crew(workers), handoffs)
    }

    /// Has them work until `stop` says so.
    pub(super) fn work(self, stop: &watch::Receiver<bool>) -> JoinSet<()> {
        self.0.into_iter().map(|(worker, fresh)| worker.run(fresh, stop.clone())).collect()
    }
}

impl Post {
    fn worker(&self, channel: &Arc<Channel>, orders: &Orders) -> Arc<Worker> {
        let configured = orders.config.channel.iter().find(|one| one.name == **channel.name());
        Arc::new(Worker {
            pacer: configured.and_then(|configured| Pacer::of(configured, self.pacing.clone())),
            channel: Arc::clone(channel),
            archive: self.archive.clone(),
            interim: Arc::clone(&self.interim),
            courier: orders.courier.clone(),
            settings: orders.config.deliver.clone(),
            metrics: Arc::clone(&self.metrics),
            granted: Arc::clone(&self.granted),
            now,
            random,
        })
    }
}
