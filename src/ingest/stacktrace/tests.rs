//! Texts of real runtimes, and of what their loggers make of them.

use expect_test::{Expect, expect, expect_file};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// As exceptions with their frames: what is not the application's own in parentheses.
fn told(chain: &[Exception<'_>]) -> String {
    let mut told = String::new();
    for exception in chain {
        told.push_str(&format!("[{}] {}\n", exception.kind, exception.value.replace('\n', "\\n")));
        for frame in &exception.frames {
            let line = frame.line.map_or_else(String::new, |line| format!(":{line}"));
            let place = format!("{} | {} | {}{line}", frame.module, frame.function, frame.file);
            told.push_str(&if frame.in_app == Some(false) {
                format!("    ({place})\n")
            } else {
                format!("    {place}\n")
            });
        }
    }
    told
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(&read(text)));
}

/// The stack texts that were captured, with the ids of their errors.
fn captured() -> Vec<(String, String)> {
    let files = [
        include_str!("../../../tests/data/runtimes/jvm.jsonl"),
        include_str!("../../../tests/data/runtimes/python.jsonl"),
        include_str!("../../../tests/data/runtimes/node.jsonl"),
        include_str!("../../../tests/data/runtimes/go.jsonl"),
        include_str!("../../../tests/data/runtimes/rust.jsonl"),
        include_str!("../../../tests/data/runtimes/dotnet.jsonl"),
        include_str!("../../../tests/data/runtimes/ruby.jsonl"),
        include_str!("../../../tests/data/runtimes/php.jsonl"),
    ];
    let mut found = Vec::new();
    for (file, number) in files.iter().zip(1..) {
        for line in file.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(text) = line["event"]["stacktrace"].as_str() {
                found.push((format!("{number} {}", line["id"].as_str().unwrap()), text.to_owned()));
            }
        }
    }
    assert!(found.len() > 80, "{} texts", found.len());
    found
}

/// One run of each error: the other differs in numbers and addresses.
#[test]
fn captured_texts_are_read() {
    let mut all = String::new();
    for (id, text) in captured().iter().filter(|(id, _)| id.ends_with("/1")) {
        all.push_str(&format!("# {id}\n{}\n", told(&read(text))));
    }
    expect_file!["../../../tests/data/runtimes/stacktraces.txt"].assert_eq(&all);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(?s).{0,200}") {
        bounded(&read(&text));
    }

    /// Lines of several formats in any order, cut anywhere.
    #[test]
    fn what_only_looks_like_a_stack_is_read(picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4usize), 1..40)) {
        let texts = LINES.with(Clone::clone);
        let mut text = String::new();
        for (line, cut, how) in picks {
            let line = &texts[line.index(texts.len())];
            let at = line.floor_char_boundary(cut.index(line.len() + 1));
            match how {
                0 => text.push_str(&line[at..]),
                1 => text.push_str(&line[..at]),
                _ => text.push_str(line),
            }
            text.push('\n');
        }
        bounded(&read(&text));
        for format in &FORMATS {
            bounded(&(format.read)(&text));
        }
    }
}

thread_local! {
    static LINES: std::rc::Rc<Vec<String>> = std::rc::Rc::new(
        captured().iter().flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect(),
    );
}

fn bounded(chain: &[Exception<'_>]) {
    assert!(chain.len() <= EXCEPTIONS_MAX);
    assert!(chain.iter().all(|exception| exception.frames.len() <= FRAMES_MAX));
}

// What no runtime at hand could be made to print, as its maker documents it.

#[test]
fn dotnet_with_lines_and_inner_exceptions() {
    check(
        "Unhandled exception. System.AggregateException: One or more errors occurred. (no answer)
 ---> Shop.GatewayException: no answer
 ---> System.Net.Http.HttpRequestException: Connection refused (pg:443)
   at System.Net.Http.HttpConnectionPool.ConnectAsync(HttpRequestMessage request, Boolean async)
   at Shop.Gateway.<CallAsync>d__4.MoveNext() in /src/Shop/Gateway.cs:line 31
--- End of stack trace from previous location ---
   --- End of inner exception stack trace ---
   at Shop.Gateway.<>c__DisplayClass3_0.<Call>b__0() in /src/Shop/Gateway.cs:line 22
   --- End of inner exception stack trace ---
   at Shop.Stack`1.Pop() in C:\\src\\Shop\\Stack.cs:line 7
   at Shop.Order..ctor(Int32 number)
 ---> (Inner Exception #0) Shop.GatewayException: no answer
   at Shop.Other.Call()<---",
        expect![[r#"
            [System.AggregateException] One or more errors occurred. (no answer)
                Shop.Stack`1 | Pop | C:\src\Shop\Stack.cs:7
                Shop.Order | .ctor | 
            [Shop.GatewayException] no answer
                Shop.Gateway.<>c__DisplayClass3_0 | <Call>b__0 | /src/Shop/Gateway.cs:22
            [System.Net.Http.HttpRequestException] Connection refused (pg:443)
                (System.Net.Http.HttpConnectionPool | ConnectAsync | )
                Shop.Gateway.<CallAsync>d__4 | MoveNext | /src/Shop/Gateway.cs:31
        "#]],
    );
}

#[test]
fn java_as_loggers_print_it() {
    // Behind a line of the logger's own, with archives and omitted frames.
    check(
        "2026-11-23 07:00:05.176 ERROR 1 --- [nio-8080-exec-3] s.OrderController : checkout failed
shop.PaymentException: order 7
 is locked
\tat app//shop.Orders$Inner.pay(Orders.kt:21) ~[shop.jar!/:1.2]
\tat java.base@17.0.2/java.util.ArrayList.forEach(ArrayList.java:1511) [na:na]
\tat shop.Orders$$Lambda$14/0x00000008000c0440.run(Unknown Source)
\tSuppressed: java.io.IOException: not closed
\t\tat shop.Bill.close(Bill.java:3)
\tCaused by: java.lang.Error: disk
\t\tat shop.Disk.write(Disk.java:4)
\t... 12 common frames omitted
Caused by: java.lang.NullPointerException: null
\tat shop.Cart.total(Cart.java:9)
\t... 13 more
Caused by: java.lang.StackOverflowError",
        expect![[r#"
            [shop.PaymentException] order 7\n is locked
                shop.Orders$Inner | pay | Orders.kt:21
                java.util.ArrayList | forEach | ArrayList.java:1511
                shop.Orders$$Lambda$14/0x00000008000c0440 | run | 
            [java.lang.NullPointerException] null
                shop.Cart | total | Cart.java:9
            [java.lang.StackOverflowError] 
        "#]],
    );
    // The root cause first.
    check(
        "java.net.ConnectException: refused
\tat shop.Gateway.call(Gateway.java:8)
\t... 3 common frames omitted
Wrapped by: shop.PaymentException: not paid
\tat shop.Orders.pay(Orders.java:5)",
        expect![[r#"
            [shop.PaymentException] not paid
                shop.Orders | pay | Orders.java:5
            [java.net.ConnectException] refused
                shop.Gateway | call | Gateway.java:8
        "#]],
    );
    // A driver's exception, whose only frame of the application is one that it shares.
    check(
        "org.springframework.dao.DuplicateKeyException: PreparedStatementCallback
\tat org.springframework.jdbc.core.JdbcTemplate.execute(JdbcTemplate.java:658)
\tat shop.Bills.issue(Services.java:77)
\tat shop.Main.main(Main.java:5)
Caused by: org.h2.jdbc.JdbcSQLException: Unique index
\tat org.h2.message.DbException.getJdbcSQLException(DbException.java:520)
\t... 2 more",
        expect![[r#"
            [org.springframework.dao.DuplicateKeyException] PreparedStatementCallback
                org.springframework.jdbc.core.JdbcTemplate | execute | JdbcTemplate.java:658
                shop.Bills | issue | Services.java:77
                shop.Main | main | Main.java:5
            [org.h2.jdbc.JdbcSQLException] Unique index
                org.h2.message.DbException | getJdbcSQLException | DbException.java:520
                shop.Bills | issue | Services.java:77
                shop.Main | main | Main.java:5
        "#]],
    );
    // Elements, each as it prints itself.
    check(
        "shop.Orders.pay(Orders.java:21)\njava.base/java.lang.Thread.run(Thread.java:840)",
        expect![[r#"
            [] 
                shop.Orders | pay | Orders.java:21
                java.lang.Thread | run | Thread.java:840
        "#]],
    );
    check(
        "Exception in thread \"main\" Boom: gone\n\tat Main.main(Main.java:3)",
        expect![[r#"
            [Boom] gone
                Main | main | Main.java:3
        "#]],
    );
}

#[test]
fn node_as_it_is_printed() {
    check(
        "/app/shop.js:12
    throw new PaymentError('x')
    ^

PaymentError [ERR_PAYMENT]: card refused
    at Object.<anonymous> (/app/my shop/shop.js:12:11)
    at async Promise.all (index 0)
    at new Order (/app/node_modules/orm/index.js:1:2)
    at Module._compile (node:internal/modules/cjs/loader:1554:14) {
  code: 'ERR_PAYMENT',
  [cause]: Error: deep
      at deep (C:\\app\\deep.js:1:2) {
    [cause]: TypeError: deeper
        at webpack-internal:///./src/deeper.ts:3:4
  }
}

Node.js v20.20.2",
        expect![[r#"
            [PaymentError [ERR_PAYMENT]] card refused
                 | Object.<anonymous> | /app/my shop/shop.js:12
                ( | Promise.all | )
                ( | new Order | /app/node_modules/orm/index.js:1)
                ( | Module._compile | node:internal/modules/cjs/loader:1554)
            [Error] deep
                 | deep | C:\app\deep.js:1
            [TypeError] deeper
                 |  | webpack-internal:///./src/deeper.ts:3
        "#]],
    );
}

#[test]
fn python_as_it_is_logged() {
    check(
        "ERROR:shop:not paid
Traceback (most recent call last):
  File \"/venv/lib/python3.11/site-packages/flask/app.py\", line 1511, in wsgi_app
    response = self.full_dispatch_request()
  File \"/app/shop.py\", line 3, in pay
    pay()
  [Previous line repeated 996 more times]
shop.errors.PaymentError: not paid:
order 7
",
        expect![[r#"
            [shop.errors.PaymentError] not paid:\norder 7
                 | pay | /app/shop.py:3
                ( | wsgi_app | /venv/lib/python3.11/site-packages/flask/app.py:1511)
        "#]],
    );
    check(
        "  File \"<string>\", line 1\n    x =\n       ^\nSyntaxError: invalid syntax",
        expect![[r#"
            [SyntaxError] invalid syntax
                 |  | <string>:1
        "#]],
    );
}

#[test]
fn go_as_programs_and_libraries_print_it() {
    check(
        "2026/11/23 07:00:05 http: panic serving 127.0.0.1:4711: boom
goroutine 34 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1947 +0xbe
panic({0x6a4d40?, 0x75e9f0?})
\t/usr/local/go/src/runtime/panic.go:792 +0x132
github.com/shop/orders/v2.(*Store[...]).Pay.func1(...)
\t/build/orders/store.go:31
net/http.HandlerFunc.ServeHTTP(0x0?, {0x7a1f00?, 0xc0000f6000?}, 0x0?)
\t/usr/local/go/src/net/http/server.go:2294 +0x29
github.com/go-chi/chi/v5.(*Mux).ServeHTTP(0xc0000a4000)
\t/go/pkg/mod/github.com/go-chi/chi/v5@v5.2.1/mux.go:90 +0x2ee
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3454 +0x485

goroutine 1 [IO wait]:
main.main()
\t/build/main.go:9 +0x1d",
        expect![[r#"
            [] 2026/11/23 07:00:05 http: panic serving 127.0.0.1:4711: boom
                github.com/shop/orders/v2 | (*Store[...]).Pay.func1 | /build/orders/store.go:31
                (net/http | HandlerFunc.ServeHTTP | /usr/local/go/src/net/http/server.go:2294)
                (github.com/go-chi/chi/v5 | (*Mux).ServeHTTP | /go/pkg/mod/github.com/go-chi/chi/v5@v5.2.1/mux.go:90)
        "#]],
    );
    // `%+v` of an error that keeps its stack.
    check(
        "not found\nmain.find\n\t/app/main.go:12\nruntime.main\n\t/usr/local/go/src/runtime/proc.go:283",
        expect![[r#"
            [] not found
                main | find | /app/main.go:12
                (runtime | main | /usr/local/go/src/runtime/proc.go:283)
        "#]],
    );
    check(
        "panic: first [recovered]
\tpanic: second

goroutine 1 [running]:
main.main()
\t/app/main.go:9 +0x1d
exit status 2",
        expect![[r#"
            [panic] first
                main | main | /app/main.go:9
        "#]],
    );
}

#[test]
fn rust_errors_with_causes_and_older_panics() {
    check(
        "Error: order 7 was not paid

Caused by:
    0: no answer
    1: connection refused

Stack backtrace:
   0: anyhow::error::<impl core::convert::From<E> for anyhow::Error>::from
             at /home/ci/.cargo/registry/src/index/anyhow-1.0.98/src/backtrace.rs:27:14
   1: shop::gateway::call
             at ./src/gateway.rs:31:9",
        expect![[r#"
            [] order 7 was not paid
            [] no answer
            [] connection refused
                ( | anyhow::error::<impl core::convert::From<E> for anyhow::Error>::from | /home/ci/.cargo/registry/src/index/anyhow-1.0.98/src/backtrace.rs:27)
                 | shop::gateway::call | ./src/gateway.rs:31
        "#]],
    );
    check(
        "thread 'main' panicked at 'order 7 is gone', src/main.rs:4:5
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        expect![[r#"
            [panic] order 7 is gone
                 |  | src/main.rs:4
        "#]],
    );
    check(
        "thread 'main' (1) panicked at src/main.rs:4:41:
called `Result::unwrap()` on an `Err` value: order 7 was not paid

Caused by:
    0: no answer
    1: refused
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        expect![[r#"
            [panic] called `Result::unwrap()` on an `Err` value: order 7 was not paid
            [] no answer
            [] refused
                 |  | src/main.rs:4
        "#]],
    );
    check(
        "\nthread 'tokio-runtime-worker' (12) panicked at crates/shop/src/pay.rs:4:5:
order 7
is gone
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        expect![[r#"
            [panic] order 7\nis gone
                 |  | crates/shop/src/pay.rs:4
        "#]],
    );
}

#[test]
fn ruby_3_4_and_php_8_4_name_the_class() {
    check(
        "app/models/order.rb:12:in 'Shop::Order#pay': it's refused (Shop::PaymentError)
\tfrom app/models/order.rb:9:in 'block in Shop::Order.all'
\tfrom /usr/lib/ruby/gems/3.4.0/gems/rack-3.1/lib/rack.rb:5:in 'Rack::Handler#call'",
        expect![[r#"
            [Shop::PaymentError] it's refused
                 | Shop::Order#pay | app/models/order.rb:12
                 | block in Shop::Order.all | app/models/order.rb:9
                ( | Rack::Handler#call | /usr/lib/ruby/gems/3.4.0/gems/rack-3.1/lib/rack.rb:5)
        "#]],
    );
    check(
        "PHP Fatal error:  Uncaught Shop\\PaymentException: refused in /app/shop.php:21
Stack trace:
#0 /app/vendor/lib/run.php(3): {closure:Shop\\Order::pay():20}('a')
#1 {main}
  thrown in /app/shop.php on line 21",
        expect![[r#"
            [Shop\PaymentException] refused
                 | {closure:Shop\Order::pay():20} | /app/shop.php:21
                ( | {main} | /app/vendor/lib/run.php:3)
        "#]],
    );
}

#[test]
fn php_as_laravel_logs_it() {
    check(
        "[2026-11-23 07:00:05] production.ERROR: card refused {\"exception\":\"[object] (App\\Pay\\Refused(code: 0): card refused at /app/Pay.php:21)
[stacktrace]
#0 /app/Order.php(25): App\\Pay->pay('x')
#1 {main}
\"}",
        expect![[r#"
            [App\Pay\Refused] card refused
                App\Pay | pay | /app/Pay.php:21
                 | {main} | /app/Order.php:25
        "#]],
    );
}

#[test]
fn what_is_no_stack_stays_text() {
    for text in [
        "",
        "order 7 failed\n  at 12:30:45\n1: one\n2: two",
        "see file a.go:12\nat the end (of it)",
        "#1 priority: pay",
    ] {
        check(text, expect![""]);
    }
}

#[test]
fn a_client_knows_its_own_words() {
    let sent = |kinds: &[&'static str]| -> Vec<Exception<'static>> {
        kinds
            .iter()
            .map(|kind| Exception { kind: (*kind).into(), value: "sent".into(), ..Exception::default() })
            .collect()
    };
    let java: Text<'static> = "a.Outer: x\n\tat a.B.c(B.java:1)\nCaused by: a.Root: y\n\tat a.D.e(D.java:2)".into();
    let go: Text<'static> = "goroutine 1 [running]:\nmain.main()\n\t/app/main.go:9 +0x1d".into();
    let filled = |mut exceptions: Vec<Exception<'static>>, stack: &Text<'static>| {
        fill(&mut exceptions, Some(stack));
        let told = |exception: &Exception<'_>| {
            format!(
                "{} {} {}",
                exception.kind,
                exception.value,
                exception.frames.iter().map(|f| &*f.function).collect::<String>()
            )
        };
        exceptions.iter().map(told).collect::<Vec<_>>().join(" < ")
    };
    assert_eq!(filled(sent(&[]), &java), "a.Outer x c < a.Root y e");
    assert_eq!(filled(sent(&["Sent"]), &java), "Sent sent c < a.Root y e");
    assert_eq!(filled(sent(&["Sent", "Cause"]), &java), "Sent sent c < Cause sent e");
    // A text without a chain tells of the root.
    assert_eq!(filled(sent(&["Sent", "Cause"]), &go), "Sent sent  < Cause sent main");
    let mut with_frames = sent(&["Sent"]);
    with_frames[0].frames.push(frame("m", "f", "", None));
    assert_eq!(filled(with_frames, &java), "Sent sent f");
}

#[test]
fn deep_stacks_and_long_chains_are_bounded() {
    let deep = |line: &str, before: &str, after: &str| format!("{before}{}{after}", line.repeat(100_000));
    let python = deep("  File \"/app/a.py\", line 1, in f\n", "", "  File \"/app/b.py\", line 2, in last\nE: x");
    let told = read(&python);
    assert_eq!((told[0].frames.len(), &*told[0].frames[0].function), (FRAMES_MAX, "last"));
    let java = deep("Caused by: a.B: c\n\tat a.B.c(B.java:1)\n", "a.A: a\n\tat a.A.a(A.java:1)\n", "");
    assert_eq!(read(&java).len(), EXCEPTIONS_MAX);
    for text in [
        deep("    at f (/a/b.js:1:2)\n", "Error: x\n", ""),
        deep("#1 /a/b.php(1): f()\n", "#0 /a/b.php(1): f()\n", ""),
        deep("\tfrom a.rb:1:in `f'\n", "", ""),
        deep("main.f()\n\t/a/b.go:1 +0x1\n", "goroutine 1 [running]:\n", ""),
        deep("   1: f\n             at ./src/a.rs:1:2\n", "stack backtrace:\n", ""),
        deep("   at A.B.C() in /a/b.cs:line 1\n", "A.E: x\n", ""),
    ] {
        assert_eq!(read(&text)[0].frames.len(), FRAMES_MAX, "{}", &text[..40]);
    }
}
