//! How a service is spelled in DNS.

use whither_model::ServiceName;

/// The whole name of `service` in `zone`, without final dot: `recos.prod.whither`.
pub(super) fn full(service: &ServiceName, zone: &str) -> String {
    let zone = zone.trim_matches('.').to_ascii_lowercase();
    // A namespace of one of these names has only the long form: the labels are markers in the short one.
    let long = if matches!(service.namespace(), "node" | "service") { "service." } else { "" };
    format!("{}.{}.{long}{zone}", service.service(), service.namespace())
}

/// Whether the zone that denies a name is that of the services, or one below it.
pub(super) fn is_own_zone(denied_by: &str, zone: &str) -> bool {
    let (by, own) = (denied_by.trim_matches('.').to_ascii_lowercase(), zone.trim_matches('.').to_ascii_lowercase());
    by == own || by.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('.'))
}
