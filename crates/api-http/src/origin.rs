//! Web pages elsewhere must not command an agent: a browser on its host reaches loopback as easily as its user does.

use crate::problem::{Problem, Slug};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses requests that change something and that a browser sent for a page of another origin (Fetch Metadata, and the
/// `Origin` header of RFC 6454 for browsers without it). Programs send neither header.
///
/// Holds over a Unix socket too. No browser opens one, and there the mode of the file says who may ask; but a proxy that passes
/// requests on from a port to the socket brings the browsers back, and their headers with them. What `Host` says does not matter
/// to anything else here, so clients of the socket may write into it what they like.
pub(crate) async fn refuse_foreign_pages(request: Request, next: Next) -> Response {
    if request.method().is_safe() || !is_foreign(request.headers()) {
        return next.run(request).await;
    }
    let detail =
        "a web page of another origin may not change anything here; use a program, or a page this agent serves";
    Problem::new(Slug::ForeignPage, detail).into_response()
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_none() || authority != text(HOST.as_str())
        }
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_foreign;
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let entry = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(entry).collect()
    }

    #[test]
    fn programs_and_own_pages_pass_and_foreign_pages_do_not() {
        assert!(!is_foreign(&headers(&[("host", "localhost:7601")])));
        assert!(!is_foreign(&headers(&[("sec-fetch-site", "same-origin")])));
        assert!(!is_foreign(&headers(&[("host", "localhost:7601"), ("origin", "http://localhost:7601")])));
        assert!(is_foreign(&headers(&[("sec-fetch-site", "cross-site")])));
        assert!(is_foreign(&headers(&[("sec-fetch-site", "same-site"), ("origin", "http://localhost:7601")])));
        assert!(is_foreign(&headers(&[("host", "localhost:7601"), ("origin", "https://evil.example")])));
        assert!(is_foreign(&headers(&[("host", "localhost:7601"), ("origin", "null")])));
    }
}
