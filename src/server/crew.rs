//! The crew: the outbox workers, one for each channel, and the editors of channels whose messages can be edited.
//!
//! Promises: what the admission hands over goes to the worker of its channel. Deliberately not here: what they do.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::orders::Orders;
use super::{now, random};
use crate::admit::Handoff;
use crate::alert::Delivery;
use crate::archive::{Archive, Interim};
use crate::cache::Cache;
use crate::deliver::{Channel, Editor, Pacer, Worker};
use crate::metrics::Metrics;
use crate::storm::Folding;

/// What the workers of all channels share.
pub(super) struct Post {
    pub(super) archive: Archive,
    pub(super) interim: Arc<Interim>,
    /// Where turns are kept, the first that answers.
    pub(super) pacing: Vec<Arc<Cache>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) granted: Arc<Notify>,
    /// Notified when people decided something by a message.
    pub(super) pressed: Arc<Notify>,
}

/// The workers, each with the way to it, and the editors.
pub(super) struct Crew {
    workers: Vec<(Arc<Worker>, mpsc::Receiver<Delivery>)>,
    editors: Vec<Arc<Editor>>,
}

impl Crew {
    /// A worker for each channel, and the ways to them.
    pub(super) fn new(orders: &Orders, post: &Post) -> (Crew, Vec<Handoff>) {
        let deliver = &orders.config.deliver;
        let hire = |channel: &Arc<Channel>| {
            let (to, fresh) = mpsc::channel(Worker::ahead(deliver).max(1));
            let name = channel.name();
            let handoff = Handoff {
                channel: Arc::clone(name),
                lease: deliver.lease.get(),
                folding: Folding::of(&orders.config, name),
                look_at_ms: AtomicI64::default(),
                to,
            };
            ((post.worker(channel, orders), fresh), handoff)
        };
        let (workers, handoffs) = orders.channels.iter().map(hire).unzip();
        let editors = orders.channels.iter().filter(|channel| channel.edits());
        let editors = editors.map(|channel| post.editor(channel, orders)).collect();
        (Crew { workers, editors }, handoffs)
    }

    /// Has them work until `stop` says so.
    pub(super) fn work(self, stop: &watch::Receiver<bool>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (worker, fresh) in self.workers {
            tasks.spawn(worker.run(fresh, stop.clone()));
        }
        for editor in self.editors {
            tasks.spawn(editor.run(stop.clone()));
        }
        tasks
    }
}

impl Post {
    fn pacer(&self, channel: &Channel, orders: &Orders) -> Option<Pacer> {
        let configured = orders.config.channel.iter().find(|one| one.name == **channel.name())?;
        Pacer::of(configured, self.pacing.clone())
    }

    fn editor(&self, channel: &Arc<Channel>, orders: &Orders) -> Arc<Editor> {
        Arc::new(Editor {
            channel: Arc::clone(channel),
            archive: self.archive.clone(),
            interim: Arc::clone(&self.interim),
            courier: orders.courier.clone(),
            pacer: self.pacer(channel, orders).map(Pacer::of_edits),
            metrics: Arc::clone(&self.metrics),
            pressed: Arc::clone(&self.pressed),
            now,
        })
    }

    fn worker(&self, channel: &Arc<Channel>, orders: &Orders) -> Arc<Worker> {
        Arc::new(Worker {
            pacer: self.pacer(channel, orders),
            channel: Arc::clone(channel),
            archive: self.archive.clone(),
            interim: Arc::clone(&self.interim),
            courier: orders.courier.clone(),
            settings: orders.config.deliver.clone(),
            folding: Folding::of(&orders.config, channel.name()),
            metrics: Arc::clone(&self.metrics),
            granted: Arc::clone(&self.granted),
            now,
            random,
        })
    }
}
