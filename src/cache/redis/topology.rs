//! Which server has a slot: the one, the sentinels' master, or a cluster's node.
//!
//! Promises: finds the servers when it is first asked, and again after a failure said that they may have changed. A
//! paused or dead server among those who could be asked costs no time while another answers. Deliberately not here:
//! sending again; that is `call`'s, which knows what was not carried out.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::io::tcp::TcpSettings;
use ::redis::{
    Client, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, ProtocolVersion, RedisConnectionInfo, TlsCertificates,
    Value,
};
use futures_util::StreamExt as _;
use futures_util::future::select_ok;
use futures_util::stream::FuturesUnordered;

use super::super::settings::{Address, Deployment, RedisSettings};
use super::super::{Error, ErrorKind};
use super::node::Node;

/// Slots of a cluster.
const SLOTS: usize = 16_384;

/// The servers, as far as they are known.
pub(super) struct Topology {
    shape: Shape,
    /// Servers of the data.
    access: Access,
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
    /// How long to wait for sentinels that do not answer while others did.
    patience: Duration,
}

enum Shape {
    Standalone(Address),
    Sentinel { sentinels: Vec<Node>, master: String, found: Mutex<Option<Address>> },
    Cluster { seeds: Vec<Address>, map: Mutex<Option<Arc<Map>>> },
}

/// Who has which slots: ends of ranges with the server of each, in order.
type Map = Vec<(u16, u16, Address)>;

/// How to get into a server.
struct Access {
    tls: bool,
    /// Certificate authorities in PEM.
    ca: Option<Vec<u8>>,
    login: RedisConnectionInfo,
}

impl Topology {
    pub(super) fn new(settings: &RedisSettings, bound: Duration) -> Result<Topology, String> {
        let ca = settings.ca.as_ref().map(|path| {
            std::fs::read(path)
                .map_err(|error| format!("cannot read the certificate authorities {}: {error}", path.display()))
        });
        let ca = ca.transpose()?;
        let login = |user: &Option<String>, password: &Option<crate::config::Secret>| {
            // RESP3, because only there does the library tell of an end of the connection.
            let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
            if let Some(user) = user {
                login = login.set_username(user);
            }
            if let Some(password) = password {
                login = login.set_password(password.expose());
            }
            login
        };
        let of_servers = login(&settings.user, &settings.password).set_db(i64::from(settings.database));
        let access = Access { tls: settings.tls, ca, login: of_servers };
        let shape = match &settings.deployment {
            Deployment::Standalone(address) => Shape::Standalone(address.clone()),
            Deployment::Sentinel { sentinels, master, user, password } => {
                let to_sentinels = Access { tls: access.tls, ca: access.ca.clone(), login: login(user, password) };
                let sentinels: Result<_, String> = sentinels.iter().map(|address| to_sentinels.node(address)).collect();
                Shape::Sentinel { sentinels: sentinels?, master: master.clone(), found: Mutex::default() }
            }
            Deployment::Cluster(seeds) => Shape::Cluster { seeds: seeds.clone(), map: Mutex::default() },
        };
        let topology = Topology { shape, access, nodes: Mutex::default(), patience: bound / 4 };
        // What is wrong with certificates shows now, to the person who configures.
        topology.access.node(&Address { host: "localhost".to_owned(), port: 1 })?;
        Ok(topology)
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Standalone(_) => "redis",
            Shape::Sentinel { .. } => "redis-sentinel",
            Shape::Cluster { .. } => "redis-cluster",
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.shape, Shape::Cluster { .. })
    }

    /// The server of a slot.
    pub(super) async fn node(&self, slot: u16) -> Result<Arc<Node>, Error> {
        match &self.shape {
            Shape::Standalone(address) => self.at(address),
            Shape::Sentinel { .. } => self.at(&self.master().await?),
            Shape::Cluster { .. } => {
                let map = self.map().await?;
                let owner = map.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
                let unserved = || Error::new(ErrorKind::Unreachable, format!("no node of the cluster has slot {slot}"));
                self.at(&owner.ok_or_else(unserved)?.2)
            }
        }
    }

    /// Every server that has data.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Node>>, Error> {
        match &self.shape {
            Shape::Cluster { .. } => {
                let map = self.map().await?;
                let mut owners: Vec<&Address> = map.iter().map(|(_, _, owner)| owner).collect();
                owners.sort_unstable_by_key(|owner| owner.to_string());
                owners.dedup();
                owners.into_iter().map(|owner| self.at(owner)).collect()
            }
            _ => Ok(vec![self.node(0).await?]),
        }
    }

    /// The server with this address, which a cluster named.
    pub(super) fn at(&self, address: &Address) -> Result<Arc<Node>, Error> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(address) {
            return Ok(Arc::clone(node));
        }
        let node = self.access.node(address).map_err(|why| Error::new(ErrorKind::Unreachable, why))?;
        Ok(Arc::clone(nodes.entry(address.clone()).or_insert(Arc::new(node))))
    }

    /// Takes note that the servers may have changed.
    pub(super) fn doubt(&self) {
        match &self.shape {
            Shape::Standalone(_) => {}
            Shape::Sentinel { found, .. } => *found.lock().unwrap_or_else(PoisonError::into_inner) = None,
            Shape::Cluster { map, .. } => *map.lock().unwrap_or_else(PoisonError::into_inner) = None,
        }
    }

    async fn master(&self) -> Result<Address, Error> {
        let Shape::Sentinel { sentinels, master, found } = &self.shape else { unreachable!("asked by sentinels only") };
        let known = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(address) = known {
            return Ok(address);
        }
        let mut question = Cmd::new();
        question.arg("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let ask = async |sentinel: &Node| -> Result<Address, Error> {
            let answer = one(sentinel, &question).await?;
            let unknown =
                || Error::new(ErrorKind::WrongAnswer, format!("{} does not know a master {master:?}", sentinel.name()));
            let (host, port) = ::redis::from_redis_value::<(String, u16)>(answer).map_err(|_| unknown())?;
            Ok(Address { host, port })
        };
        let address = elect(sentinels.iter().map(ask).collect(), sentinels.len(), self.patience).await?;
        self.forget_all_but(std::slice::from_ref(&address));
        *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
        Ok(address)
    }

    async fn map(&self) -> Result<Arc<Map>, Error> {
        let Shape::Cluster { seeds, map } = &self.shape else { unreachable!("asked by clusters only") };
        let known = map.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut question = Cmd::new();
        question.arg("CLUSTER").arg("SLOTS");
        let mut asked: Vec<Address> =
            self.nodes.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        asked.extend(seeds.iter().cloned());
        let ask = async |address: Address| -> Result<Map, Error> {
            let node = self.at(&address)?;
            read_map(&one(&node, &question).await?, &address).ok_or_else(|| {
                let why = format!("{} does not know who has which slot; is it a node of a cluster?", node.name());
                Error::new(ErrorKind::WrongAnswer, why)
            })
        };
        let (found, _) = select_ok(asked.into_iter().map(|address| Box::pin(ask(address)))).await?;
        let found = Arc::new(found);
        let mut stay: Vec<Address> = found.iter().map(|(_, _, owner)| owner.clone()).collect();
        stay.extend(seeds.iter().cloned());
        self.forget_all_but(&stay);
        *map.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
        Ok(found)
    }

    /// Drops the connections to servers that play no part any more.
    fn forget_all_but(&self, stay: &[Address]) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).retain(|address, _| stay.contains(address));
    }
}

/// The master that most sentinels name: one that was cut off from the others may name the former one. Waits for more than
/// half of all to agree, but no longer than `patience` when there is any answer.
async fn elect(
    mut asked: FuturesUnordered<impl Future<Output = Result<Address, Error>>>,
    electors: usize,
    patience: Duration,
) -> Result<Address, Error> {
    let mut votes: Vec<(Address, usize)> = Vec::new();
    let mut failed = Error::new(ErrorKind::Unreachable, "no sentinel answers");
    let patience = tokio::time::sleep(patience);
    tokio::pin!(patience);
    loop {
        let answer = tokio::select! {
            answer = asked.next() => answer,
            () = &mut patience, if !votes.is_empty() => None,
        };
        match answer {
            None => break,
            Some(Err(error)) => failed = error,
            Some(Ok(address)) => {
                let votes = match votes.iter_mut().find(|(voted, _)| *voted == address) {
                    Some((_, votes)) => votes,
                    None => {
                        votes.push((address, 0));
                        &mut votes.last_mut().expect("it was just pushed").1
                    }
                };
                *votes += 1;
                if *votes * 2 > electors {
                    break;
                }
            }
        }
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(address, _)| address).ok_or(failed)
}

/// Sends one command, whose answer must not be an error.
async fn one(node: &Node, command: &Cmd) -> Result<Value, Error> {
    let mut pipeline = Pipeline::with_capacity(1);
    pipeline.add_command(command.clone());
    match node.send(&pipeline, &AtomicBool::new(false)).await?.pop() {
        Some(Value::ServerError(error)) => Err(Error::new(ErrorKind::Refused, format!("{}: {error}", node.name()))),
        Some(value) => Ok(value),
        None => Err(Error::new(ErrorKind::WrongAnswer, format!("{} answered nothing", node.name()))),
    }
}

/// Reads `CLUSTER SLOTS`: ranges, each with its master first. `None` when it is not that, or when not every slot is
/// served: a node that was just added would otherwise pass for the whole cluster.
fn read_map(answer: &Value, asked: &Address) -> Option<Map> {
    let mut served = 0;
    let mut map = Map::new();
    for range in answer.as_sequence()? {
        let [first, last, master, ..] = range.as_sequence()? else { return None };
        let [host, port, ..] = master.as_sequence()? else { return None };
        let number = |value: &Value| ::redis::from_redis_value_ref::<u16>(value).ok();
        let host: Option<String> = ::redis::from_redis_value_ref(host).ok()?;
        // A node that does not know its own name leaves it out, or writes `?`.
        let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.host.clone());
        let (first, last) = (number(first)?, number(last)?);
        served += usize::from(last.checked_sub(first)?) + 1;
        map.push((first, last, Address { host, port: number(port)? }));
    }
    (served == SLOTS).then_some(map)
}

impl Access {
    fn node(&self, address: &Address) -> Result<Node, String> {
        let Address { host, port } = address.clone();
        let place = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let failed = |error: ::redis::RedisError| format!("cannot use Redis at {address}: {error}");
        let server = place
            .into_connection_info()
            .map_err(failed)?
            .set_redis_settings(self.login.clone())
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = if self.tls {
            if rustls::crypto::CryptoProvider::get_default().is_none() {
                // The error is that another thread was faster, with the same provider.
                let _ = rustls::crypto::ring::default_provider().install_default();
            }
            let certificates = TlsCertificates { client_tls: None, root_cert: self.ca.clone() };
            Client::build_with_tls(server, certificates)
        } else {
            Client::open(server)
        };
        Ok(Node::new(client.map_err(failed)?, address.to_string()))
    }
}
