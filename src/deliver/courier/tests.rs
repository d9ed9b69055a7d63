//! The courier against a real, scripted far side on a socket.

use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::*;

const PATIENT: Duration = Duration::from_secs(20);
const IMPATIENT: Duration = Duration::from_millis(300);

/// A far side that reads one request on every connection, does what the script says, and closes. Gives the requests.
fn far_side(script: impl Fn(&mut TcpStream) + Send + 'static) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, received) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            if requests.send(read_request(&mut stream)).is_err() {
                return;
            }
            script(&mut stream);
        }
    });
    (address, received)
}

fn read_request(stream: &mut TcpStream) -> String {
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => request.extend_from_slice(&chunk[..n]),
            _ => return text,
        }
    }
}

fn answering(answer: &'static str) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    far_side(move |stream| {
        let _ = stream.write_all(answer.as_bytes());
    })
}

fn courier(allow_private: bool, timeout: Duration) -> Courier {
    Courier::new(&Outgoing { allow_private }, timeout).unwrap()
}

fn post(url: String) -> Parcel {
    let headers = vec![("X-Token".to_owned(), Secret::new("hush"))];
    Parcel::Post { url: Secret::new(url), headers, body: "{\"text\":\"봉수\"}".into() }
}

async fn carried(address: SocketAddr, timeout: Duration) -> Result<Reply, Failure> {
    courier(true, timeout).carry(post(format!("http://{address}/hook?k=v"))).await
}

#[tokio::test]
async fn the_request_arrives_as_composed_and_the_answer_as_sent() {
    let (address, received) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let reply = carried(address, PATIENT).await.unwrap();
    assert_eq!(reply, Reply { status: 200, retry_after: None, body: b"ok".to_vec() });
    let request = received.recv().unwrap();
    assert!(request.starts_with("POST /hook?k=v HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-token: hush\r\n") && request.ends_with("{\"text\":\"봉수\"}"), "{request}");
}

#[tokio::test]
async fn a_refusal_comes_with_its_patience() {
    let (address, _received) =
        answering("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 12\r\n\r\nrate_limited");
    let reply = carried(address, PATIENT).await.unwrap();
    assert_eq!((reply.status, reply.retry_after.as_deref()), (429, Some("7")));
    let (address, _received) = answering("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(carried(address, PATIENT).await.unwrap().status, 500);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, visited) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (address, _received) = far_side(move |stream| {
        let answer = format!("HTTP/1.1 307 Go\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes());
    });
    assert_eq!(carried(address, PATIENT).await.unwrap().status, 307);
    assert!(visited.try_recv().is_err());
}

#[tokio::test]
async fn silence_ends_with_the_time_limit() {
    let (address, _received) = far_side(|stream| {
        let _ = stream.read(&mut [0; 1]);
    });
    assert_eq!(carried(address, IMPATIENT).await, Err(Failure::Timeout));
}

#[tokio::test]
async fn a_dropped_connection_is_a_failure() {
    let (address, _received) = far_side(|_| {});
    assert!(matches!(carried(address, PATIENT).await, Err(Failure::Broken(_))));
}

#[tokio::test]
async fn what_was_never_given_to_a_connection_was_not_sent() {
    // It takes connections and never says a word of TLS.
    let (address, _received) = far_side(|stream| {
        let _ = stream.read(&mut [0; 1]);
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    for address in [address, silent] {
        let brought = courier(true, IMPATIENT).carry(post(format!("https://{address}/"))).await;
        assert!(matches!(brought, Err(Failure::Connect(_))), "{brought:?}");
    }
}

/// A mail server that reads on until a line, and then breaks off or falls silent.
fn mail_server(last: &'static str, silent: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
        stream.write_all(b"220 mail.example\r\n").unwrap();
        let mut in_message = false;
        while let Some(Ok(line)) = lines.next() {
            if line.starts_with(last) {
                break;
            }
            if line == "DATA" {
                in_message = true;
                stream.write_all(b"354 go on\r\n").unwrap();
            } else if !in_message || line == "." {
                in_message = false;
                stream.write_all(b"250 fine\r\n").unwrap();
            }
        }
        if silent {
            let _ = lines.next();
        }
    });
    address
}

#[tokio::test]
async fn a_mail_may_have_arrived_from_the_end_of_its_data_on() {
    let failed = async |last, silent| {
        let server = Secret::new(format!("smtp://{}?tls=none", mail_server(last, silent)));
        let to = vec!["kim@mail.example".to_owned()];
        let server = Server::read(&server, true).unwrap();
        let parcel = Parcel::Mail { server, from: "a@mail.example".into(), to, message: "X: y\r\n\r\nz".into() };
        courier(true, IMPATIENT).carry(parcel).await.unwrap_err()
    };
    for last in ["EHLO", "MAIL", "RCPT", "DATA"] {
        for silent in [false, true] {
            let failure = failed(last, silent).await;
            assert!(matches!(failure, Failure::Connect(_)), "{last} {silent}: {failure:?}");
        }
    }
    assert!(matches!(failed(".", false).await, Failure::Broken(_)));
    assert_eq!(failed(".", true).await, Failure::Timeout);
}

/// Otherwise it would get the mail again and again.
#[tokio::test]
async fn a_mail_that_was_taken_stays_taken_whatever_the_server_says_to_the_goodbye() {
    for silent in [false, true] {
        let smtp = Secret::new(format!("smtp://{}?tls=none", mail_server("QUIT", silent)));
        let (server, to) = (Server::read(&smtp, true).unwrap(), vec!["kim@mail.example".to_owned()]);
        let parcel = Parcel::Mail { server, from: "a@mail.example".into(), to, message: "X: y\r\n\r\nz".into() };
        let reply = courier(true, IMPATIENT).carry(parcel).await;
        assert_eq!(reply, Ok(Reply { status: 250, retry_after: None, body: b"fine".to_vec() }), "{silent}");
        let smtp = Secret::new(format!("smtp://{}?tls=none", mail_server("QUIT", silent)));
        assert_eq!(courier(true, IMPATIENT).greet(&smtp).await, Ok(()), "{silent}");
    }
}

#[tokio::test]
async fn nobody_there_is_a_failure_that_does_not_quote_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let Err(Failure::Connect(error)) = carried(address, PATIENT).await else { panic!("nobody listens") };
    assert!(error.contains("refused") && !error.contains("hook"), "{error}");
}

#[tokio::test]
async fn of_a_huge_answer_only_the_beginning_is_read() {
    let (address, _received) = far_side(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
    });
    let reply = carried(address, PATIENT).await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (400, ANSWER_BYTES_MAX));
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_by_its_status() {
    let (address, _received) = answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
    let reply = carried(address, PATIENT).await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"part".as_slice()));
    let (address, _received) = far_side(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
        let _ = stream.read(&mut [0; 1]);
    });
    assert_eq!(carried(address, IMPATIENT).await.unwrap().status, 200);
}

#[tokio::test]
async fn forbidden_addresses_are_not_reached_by_name_or_by_literal() {
    let (address, received) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let port = address.port();
    let strict = courier(false, PATIENT);
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let brought = strict.carry(post(format!("http://{host}:{port}/"))).await;
        assert!(matches!(&brought, Err(Failure::Address(why)) if why.contains("allow_private")), "{host}: {brought:?}");
    }
    assert!(received.try_recv().is_err());
    let metadata = courier(true, PATIENT).carry(post("http://169.254.169.254/".to_owned())).await;
    assert!(matches!(metadata, Err(Failure::Address(_))));
    let allowed = courier(true, PATIENT).carry(post(format!("http://localhost:{port}/"))).await;
    assert_eq!(allowed.unwrap().status, 200);
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_no_request() {
    let parcel = Parcel::Post {
        url: Secret::new("http://127.0.0.1:9/"),
        headers: vec![("X".to_owned(), Secret::new("hush\n"))],
        body: bytes::Bytes::new(),
    };
    let Err(Failure::Invalid(why)) = courier(true, PATIENT).carry(parcel).await else {
        panic!("a line end in a header")
    };
    assert!(!why.contains("hush"), "{why}");
}

#[tokio::test]
async fn connections_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..2 {
            read_request(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let courier = courier(true, PATIENT);
    for _ in 0..2 {
        assert_eq!(courier.carry(post(format!("http://{address}/"))).await.unwrap().status, 200);
    }
    served.join().unwrap();
}
