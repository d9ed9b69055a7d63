//! The naive server: what people build by hand to tell the same error at most five times, with one shared Redis.
//!
//! Promises: bongsu's HTTP stack and Redis client; a JSON read of the seven attributes, their hash as the key, and one
//! round trip to Redis for each event before the answer, over one multiplexed connection with `TCP_NODELAY`. The events
//! of a batch are asked about one after another. Where a choice was free, the faster one was taken. Deliberately not
//! here: keys that are checked, secrets that are removed, a message that is normalised (words of `detail` with a digit
//! are left out of the key, and that is all), an archive, retries: an alert lives in a queue of this process.

use std::borrow::Cow;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use clap::{Parser, ValueEnum};
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo, RedisResult, Script};
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUDGET: u64 = 5;
const WINDOW_SECONDS: u64 = 3_600;
/// Alerts that wait for the webhook; one more is dropped.
const QUEUE: usize = 10_000;
/// Counts, and lets the window begin with the first occurrence.
const COUNT: &str = "local n = redis.call('INCR', KEYS[1]) \
                     if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n";

/// A reference for the benchmark: at most five alerts for the same error, by a counter in Redis.
#[derive(Parser)]
#[command(name = "bongsu-bench-naive")]
struct Arguments {
    /// Where to listen
    address: SocketAddr,
    #[arg(long, value_name = "URL")]
    redis: String,
    #[arg(long)]
    mode: Mode,
    /// Where alerts go; absent: nowhere
    #[arg(long, value_name = "URL")]
    webhook: Option<Uri>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// GET, INCR and EXPIRE in one round trip: each occurrence extends the window
    GetIncrExpire,
    /// One EVALSHA: INCR, and EXPIRE when the count is new
    Script,
}

struct Service {
    redis: MultiplexedConnection,
    mode: Mode,
    script: Script,
    alerts: Option<mpsc::Sender<String>>,
}

/// What makes two events the same error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    category: Cow<'a, str>,
    #[serde(borrow)]
    module: Cow<'a, str>,
    #[serde(borrow)]
    environment: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    location: Cow<'a, str>,
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

impl Event<'_> {
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let six = [&self.category, &self.module, &self.environment, &self.url, &self.method, &self.location];
        six.hash(&mut hasher);
        // Ids would make every event a new error.
        let fixed = |word: &&str| !word.bytes().any(|byte| byte.is_ascii_digit());
        self.detail.split(' ').filter(fixed).for_each(|word| word.hash(&mut hasher));
        hasher.finish()
    }
}

/// One event in an object, or several in an array.
fn read(body: &[u8]) -> serde_json::Result<Vec<Event<'_>>> {
    match body.first() {
        Some(b'[') => serde_json::from_slice(body),
        _ => Ok(vec![serde_json::from_slice(body)?]),
    }
}

async fn take(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    let events = match read(&body) {
        Ok(events) => events,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let mut answer = format!(r#"{{"accepted":{},"outcomes":["#, events.len());
    for (at, event) in events.iter().enumerate() {
        let key = event.key();
        let count = match service.count(key).await {
            Ok(count) => count,
            Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        };
        let outcome = if count <= BUDGET { "alerted" } else { r#"suppressed","reason":"budget"# };
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            answer,
            r#"{comma}{{"fingerprint":"{key:016x}","outcome":"{outcome}","budget":{BUDGET},"occurrences":{count}}}"#
        );
        if count <= BUDGET {
            service.alert(event, count);
        }
    }
    answer.push_str("]}");
    (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

impl Service {
    async fn count(&self, key: u64) -> RedisResult<u64> {
        let mut redis = self.redis.clone();
        let key = format!("alert:{key:016x}");
        match self.mode {
            Mode::GetIncrExpire => {
                let mut pipe = redis::pipe();
                pipe.cmd("GET").arg(&key).ignore().cmd("INCR").arg(&key);
                pipe.cmd("EXPIRE").arg(&key).arg(WINDOW_SECONDS).ignore();
                let (count,) = pipe.query_async(&mut redis).await?;
                Ok(count)
            }
            Mode::Script => self.script.key(key).arg(WINDOW_SECONDS).invoke_async(&mut redis).await,
        }
    }

    fn alert(&self, event: &Event<'_>, count: u64) {
        let Some(alerts) = &self.alerts else { return };
        let Event { module, location, detail, .. } = event;
        let attributes = json!({"module": module, "location": location, "detail": detail});
        let alert = json!({"kind": "alert", "ordinal": count, "budget": BUDGET, "attributes": attributes});
        // Full: nobody is told of this one, as in most services built this way.
        let _ = alerts.try_send(alert.to_string());
    }
}

/// Sends one alert after another. One that fails is not sent again.
async fn send(webhook: Uri, mut alerts: mpsc::Receiver<String>) {
    let mut connection = None;
    while let Some(alert) = alerts.recv().await {
        match post_to(&webhook, connection.take(), alert).await {
            Ok(open) => connection = Some(open),
            Err(error) => eprintln!("an alert is lost: {error:#}"),
        }
    }
}

async fn post_to(webhook: &Uri, open: Option<SendRequest<Body>>, alert: String) -> anyhow::Result<SendRequest<Body>> {
    let host = webhook.authority().context("the webhook has no host")?.as_str();
    let mut open = match open {
        Some(open) => open,
        None => {
            let stream = TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            sender
        }
    };
    open.ready().await?;
    let request = Request::post(webhook.path()).header(header::HOST, host);
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(alert))?;
    let response = open.send_request(request).await?;
    anyhow::ensure!(response.status().is_success(), "the webhook answered {}", response.status());
    to_bytes(Body::new(response.into_body()), 1 << 20).await?;
    Ok(open)
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let server = arguments.redis.into_connection_info()?;
    let client = redis::Client::open(server.set_tcp_settings(TcpSettings::default().set_nodelay(true)))?;
    // No time limit for an answer: it would cost a timer for each event.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let mut redis =
        client.get_multiplexed_async_connection_with_config(&config).await.context("no connection to Redis")?;
    let script = Script::new(COUNT);
    script.prepare_invoke().load_async(&mut redis).await?;
    let alerts = arguments.webhook.map(|webhook| {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(send(webhook, receiver));
        sender
    });
    let service = Arc::new(Service { redis, mode: arguments.mode, script, alerts });
    let router = Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/api/v1/events", post(take))
        .with_state(service);
    let listener = TcpListener::bind(arguments.address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // A connection that breaks off is the generator's to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        result = serve(Arguments::parse()) => result,
        _ = stop.recv() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seven_attributes_make_the_key_and_ids_in_the_detail_do_not() {
        let key = |text: &str| read(text.as_bytes()).unwrap()[0].key();
        let first = key(r#"{"module": "order-api", "detail": "no answer for 0a1b2c", "timestamp": 1}"#);
        assert_eq!(first, key(r#"{"detail": "no answer for ff00ff", "module": "order-api", "exception": {}}"#));
        assert_ne!(first, key(r#"{"module": "order-api", "detail": "an answer for 0a1b2c"}"#));
        assert_ne!(first, key(r#"{"category": "order-api", "detail": "no answer for 0a1b2c"}"#));
    }

    #[test]
    fn an_array_holds_several_events_and_texts_may_have_escapes() {
        let events = read(br#"[{"detail": "a\"b"}, {"url": "/pay"}]"#).unwrap();
        assert_eq!((events[0].detail.as_ref(), events[1].url.as_ref()), ("a\"b", "/pay"));
        assert!(read(b"[{]").is_err());
    }
}
