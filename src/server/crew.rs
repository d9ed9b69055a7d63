//! The crew: the outbox workers, one for each channel, and the editors of channels whose messages can be edited.
//!
//! Promises: a channel that did not change keeps its worker, with what that knows of the far side; one that did, or is new,
//! gets a worker of its own, and the worker that it had leaves as at the end of the server: it settles what is on its way
//! and gives back what it has not sent. What the admission hands over goes to the worker that the channel has then.
//! Deliberately not here: what a worker does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::orders::Orders;
use super::{now, random};
use crate::admit::{Duties, Handoff};
use crate::archive::{Archive, Interim};
use crate::cache::Cache;
use crate::config::{self, Deliver, Outgoing};
use crate::deliver::{Call, Channel, Courier, Editor, Pacer, Worker};
use crate::metrics::Metrics;
use crate::storm::Folding;
use crate::watch::Home;

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

/// The workers.
pub(super) struct Crew {
    post: Post,
    hands: Vec<Hand>,
    /// How those are called that are about to leave.
    leaving: Vec<watch::Sender<Call>>,
    manned: Arc<Manned>,
    /// The channel that brings canaries back, while they have no other, and its courier.
    own: (Arc<Channel>, Courier),
    duties: watch::Sender<Arc<Duties>>,
    tasks: JoinSet<()>,
}

/// A worker, and the editor beside it, if the channel has one.
struct Hand {
    knows: Knows,
    call: watch::Sender<Call>,
    handoff: Handoff,
}

/// All that a worker goes by: who goes by the same need not be replaced.
#[derive(PartialEq, Eq)]
struct Knows {
    name: Arc<str>,
    /// None: the channel that there is without any.
    channel: Option<config::Channel>,
    deliver: Deliver,
    outgoing: Outgoing,
    folding: Folding,
    public_url: String,
    links: Vec<config::Link>,
    owners: Vec<config::Owner>,
    quiet: Vec<config::Quiet>,
}

impl Knows {
    fn of(channel: &Channel, orders: &Orders) -> Knows {
        let config = &orders.config;
        Knows {
            name: Arc::clone(channel.name()),
            channel: config.channel.iter().find(|one| one.name == **channel.name()).cloned(),
            deliver: config.deliver.clone(),
            outgoing: config.outgoing.clone(),
            folding: Folding::of(config, channel.name()),
            public_url: config.public_url(),
            links: config.link.clone(),
            owners: config.owner.clone(),
            quiet: config.quiet.clone(),
        }
    }
}

/// The channels that have a worker, be it one that is about to leave.
#[derive(Default)]
pub(super) struct Manned {
    workers: Mutex<HashMap<Arc<str>, usize>>,
    /// Notified when a worker has left.
    pub(super) left: Notify,
}

impl Manned {
    /// Their names.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn enter(&self, name: &Arc<str>) {
        *self.workers.lock().unwrap_or_else(PoisonError::into_inner).entry(Arc::clone(name)).or_default() += 1;
    }

    fn leave(&self, name: &Arc<str>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = workers.get_mut(name) {
            *count -= 1;
            workers.retain(|_, count| *count > 0);
        }
        self.left.notify_one();
    }
}

impl Crew {
    /// Nobody yet, and what the admission goes by meanwhile.
    pub(super) fn new(orders: &Orders, post: Post, home: &Home) -> (Crew, watch::Receiver<Arc<Duties>>) {
        let (duties, told) = watch::channel(Arc::new(duties(orders, &[])));
        let own = (Arc::new(home.channel()), home.courier.clone());
        let (hands, leaving, manned) = (Vec::new(), Vec::new(), Arc::default());
        (Crew { post, hands, leaving, manned, own, duties, tasks: JoinSet::new() }, told)
    }

    /// Who is there.
    pub(super) fn manned(&self) -> Arc<Manned> {
        Arc::clone(&self.manned)
    }

    /// Has every channel of these orders manned, and no other. From its end on, what is admitted is handed to these.
    pub(super) fn muster(&mut self, orders: &Orders) {
        let mut before = std::mem::take(&mut self.hands);
        let watch = &orders.config.watch;
        let own = Arc::clone(&self.own.0);
        let own = (watch.is_on() && watch.channel.is_none()).then_some(&own);
        for channel in orders.channels.iter().chain(own) {
            let knows = Knows::of(channel, orders);
            let hand = match before.iter().position(|hand| hand.knows == knows) {
                Some(stays) => before.swap_remove(stays),
                None => self.hire(channel, knows, orders),
            };
            self.hands.push(hand);
        }
        // First nobody hands anything to those that leave: then they can see when they have got the last of it.
        self.duties.send_replace(Arc::new(duties(orders, &self.hands)));
        self.leaving.retain(|call| !call.is_closed());
        for Hand { call, .. } in before {
            call.send_replace(Call::Leave);
            self.leaving.push(call);
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Has them settle what is on its way. Answers whether that came to an end within the time.
    pub(super) async fn stop(mut self, within: Duration) -> bool {
        for call in self.hands.iter().map(|hand| &hand.call).chain(&self.leaving) {
            call.send_replace(Call::Stop);
        }
        tokio::time::timeout(within, async { while self.tasks.join_next().await.is_some() {} }).await.is_ok()
    }

    fn hire(&mut self, channel: &Arc<Channel>, knows: Knows, orders: &Orders) -> Hand {
        let deliver = &orders.config.deliver;
        let (to, fresh) = mpsc::channel(Worker::ahead(deliver).max(1));
        let (call, called) = watch::channel(Call::Work);
        let courier = if Arc::ptr_eq(channel, &self.own.0) { &self.own.1 } else { &orders.courier };
        let worker = self.post.worker(channel, courier, knows.folding, orders);
        if channel.edits() {
            self.tasks.spawn(self.post.editor(channel, orders).run(called.clone()));
        }
        let (manned, name, granted) =
            (Arc::clone(&self.manned), Arc::clone(channel.name()), Arc::clone(&self.post.granted));
        manned.enter(&name);
        self.tasks.spawn(async move {
            worker.run(fresh, called).await;
            manned.leave(&name);
            // Whoever has the channel now takes what was given back.
            granted.notify_waiters();
        });
        let handoff = Handoff {
            channel: Arc::clone(channel.name()),
            lease: deliver.lease.get(),
            folding: knows.folding,
            look_at_ms: Arc::default(),
            to,
        };
        Hand { knows, call, handoff }
    }
}

fn duties(orders: &Orders, hands: &[Hand]) -> Duties {
    Duties {
        samples_per_day: orders.config.retention.samples_per_day,
        expiry: orders.config.deliver.expiry.get(),
        handoffs: hands.iter().map(|hand| hand.handoff.clone()).collect(),
    }
}

impl Post {
    fn pacer(&self, channel: &Channel, orders: &Orders) -> Option<Pacer> {
        let configured = orders.config.channel.iter().find(|one| one.name == **channel.name())?;
        Pacer::of(configured, self.pacing.clone())
    }

    fn editor(&self, channel: &Arc<Channel>, orders: &Orders) -> Editor {
        Editor {
            channel: Arc::clone(channel),
            archive: self.archive.clone(),
            interim: Arc::clone(&self.interim),
            courier: orders.courier.clone(),
            pacer: self.pacer(channel, orders).map(Pacer::of_edits),
            metrics: Arc::clone(&self.metrics),
            pressed: Arc::clone(&self.pressed),
            now,
        }
    }

    fn worker(&self, channel: &Arc<Channel>, courier: &Courier, folding: Folding, orders: &Orders) -> Arc<Worker> {
        Arc::new(Worker {
            pacer: self.pacer(channel, orders),
            channel: Arc::clone(channel),
            archive: self.archive.clone(),
            interim: Arc::clone(&self.interim),
            courier: courier.clone(),
            settings: orders.config.deliver.clone(),
            folding,
            metrics: Arc::clone(&self.metrics),
            granted: Arc::clone(&self.granted),
            now,
            random,
        })
    }
}
