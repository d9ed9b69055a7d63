//! The throw location: where in the application's own code it was thrown, as class and function.
//!
//! Promises: what the client gave counts; when it gave nothing, or only code that a runtime generated, the root cause's
//! frames decide. Line numbers never count: a deployment moves them. Deliberately not here: parsing of stack texts.

use std::borrow::Cow;

use super::{Version, crates, names, plain};
use crate::event::{Event, Frame};
use crate::normalize::trail::Trail;

/// Packages whose frames are never the application's, unless nothing else is left.
const FRAMEWORKS: &[&str] = &[
    "app.cash.",
    "ch.qos.logback.",
    "com.fasterxml.",
    "com.google.common.",
    "com.google.inject.",
    "com.sun.",
    "com.zaxxer.",
    "feign.",
    "groovy.lang.",
    "io.github.resilience4j.",
    "io.grpc.",
    "io.lettuce.",
    "io.micrometer.",
    "io.netty.",
    "io.opentelemetry.",
    "io.quarkus.",
    "io.smallrye.",
    "io.undertow.",
    "io.vertx.",
    "jakarta.",
    "java.",
    "javassist.",
    "javax.",
    "jdk.",
    "kotlin.",
    "kotlinx.",
    "net.bytebuddy.",
    "okhttp3.",
    "okio.",
    "org.apache.",
    "org.aspectj.",
    "org.codehaus.",
    "org.eclipse.",
    "org.hibernate.",
    "org.jboss.",
    "org.mockito.",
    "org.slf4j.",
    "org.springframework.",
    "reactor.",
    "redis.clients.",
    "retrofit2.",
    "scala.",
    "sun.",
];

/// More of them, since the second rule set: .NET, Node, Go, Elixir, and frameworks that Groovy and Scala bring along.
const FRAMEWORKS_SINCE_2: &[&str] = &[
    "Microsoft.",
    "System.",
    "akka.",
    "asyncio.",
    "brave.",
    "cats.",
    "clojure.",
    "co.elastic.",
    "com.amazonaws.",
    "com.azure.",
    "com.datastax.",
    "com.github.benmanes.",
    "com.github.luben.",
    "com.google.api.",
    "com.google.cloud.",
    "com.google.gson.",
    "com.google.protobuf.",
    "com.ibm.db2.",
    "com.microsoft.sqlserver.",
    "com.mongodb.",
    "com.mysql.",
    "com.netflix.",
    "com.nimbusds.",
    "com.p6spy.",
    "com.querydsl.",
    "com.rabbitmq.",
    "dev.failsafe.",
    "django.",
    "encoding/",
    "fastapi.",
    "flask.",
    "gevent.",
    "golang.org/x/",
    "google.golang.org/grpc",
    "graphql.",
    "io.jsonwebtoken.",
    "io.ktor.",
    "io.micronaut.",
    "io.r2dbc.",
    "io.reactivex.",
    "io.sentry.",
    "kafka.",
    "liquibase.",
    "net.sf.",
    "net/http",
    "node:",
    "oracle.",
    "org.bouncycastle.",
    "org.elasticsearch.",
    "org.flywaydb.",
    "org.h2.",
    "org.hsqldb.",
    "org.jooq.",
    "org.junit.",
    "org.mariadb.",
    "org.mybatis.",
    "org.postgresql.",
    "org.redisson.",
    "org.scalatest.",
    "org.sqlite.",
    "org.thymeleaf.",
    "org.yaml.",
    "play.api.",
    "rx.",
    "software.amazon.",
    "sqlalchemy.",
    "starlette.",
    "uvicorn.",
    "werkzeug.",
    "zio.",
];

/// Packages of Go's own, in the functions of frames that name no module.
const GO_STANDARD: &[&str] = &[
    "bufio",
    "bytes",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "encoding",
    "errors",
    "fmt",
    "hash",
    "io",
    "log",
    "math",
    "net",
    "os",
    "panic",
    "path",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
];

/// Where an interpreter and its packages lie.
const LIBRARY_FILES: &[&str] = &[
    "/dist-packages/",
    "/go/pkg/mod/",
    "/go/src/",
    "/lib/python3",
    "/rustc/",
    "/site-packages/",
    "/usr/lib/ruby/",
    "<frozen ",
    "node:internal",
    "node_modules/",
    "/ruby/gems/",
    "/bundle/gems/",
    "/vendor/",
];

/// How often a location is read again after a change, so that hostile input stays linear.
const ROUNDS: usize = 4;

/// The rule of classes made from a class of the application's own.
const CLASS_PROXY: &str = "class-proxy";

/// What only a runtime writes: a name, and the text it is recognised by in a class, a function or a file.
const GENERATED: &[(&str, &str)] = &[
    ("jdk-proxy", "$Proxy"),
    ("reflection-accessor", "GeneratedMethodAccessor"),
    ("reflection-accessor", "GeneratedConstructorAccessor"),
    ("reflection-accessor", "GeneratedSerializationConstructorAccessor"),
    ("reflection-accessor", "DirectMethodHandleAccessor"),
    ("reflection-accessor", "DirectConstructorHandleAccessor"),
    ("reflection-accessor", "NativeMethodAccessorImpl"),
    ("reflection-accessor", "NativeConstructorAccessorImpl"),
    ("reflection-accessor", "DelegatingMethodAccessorImpl"),
    ("reflection-accessor", "DelegatingConstructorAccessorImpl"),
    ("hidden-class", "LambdaForm$"),
    ("hidden-lambda", "$$Lambda"),
    (CLASS_PROXY, "$$FastClassBy"),
    (CLASS_PROXY, "<generated>"),
];

/// More of them, since the second rule set.
const GENERATED_SINCE_2: &[(&str, &str)] = &[
    ("groovy-call-site", "IndyInterface"),
    ("method-handle", "DirectMethodHandle$Holder"),
    ("method-handle", "DelegatingMethodHandle$Holder"),
    ("method-handle", "Invokers$Holder"),
    ("method-handle", "LambdaForm"),
    (CLASS_PROXY, "$$SpringCGLIB$$FastClass"),
];

/// The location as it is compared.
pub(super) fn normalized<'a>(version: Version, event: &'a Event<'_>, trail: &mut impl Trail) -> Cow<'a, str> {
    let given: &str = &event.attributes.location;
    // A proxy of a class still names the class and its function; only the file is generated.
    let generated = generated(version, given).filter(|rule| *rule != CLASS_PROXY);
    if !given.trim().is_empty() && generated.is_none() {
        return tidy(version, Cow::Borrowed(given), trail);
    }
    match place(version, event) {
        Some(frame) => {
            let mut chosen = text(frame);
            // The proxy of an interface names no class, but it does name the function that was called.
            if let Some(function) = proxied_function(given) {
                chosen.push_str(" > ");
                chosen.push_str(function);
            }
            trail.applied(generated.unwrap_or("no-location"), given, &chosen);
            tidy(version, Cow::Owned(chosen), trail)
        }
        None => tidy(version, Cow::Borrowed(given), trail),
    }
}

/// The frame of the root cause; where that has none of the application's own (a cause's frames may end where it was
/// caught), since the second rule set, of the next exception outwards that has one.
fn place<'e, 't>(version: Version, event: &'e Event<'t>) -> Option<&'e Frame<'t>> {
    let own = || event.exceptions.iter().rev().find_map(|exception| pick_own(version, &exception.frames));
    let outwards = if version >= Version::V2 { own() } else { None };
    outwards.or_else(|| pick_as(version, event.root().map_or(&[][..], |root| &root.frames)))
}

/// `findByOrderNo` of `com.sun.proxy.$Proxy45.findByOrderNo(Unknown Source)`.
fn proxied_function(text: &str) -> Option<&str> {
    let rest = text.split_once("$Proxy")?.1.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('.')?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    (end > 0).then_some(&rest[..end])
}

fn tidy<'a>(version: Version, text: Cow<'a, str>, trail: &mut impl Trail) -> Cow<'a, str> {
    let once = tidy_once(version, text, trail);
    if version < Version::V2 {
        return once;
    }
    // What a cut leaves behind may have two spaces, or begin with what was in the middle.
    let mut tidied = once;
    for _ in 0..ROUNDS {
        match tidy_once(version, Cow::Borrowed(&tidied), trail) {
            Cow::Borrowed(same) if same.len() == tidied.len() => break,
            other => tidied = Cow::Owned(other.into_owned()),
        }
    }
    tidied
}

fn tidy_once<'a>(version: Version, text: Cow<'a, str>, trail: &mut impl Trail) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => match plain::collapsed(text, trail) {
            Cow::Borrowed(text) => plain_name(version, text, trail),
            Cow::Owned(text) => Cow::Owned(plain_name(version, &text, trail).into_owned()),
        },
        Cow::Owned(text) => Cow::Owned(tidy_once(version, Cow::Borrowed(&text), trail).into_owned()),
    }
}

/// A cut may leave white space at an end.
fn plain_name<'t>(version: Version, text: &'t str, trail: &mut impl Trail) -> Cow<'t, str> {
    match names::plain(version, text, trail) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// The frame that stands for the place in the code, of frames that begin with the innermost: the first of the
/// application's own that is not generated; the client's word on what is its own counts most. When every frame is a
/// framework's, the innermost that is not generated.
pub fn pick<'f, 't>(frames: &'f [Frame<'t>]) -> Option<&'f Frame<'t>> {
    pick_as(Version::PRESENT, frames)
}

/// The same, by a rule set of choice.
pub fn pick_as<'f, 't>(version: Version, frames: &'f [Frame<'t>]) -> Option<&'f Frame<'t>> {
    pick_own(version, frames)
        .or_else(|| frames.iter().find(|frame| is_written(version, frame)))
        .or_else(|| frames.iter().find(|frame| !is_generated(version, frame) && !frame.function.is_empty()))
}

/// The first of the application's own.
fn pick_own<'f, 't>(version: Version, frames: &'f [Frame<'t>]) -> Option<&'f Frame<'t>> {
    let own = |frame: &&Frame<'_>| is_written(version, frame) && !is_framework(version, frame);
    let said = frames.iter().find(|frame| frame.in_app == Some(true) && own(frame));
    said.or_else(|| frames.iter().find(|frame| frame.in_app != Some(false) && own(frame)))
}

/// Whether somebody wrote it, and it says where.
fn is_written(version: Version, frame: &Frame<'_>) -> bool {
    let placed = !(frame.module.is_empty() && frame.file.is_empty()) || crates::is_path(&frame.function);
    placed && !is_generated(version, frame)
}

/// A frame as text, as it stands: class and function, or file and function where neither names a class.
pub fn text(frame: &Frame<'_>) -> String {
    let function: &str = &frame.function;
    match (&*frame.module, &*frame.file) {
        ("", _) if crates::is_path(function) => function.to_owned(),
        ("", "") => function.to_owned(),
        ("", file) if function.is_empty() => file.to_owned(),
        ("", file) => format!("{file} in {function}"),
        (module, _) if function.is_empty() => module.to_owned(),
        (module, _) => format!("{module}.{function}"),
    }
}

/// The text of the frame that stands for the place in the code.
pub fn of_frames(frames: &[Frame<'_>]) -> Option<String> {
    of_frames_as(Version::PRESENT, frames)
}

/// The same, by a rule set of choice.
pub fn of_frames_as(version: Version, frames: &[Frame<'_>]) -> Option<String> {
    pick_as(version, frames).map(text)
}

fn is_framework(version: Version, frame: &Frame<'_>) -> bool {
    let module = frame
        .module
        .rsplit_once('/')
        .filter(|(loader, _)| !loader.contains("/"))
        .map_or(&*frame.module, |(_, name)| name);
    let known = match module {
        "" => crates::is_framework(&frame.function),
        _ => FRAMEWORKS.iter().any(|package| module.starts_with(package)),
    };
    known || version >= Version::V2 && is_library(frame)
}

/// What the second rule set knows besides. A file decides only where the client does not say whose the frame is.
fn is_library(frame: &Frame<'_>) -> bool {
    let module = &*frame.module;
    let file = &*frame.file;
    let listed = FRAMEWORKS_SINCE_2.iter().any(|package| module.starts_with(package));
    let installed = frame.in_app.is_none()
        && (file.starts_with("node:") || LIBRARY_FILES.iter().any(|folder| file.contains(folder)));
    let go = || {
        let function = if module.is_empty() { &*frame.function } else { module };
        let package = function.split(['.', '/']).next().unwrap_or("");
        file.ends_with(".go") && GO_STANDARD.contains(&package)
    };
    listed || installed || frame.in_app.is_none() && go()
}

fn is_generated(version: Version, frame: &Frame<'_>) -> bool {
    [&frame.module, &frame.function, &frame.file].into_iter().any(|part| generated(version, part).is_some())
}

/// For each first byte, the marks that begin with it, as bits; the later marks behind the first ones.
static MARKS: [u32; 256] = {
    let (mut marks, mut i) = ([0; 256], 0);
    while i < GENERATED.len() + GENERATED_SINCE_2.len() {
        marks[mark(i).1.as_bytes()[0] as usize] |= 1 << i;
        i += 1;
    }
    marks
};

const fn mark(i: usize) -> (&'static str, &'static str) {
    if i < GENERATED.len() { GENERATED[i] } else { GENERATED_SINCE_2[i - GENERATED.len()] }
}

/// The rule that says a text names generated code only.
fn generated(version: Version, text: &str) -> Option<&'static str> {
    let known = if version >= Version::V2 { u32::MAX } else { (1 << GENERATED.len()) - 1 };
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let mut marks = MARKS[*byte as usize] & known;
        while marks != 0 {
            let (rule, mark) = mark(marks.trailing_zeros() as usize);
            // Weld writes `$Proxy$_$$_` behind a class of the application's own.
            if bytes[at..].starts_with(mark.as_bytes()) && !bytes[at..].starts_with(b"$Proxy$_") {
                return Some(rule);
            }
            marks &= marks - 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame<'t>(module: &'t str, function: &'t str, in_app: Option<bool>) -> Frame<'t> {
        Frame { module: module.into(), function: function.into(), in_app, ..Frame::default() }
    }

    #[test]
    fn every_mark_of_generated_code_is_recognised() {
        for (rule, mark) in GENERATED {
            assert_eq!(generated(Version::V1, &format!("a.b.{mark}x")), Some(*rule));
        }
        for (rule, mark) in GENERATED_SINCE_2 {
            assert!(generated(Version::V2, &format!("a.b.{mark}x")).is_some(), "{rule}");
        }
        assert_eq!(generated(Version::V2, "a.Cart$30$Proxy$_$$_WeldClientProxy.add"), None);
    }

    #[test]
    fn the_first_frame_of_the_applications_own_is_the_place() {
        let frames = [
            frame("jdk.proxy2.$Proxy107", "save", Some(true)),
            frame("java.base/java.util.ArrayList", "get", Some(false)),
            frame("org.springframework.aop.framework.CglibAopProxy", "intercept", None),
            frame("shop.OrderService$$SpringCGLIB$$0", "save", Some(true)),
            frame("shop.OrderController", "create", Some(true)),
        ];
        assert_eq!(of_frames(&frames).as_deref(), Some("shop.OrderService$$SpringCGLIB$$0.save"));
        assert_eq!(of_frames(&frames[..3]).as_deref(), Some("java.base/java.util.ArrayList.get"));
        assert_eq!(of_frames(&frames[..1]), None);
        assert_eq!(of_frames(&[]), None);
    }

    #[test]
    fn the_clients_word_on_what_is_its_own_counts_most() {
        let frames = [frame("lib.Pool", "take", None), frame("shop.Order", "save", Some(true))];
        assert_eq!(of_frames(&frames).as_deref(), Some("shop.Order.save"));
        let frames = [frame("lib.Pool", "take", Some(false)), frame("shop.Order", "save", None)];
        assert_eq!(of_frames(&frames).as_deref(), Some("shop.Order.save"));
    }

    #[test]
    fn what_a_panic_runs_through_is_not_the_place() {
        let frame = |function: &'static str, file: &'static str, in_app| Frame {
            function: function.into(),
            file: file.into(),
            in_app: Some(in_app),
            ..Frame::default()
        };
        let frames = [
            frame("sentry_panic::panic_handler", "", true),
            frame("rust_begin_unwind", "panicking.rs", true),
            frame("core::panicking::panic_fmt", "panicking.rs", false),
            frame("shop::order::Order::save", "order.rs", true),
            frame("<F as axum::handler::Handler<(M,T1),S>>::call::{{closure}}", "mod.rs", true),
        ];
        assert_eq!(of_frames(&frames).as_deref(), Some("shop::order::Order::save"));
        // Without debug information there are no files.
        let bare = frames.map(|frame| Frame { file: "".into(), ..frame });
        assert_eq!(of_frames(&bare).as_deref(), Some("shop::order::Order::save"));
        assert_eq!(of_frames(&bare[..3]).as_deref(), Some("sentry_panic::panic_handler"));
    }

    #[test]
    fn without_a_class_the_file_names_the_place() {
        let frames = [Frame { file: "app/user.rb".into(), function: "save".into(), ..Frame::default() }];
        assert_eq!(of_frames(&frames).as_deref(), Some("app/user.rb in save"));
    }
}
