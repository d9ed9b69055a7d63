//! Crates: whose code a Rust frame is.
//!
//! Rust's frames name no class beside the function; the function is the whole path (`shop::order::save`, `<shop::Order
//! as core::clone::Clone>::clone`). SDKs call every crate that they do not know the application's own, the panic's own
//! machinery included. Deliberately not here: closures and symbol hashes; `names` takes those away.

/// The runtime, the SDKs, and the frameworks that stand between the runtime and an application.
const FRAMEWORKS: &[&str] = &[
    "__rustc",
    "actix_http",
    "actix_rt",
    "actix_server",
    "actix_service",
    "actix_web",
    "alloc",
    "anyhow",
    "async_std",
    "axum",
    "axum_core",
    "backtrace",
    "color_eyre",
    "core",
    "eyre",
    "futures",
    "futures_core",
    "futures_executor",
    "futures_util",
    "h2",
    "hyper",
    "hyper_util",
    "log",
    "mio",
    "opentelemetry",
    "rayon",
    "rayon_core",
    "reqwest",
    "rocket",
    "sentry",
    "sentry_actix",
    "sentry_anyhow",
    "sentry_backtrace",
    "sentry_core",
    "sentry_log",
    "sentry_opentelemetry",
    "sentry_panic",
    "sentry_slog",
    "sentry_tower",
    "sentry_tracing",
    "sentry_types",
    "smol",
    "std",
    "test",
    "tokio",
    "tokio_util",
    "tonic",
    "tower",
    "tower_http",
    "tower_service",
    "tracing",
    "tracing_core",
    "tracing_subscriber",
    "warp",
];

/// What the runtime's functions without a crate begin with.
const RUNTIME: [&str; 4] = ["__rust", "___rust", "rust_begin_unwind", "rust_panic"];

/// Whether a function's name says by itself where it is: a path (Rust, C++, Perl) or a class with its method (PHP).
pub(super) fn is_path(function: &str) -> bool {
    function.contains("::")
}

/// Whether a function is the runtime's or a framework's, by its path.
pub(super) fn is_framework(function: &str) -> bool {
    match crate_of(function) {
        Some(name) => FRAMEWORKS.binary_search(&name).is_ok(),
        None => RUNTIME.iter().any(|begin| function.starts_with(begin)),
    }
}

/// The crate that a path begins in: of a method of a trait the crate of the type, or of the trait where the type is a
/// parameter (`<F as axum::handler::Handler>::call`) or a tuple or pointer.
fn crate_of(function: &str) -> Option<&str> {
    let path = function.trim_start_matches(['_', '<', '&']);
    let path = if function.starts_with("__") { function } else { path };
    let path = path.strip_prefix("mut ").or_else(|| path.strip_prefix("dyn ")).unwrap_or(path);
    let end = path.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    // Older compilers write `..` for `::` between a type's brackets.
    if !name.is_empty() && (rest.starts_with("::") || rest.starts_with("..")) {
        return Some(name);
    }
    let (_, of_trait) = path.split_once(" as ")?;
    let end = of_trait.find("::").or_else(|| of_trait.find(".."))?;
    Some(&of_trait[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_its_crate() {
        let cases = [
            ("shop::order::save", Some("shop")),
            ("<shop::Order as core::clone::Clone>::clone", Some("shop")),
            ("_<shop..Order as core..clone..Clone>::clone", Some("shop")),
            ("<&shop::Order as core::fmt::Debug>::fmt", Some("shop")),
            ("<F as axum::handler::Handler<(M,T1),S>>::call::{{closure}}", Some("axum")),
            ("<(A, B) as shop::Total>::sum", Some("shop")),
            ("__rustc::rust_begin_unwind", Some("__rustc")),
            ("rust_begin_unwind", None),
            ("main", None),
            ("", None),
            ("<", None),
        ];
        for (function, wanted) in cases {
            assert_eq!(crate_of(function), wanted, "{function}");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(FRAMEWORKS.is_sorted());
    }

    #[test]
    fn the_runtime_and_frameworks_are_nobodys_own() {
        for function in ["__rust_try", "rust_panic", "std::panicking::panic_fmt", "<alloc::boxed::Box<F> as a::B>::c"] {
            assert!(is_framework(function), "{function}");
        }
        for function in ["shop::main", "main", "standard::of", "<shop::A as tower::Service<R>>::call"] {
            assert!(!is_framework(function), "{function}");
        }
    }
}
