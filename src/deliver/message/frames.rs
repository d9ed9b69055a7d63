//! The frames worth showing: the application's own, of the cause nearest to the root that has any.
//!
//! Promises: the client's word (`in_app`) goes before ours; generated code is never shown. Deliberately not here: which
//! frame decides sameness; that is a versioned rule of its own, while this is for reading only and may change freely.

use crate::event::{Event, Exception, Frame};

use super::super::text;

/// Frames of one message.
const FRAMES_MAX: usize = 5;
/// Characters of one frame.
const FRAME_CHARS: usize = 160;

/// Where frameworks, drivers and run-times live: the beginning of a module, of a function without one, or a part of a
/// file's path.
const FOREIGN_PREFIXES: [&str; 43] = [
    "java.",
    "java.base/",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "groovy.",
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.",
    "org.jboss.",
    "org.postgresql.",
    "org.mariadb.",
    "org.aspectj.",
    "com.mysql.",
    "com.zaxxer.",
    "com.fasterxml.",
    "com.google.",
    "com.querydsl.",
    "oracle.",
    "io.netty.",
    "io.lettuce.",
    "io.undertow.",
    "io.micrometer.",
    "io.opentelemetry.",
    "io.sentry.",
    "reactor.",
    "redis.clients.",
    "okhttp3.",
    "feign.",
    "runtime.",
    "net/http.",
    "std::",
    "core::",
    "alloc::",
    "tokio::",
    "hyper::",
    "node:",
];
const FOREIGN_PATHS: [&str; 8] = [
    "/site-packages/",
    "/dist-packages/",
    "/lib/python",
    "node_modules/",
    "node:internal",
    "/rustc/",
    "/.cargo/registry/",
    "/go/pkg/mod/",
];
const GENERATED: [&str; 10] = [
    "$$",
    "$Proxy",
    "CGLIB",
    "ByteBuddy",
    "_jvst",
    "<generated>",
    "GeneratedMethodAccessor",
    "GeneratedConstructorAccessor",
    "LambdaForm",
    "$HibernateProxy",
];

/// At most five application frames, the throwing one first. Empty when no exception has any: frames of a framework
/// tell nothing about whose turn it is.
pub(crate) fn application_frames<'e>(event: &'e Event<'static>) -> Vec<&'e Frame<'static>> {
    let of = |exception: &'e Exception<'static>| -> Vec<&'e Frame<'static>> {
        let client_knows = exception.frames.iter().any(|frame| frame.in_app == Some(true));
        let own = |frame: &&Frame<'static>| match client_knows {
            true => frame.in_app == Some(true),
            false => frame.in_app != Some(false) && !foreign(&frame.module, &frame.function, &frame.file),
        };
        let named = |frame: &&Frame<'static>| !(frame.module.is_empty() && frame.function.is_empty());
        exception.frames.iter().filter(named).filter(own).filter(|frame| !generated(frame)).take(FRAMES_MAX).collect()
    };
    event.exceptions.iter().rev().map(of).find(|frames| !frames.is_empty()).unwrap_or_default()
}

/// The same frames as lines; from the stack as text when the client sent no structured ones.
pub(super) fn lines(event: &Event<'static>) -> Vec<String> {
    if event.exceptions.iter().any(|exception| !exception.frames.is_empty()) {
        return application_frames(event).into_iter().map(line).collect();
    }
    event.stacktrace.as_deref().map(lines_of_text).unwrap_or_default()
}

/// `com.acme.PayService.pay (PayService.kt:41)`
fn line(frame: &Frame<'_>) -> String {
    let separator = if frame.module.is_empty() || frame.function.is_empty() { "" } else { "." };
    // Some clients repeat the module in the function's name.
    let module = if frame.function.starts_with(&*frame.module) { "" } else { &*frame.module };
    let separator = if module.is_empty() { "" } else { separator };
    let place = match (&*frame.file, frame.line) {
        ("", None) => String::new(),
        ("", Some(line)) => format!(" (:{line})"),
        (file, None) => format!(" ({file})"),
        (file, Some(line)) => format!(" ({file}:{line})"),
    };
    text::line(&format!("{module}{separator}{}{place}", frame.function), FRAME_CHARS)
}

/// The `at …` lines of a printed stack, of its last cause: Java, Kotlin, Scala, JavaScript, C#.
fn lines_of_text(stack: &str) -> Vec<String> {
    let root = stack.rfind("Caused by: ").map_or(stack, |at| &stack[at..]);
    root.lines()
        .filter_map(|line| line.trim_start().strip_prefix("at "))
        .filter(|frame| !foreign(frame, frame, frame) && !GENERATED.iter().any(|mark| frame.contains(mark)))
        .take(FRAMES_MAX)
        .map(|frame| text::line(frame, FRAME_CHARS))
        .collect()
}

fn foreign(module: &str, function: &str, file: &str) -> bool {
    let name = if module.is_empty() { function } else { module };
    FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || FOREIGN_PATHS.iter().any(|part| file.contains(part))
}

fn generated(frame: &Frame<'_>) -> bool {
    GENERATED.iter().any(|mark| [&frame.module, &frame.function, &frame.file].iter().any(|part| part.contains(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(place: &str, in_app: Option<bool>) -> Frame<'static> {
        let (module, function) = place.rsplit_once('.').unwrap_or(("", place));
        Frame {
            module: module.to_owned().into(),
            function: function.to_owned().into(),
            file: "F.kt".into(),
            line: Some(7),
            in_app,
        }
    }

    fn shown(chain: &[&[Frame<'static>]]) -> Vec<String> {
        let exceptions =
            chain.iter().map(|frames| Exception { frames: frames.to_vec(), ..Exception::default() }).collect();
        lines(&Event { exceptions, ..Event::default() })
    }

    #[test]
    fn framework_and_generated_frames_are_left_out() {
        let frames = [
            frame("java.util.Objects.requireNonNull", None),
            frame("com.acme.Pay$$SpringCGLIB$$0.pay", None),
            frame("com.acme.Pay.pay", None),
            frame("org.springframework.aop.Proxy.invoke", None),
            frame("com.acme.Order.pay", None),
        ];
        assert_eq!(shown(&[&frames]), ["com.acme.Pay.pay (F.kt:7)", "com.acme.Order.pay (F.kt:7)"]);
    }

    #[test]
    fn the_client_knows_best_which_frames_are_its_own() {
        let frames = [frame("com.lib.A.a", None), frame("com.acme.B.b", Some(true)), frame("com.lib.C.c", Some(false))];
        assert_eq!(shown(&[&frames]), ["com.acme.B.b (F.kt:7)"]);
        assert_eq!(
            shown(&[&[frame("com.lib.C.c", Some(false)), frame("com.acme.B.b", None)]]),
            ["com.acme.B.b (F.kt:7)"]
        );
    }

    #[test]
    fn the_cause_nearest_to_the_root_with_own_frames_is_shown() {
        let outer = [frame("com.acme.Order.pay", None)];
        let root = [frame("java.net.Socket.read", None)];
        assert_eq!(shown(&[&outer, &root]), ["com.acme.Order.pay (F.kt:7)"]);
        assert_eq!(shown(&[&root]), Vec::<String>::new());
    }

    #[test]
    fn five_at_most() {
        let frames: Vec<_> = (0..20).map(|i| frame(&format!("com.acme.A.f{i}"), None)).collect();
        assert_eq!(shown(&[&frames]).len(), 5);
    }

    #[test]
    fn a_module_is_not_said_twice() {
        let frames = [Frame { module: "shop".into(), function: "shop::pay".into(), ..Frame::default() }];
        assert_eq!(shown(&[&frames]), ["shop::pay"]);
    }

    #[test]
    fn a_printed_stack_is_read_from_its_last_cause() {
        let stack = "java.lang.RuntimeException: a\n\tat com.acme.A.a(A.java:1)\nCaused by: java.io.IOException: b\n\
                     \tat java.base/java.io.X.x(X.java:1)\n\tat java.io.Y.y(Y.java:2)\n\tat com.acme.B.b(B.java:2)\n\t... 3 more";
        let event = Event { stacktrace: Some(stack.into()), ..Event::default() };
        assert_eq!(lines(&event), ["com.acme.B.b(B.java:2)"]);
    }
}
