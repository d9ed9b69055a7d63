//! The category of an exception whose client named none, by its class: Biz, Open API or Runtime.
//!
//! Promises: a fixed table, the same answer for the same classes whatever protocol brought them. Deliberately not here:
//! the client's own word, which goes before; each protocol looks it up where its clients put it.

use crate::event::Exception;

/// An application's own refusal.
const BIZ: &str = "Biz";
/// A call to another system that failed.
const OPEN_API: &str = "Open API";
/// Everything else.
const RUNTIME: &str = "Runtime";

/// Words in the name of a class with which applications mark their own refusals.
const BIZ_WORDS: [&str; 6] = ["Biz", "Business", "Service", "Domain", "Custom", "Api"];

/// Packages whose classes are nobody's own, however they are named (`ServiceUnavailableException`, `ApiException`).
const LIBRARIES: [&str; 28] = [
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.",
    "io.netty.",
    "io.grpc.",
    "io.lettuce.",
    "io.github.resilience4j.",
    "io.kubernetes.",
    "reactor.",
    "feign.",
    "com.amazonaws.",
    "software.amazon.",
    "com.google.",
    "com.azure.",
    "com.fasterxml.",
    "com.zaxxer.",
    "botocore.",
    "google.",
];

/// Classes of HTTP and RPC clients, by their simple name.
const CLIENT_CLASSES: [&str; 12] = [
    "FeignException",
    "RestClientException",
    "RestClientResponseException",
    "WebClientException",
    "WebClientRequestException",
    "WebClientResponseException",
    "HttpClientErrorException",
    "HttpServerErrorException",
    "UnknownHttpStatusCodeException",
    "ResourceAccessException",
    "StatusRuntimeException",
    "AxiosError",
];

/// Packages of HTTP and RPC clients.
const CLIENT_PACKAGES: [&str; 10] = [
    "feign.",
    "retrofit2.",
    "okhttp3.",
    "requests.exceptions.",
    "urllib3.exceptions.",
    "aiohttp.client_exceptions.",
    "httpx.",
    "httpcore.",
    "reqwest::",
    "reqwest.",
];

/// The category of a chain of exceptions, in any order. The first rule that any of them meets decides: an application
/// that answers a failed call with a refusal of its own has said what it is.
pub(crate) fn of(exceptions: &[Exception<'_>]) -> &'static str {
    if exceptions.iter().any(|exception| is_own_refusal(&exception.kind)) {
        BIZ
    } else if exceptions.iter().any(|exception| is_client(&exception.kind)) {
        OPEN_API
    } else {
        RUNTIME
    }
}

fn is_own_refusal(kind: &str) -> bool {
    let simple = kind.rsplit(['.', '$', ':', '\\']).next().unwrap_or(kind);
    (simple.ends_with("Exception") || simple.ends_with("Error"))
        && has_biz_word(simple)
        && !starts_with_any(kind, &LIBRARIES)
        && !is_client(kind)
}

/// Whether one of the words stands in the name as one of its humps: `ApiException`, `UserApiException`, not
/// `ApifyException`.
fn has_biz_word(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_hump = |at: usize, word: &str| {
        bytes[at..].starts_with(word.as_bytes()) && !bytes.get(at + word.len()).is_some_and(u8::is_ascii_lowercase)
    };
    // Each word begins with a capital, so most places in a name need no look.
    let mut capitals = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_uppercase());
    capitals.any(|at| BIZ_WORDS.iter().any(|word| is_hump(at, word)))
}

fn is_client(kind: &str) -> bool {
    starts_with_any(kind, &CLIENT_PACKAGES) || kind.split(['.', '$']).any(|segment| CLIENT_CLASSES.contains(&segment))
}

fn starts_with_any(kind: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| kind.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_tell_the_category() {
        let cases: [(&[&str], &str); 15] = [
            (&["com.shop.order.OutOfStockBizException"], BIZ),
            (&["com.shop.order.OrderServiceException"], BIZ),
            (&["BusinessError"], BIZ),
            (&["com.shop.PayBusinessException", "feign.FeignException$BadGateway"], BIZ),
            (&["jakarta.ws.rs.ServiceUnavailableException"], RUNTIME),
            (&["com.amazonaws.AmazonServiceException"], RUNTIME),
            (&["com.shop.ApifyException"], RUNTIME),
            (&["com.shop.ServiceLocator"], RUNTIME),
            (&["feign.FeignException$NotFound"], OPEN_API),
            (
                &["java.lang.RuntimeException", "org.springframework.web.client.HttpClientErrorException$NotFound"],
                OPEN_API,
            ),
            (&["requests.exceptions.ConnectionError"], OPEN_API),
            (&["com.shop.requests.exceptions.Missing"], RUNTIME),
            (&["AxiosError"], OPEN_API),
            (&["java.lang.NullPointerException"], RUNTIME),
            (&[], RUNTIME),
        ];
        for (kinds, wanted) in cases {
            let chain: Vec<Exception<'_>> =
                kinds.iter().map(|kind| Exception { kind: (*kind).into(), ..Exception::default() }).collect();
            assert_eq!(of(&chain), wanted, "{kinds:?}");
        }
    }
}
