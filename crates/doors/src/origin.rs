//! Web pages elsewhere must not command an agent: a browser on its host reaches loopback as easily as its user does.

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

/// Whether a browser sent a request for a page of another origin (Fetch Metadata, and the `Origin` header of RFC 6454 for browsers
/// without it). Such a request must not change anything. Programs send neither header.
///
/// Holds over a Unix socket too. No browser opens one, and there the mode of the file says who may ask; but a proxy that passes
/// requests on from a port to the socket brings the browsers back, and their headers with them. What `Host` says does not matter
/// to anything else here, so clients of the socket may write into it what they like.
#[must_use]
pub fn is_foreign_page(headers: &HeaderMap) -> bool {
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
    use super::is_foreign_page;
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let entry = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(entry).collect()
    }

    #[test]
    fn programs_and_own_pages_pass_and_foreign_pages_do_not() {
        assert!(!is_foreign_page(&headers(&[("host", "localhost:7601")])));
        assert!(!is_foreign_page(&headers(&[("sec-fetch-site", "same-origin")])));
        assert!(!is_foreign_page(&headers(&[("host", "localhost:7601"), ("origin", "http://localhost:7601")])));
        assert!(is_foreign_page(&headers(&[("sec-fetch-site", "cross-site")])));
        assert!(is_foreign_page(&headers(&[("sec-fetch-site", "same-site"), ("origin", "http://localhost:7601")])));
        assert!(is_foreign_page(&headers(&[("host", "localhost:7601"), ("origin", "https://evil.example")])));
        assert!(is_foreign_page(&headers(&[("host", "localhost:7601"), ("origin", "null")])));
    }
}
