//! Questions by HTTP: pages, filters, who may ask, what the server says of itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{KEY, Server, TOKEN, client, wait_until};

/// A request as it is: status, content type, body.
async fn get(server: &Server, path: &str, bearer: Option<&str>) -> (u16, String, String) {
    let mut request = client().get(format!("{}{path}", server.base()));
    request = match bearer {
        Some(bearer) => request.bearer_auth(bearer),
        None => request,
    };
    let response = request.send().await.unwrap();
    let content_type = response.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
    (response.status().as_u16(), content_type, String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap())
}

/// The n-th word that no rule takes for a value.
fn word(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    format!("{}{}", letter(n / 26), letter(n))
}

/// One event each of 120 errors: modules in turn, every third in staging.
async fn with_issues() -> Server {
    let server = Server::start("").await;
    const MODULES: [&str; 3] = ["order-api", "pay-api", "batch"];
    let event = |n: usize| {
        json!({
            "module": MODULES[n % 3],
            "environment": if n.is_multiple_of(4) { "staging" } else { "prod" },
            "location": format!("shop.Service.{}", word(n)),
            "detail": if n < 10 { "50%_off failed" } else { "connection refused" },
        })
    };
    // One at a time, so that the order of last sight is the order of sending.
    for n in 0..120 {
        server.send(&event(n)).await;
    }
    server
}

#[tokio::test]
async fn lists_come_in_pages_that_hold_each_item_once_while_more_arrive() {
    let server = with_issues().await;
    let lists =
        [("issues", "fingerprint", 50), ("issues", "fingerprint", 7), ("alerts", "id", 33), ("deliveries", "id", 120)];
    for (list, id, limit) in lists {
        let all = server.api(&format!("/api/v1/{list}?limit=500")).await;
        let expected: Vec<String> = all["items"].as_array().unwrap().iter().map(|item| item[id].to_string()).collect();
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = server.api(&format!("/api/v1/{list}?limit={limit}{after}")).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{list}");
            seen.extend(items.iter().map(|item| item[id].to_string()));
            // What arrives meanwhile stands before the first page, and is not seen by those that follow.
            server.send(&json!({ "detail": "a late one", "module": list, "environment": limit })).await;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert!(expected.len() >= 120 && seen == expected, "{list}: {} of {}", seen.len(), expected.len());
    }
}

#[tokio::test]
async fn filters_narrow_a_list_and_what_is_not_known_is_refused() {
    let server = with_issues().await;
    let first = server.api("/api/v1/issues?limit=1").await["items"][0]["fingerprint"].as_str().unwrap().to_owned();
    server.act(&format!("/api/v1/issues/{first}/resolve"), &json!({})).await;
    for (query, expected) in [
        ("", 120),
        ("module=order-api", 40),
        ("module=ORDER-API", 40),
        ("environment=staging", 30),
        ("environment=staging&module=batch", 10),
        ("state=resolved", 1),
        ("state=open", 119),
        ("state=muted", 0),
        ("q=refused", 110),
        ("q=REFUSED", 110),
        ("q=50%25_off", 10),
        ("q=50_25", 0),
        ("q=%25", 10),
        ("q=Service.aq", 1),
        ("module=nobody", 0),
        ("module=%27%20OR%201%3D1", 0),
    ] {
        let page = server.api(&format!("/api/v1/issues?limit=500&{query}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), expected, "{query}");
        assert_eq!(page["next"], Value::Null, "{query}");
    }
    for (path, says) in [
        ("issues?modul=x", "unknown field `modul`"),
        ("issues?state=broken", "none of open, acknowledged, muted, resolved"),
        ("issues?limit=0", "within 1 to 500"),
        ("issues?limit=501", "within 1 to 500"),
        ("issues?limit=-1", "invalid digit"),
        ("issues?after=yesterday", "not the `next` of a page"),
        ("issues?after=1-2-x", "not the `next` of a page"),
        ("alerts?after=x", "invalid digit"),
        ("alerts?since=1", "unknown field `since`"),
        ("deliveries?state=lost", "none of pending, delivered, dead"),
        ("issues/0", "more digits"),
    ] {
        let (status, content_type, body) = get(&server, &format!("/api/v1/{path}"), Some(TOKEN)).await;
        assert_eq!((status, content_type.as_str()), (400, "application/problem+json"), "{path}: {body}");
        assert!(body.contains(says), "{path}: {body}");
    }
    let alerts = server.api(&format!("/api/v1/alerts?issue={}", &first[..12])).await;
    assert_eq!(alerts["items"].as_array().unwrap().len(), 1);
    let page = server.api(&format!("/api/v1/issues/{}", &first[..12].to_uppercase())).await;
    assert_eq!(page["fingerprint"], first.as_str());
}

#[tokio::test]
async fn the_description_names_every_route_and_each_asks_for_its_token() {
    let server = Server::start("").await;
    let description = server.api("/api/openapi.json").await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    let operations: BTreeMap<(String, String), Value> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .iter()
                .map(|(method, operation)| ((path.clone(), method.to_uppercase()), operation.clone()))
        })
        .collect();
    let names: Vec<String> = operations.keys().map(|(path, method)| format!("{method} {path}")).collect();
    expect_test::expect![[r#"
        GET /api/v1/alerts
        GET /api/v1/deliveries
        POST /api/v1/deliveries/{id}/resend
        POST /api/v1/events
        POST /api/v1/explain
        GET /api/v1/issues
        GET /api/v1/issues/{fingerprint}
        POST /api/v1/issues/{fingerprint}/acknowledge
        POST /api/v1/issues/{fingerprint}/merge
        POST /api/v1/issues/{fingerprint}/mute
        POST /api/v1/issues/{fingerprint}/reopen
        POST /api/v1/issues/{fingerprint}/resolve
        POST /api/v1/issues/{fingerprint}/unmerge
        POST /api/{project}/envelope/
        POST /api/{project}/store/
        GET /healthz
        GET /metrics
        GET /readyz
        POST /slack/interactions"#]]
    .assert_eq(&names.join("\n"));
    for ((path, method), operation) in &operations {
        let real = path.replace("{fingerprint}", "0123").replace("{id}", "7").replace("{project}", "1");
        let request = |bearer: Option<&str>| {
            let request = client().request(method.parse().unwrap(), format!("{}{real}", server.base()));
            match bearer {
                Some(bearer) => request.bearer_auth(bearer),
                None => request,
            }
        };
        let status = async |bearer| request(bearer).send().await.unwrap().status().as_u16();
        // Known to the server: whatever it answers, not that there is no such path or method.
        let wrong = client().request("BREW".parse().unwrap(), format!("{}{real}", server.base())).send().await.unwrap();
        assert_eq!(wrong.status(), 405, "{path}");
        let (none, wrong, key, token) =
            (status(None).await, status(Some("x")).await, status(Some(KEY)).await, status(Some(TOKEN)).await);
        let security = operation["security"].to_string();
        let statuses = [none, wrong, key, token];
        let allowed = |status: u16| status != 401 && status != 405;
        match (security.contains("api_token"), security.contains("project_key")) {
            (true, false) => {
                assert!(none == 401 && wrong == 401 && key == 401 && allowed(token), "{method} {path}: {statuses:?}")
            }
            // Sentry's keys and Slack's signatures travel otherwise: not one of these is good.
            (false, false) if security.contains("sentry_key") || security.contains("slack_signature") => {
                assert_eq!(statuses, [401; 4], "{method} {path}")
            }
            (false, true) => {
                assert!(none == 401 && wrong == 401 && allowed(key) && token == 401, "{method} {path}: {statuses:?}")
            }
            _ => assert!(statuses.iter().all(|status| *status == 200), "{method} {path}: {statuses:?}"),
        }
        for (code, response) in operation["responses"].as_object().unwrap() {
            assert!(
                !response["description"].as_str().unwrap_or_default().is_empty()
                    || code == "200"
                    || response.get("content").is_some(),
                "{method} {path} {code}"
            );
        }
    }
    // Every `$ref` leads somewhere.
    let text = description.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_metrics_agree_with_what_was_answered() {
    let server = Server::start("[policy]\nbudget = 2\n").await;
    let mut told: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut send = async |body: Value| {
        let (status, answer) = server.try_send(&body).await;
        if status != 202 {
            *told.entry(("rejected".to_owned(), "invalid".to_owned())).or_default() += 1;
        }
        for outcome in answer["outcomes"].as_array().into_iter().flatten() {
            let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
            *told.entry((text("outcome"), text("reason"))).or_default() += 1;
        }
        answer
    };
    let error = json!({ "detail": "connection refused" });
    let answer = send(json!([error, error, error, 1, {}, error])).await;
    let path = format!("/api/v1/issues/{}", answer["outcomes"][0]["fingerprint"].as_str().unwrap());
    send(json!([1])).await;
    server.act(&format!("{path}/mute"), &json!({ "more": 3 })).await;
    send(json!([error, error, error])).await;
    send(error.clone()).await;
    server.act(&format!("{path}/acknowledge"), &json!({})).await;
    send(error.clone()).await;

    let (status, content_type, text) = get(&server, "/metrics", None).await;
    assert_eq!(status, 200);
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    assert!(text.ends_with("# EOF\n"));
    let mut counted = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("bongsu_events_total{")) {
        let (labels, n) = line.split_once("} ").unwrap();
        let label = |name: &str| {
            labels.split(',').find_map(|label| label.strip_prefix(name)).unwrap().trim_matches(['=', '"']).to_owned()
        };
        counted.insert((label("outcome"), label("reason")), n.parse::<u64>().unwrap());
    }
    counted.retain(|_, n| *n > 0);
    assert_eq!(counted, told);
    assert_eq!(told[&("suppressed".to_owned(), "muted".to_owned())], 3);
    let issue = server.api(&path).await;
    let accepted: u64 = told.iter().filter(|((outcome, _), _)| outcome != "rejected").map(|(_, n)| n).sum();
    assert_eq!(issue["occurrences"], accepted);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(line.starts_with("bongsu_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn health_is_told_to_anyone_and_readiness_knows_the_archive() {
    let server = Server::start("").await;
    assert_eq!(get(&server, "/healthz", None).await.2, "ok\n");
    let (status, _, body) = get(&server, "/readyz", None).await;
    let ready: Value = serde_json::from_str(&body).unwrap();
    let canary = json!({ "state": "off", "last_arrival": null });
    assert_eq!(
        (status, ready),
        (
            200,
            json!({ "ready": true, "archive": "up", "cache": null, "decides": "archive", "queued_events": 0,
                "canary": canary })
        )
    );
    wait_until("a head", async || {
        let head = client().head(format!("{}/healthz", server.base())).send().await.unwrap();
        head.status() == 200
    })
    .await;
}
