//! How names of Eureka become names here, and back.

use std::fmt::Write;
use whither_model::name::BadName;
use whither_model::{InstanceId, ServiceName};

/// The service that clients of Eureka call so: `WEB` is `default/web`, and `RECOS.PROD` is `prod/recos`, as in DNS.
///
/// # Errors
/// It cannot be a name here.
pub(crate) fn service(app: &str) -> Result<ServiceName, BadName> {
    let app = app.to_ascii_lowercase();
    match app.split_once('.') {
        Some((service, namespace)) => ServiceName::new(namespace, service),
        None => app.parse(),
    }
}

/// What clients of Eureka call a service.
pub(crate) fn app(name: &ServiceName) -> String {
    let mut app = name.service().to_ascii_uppercase();
    if name.namespace() != ServiceName::DEFAULT_NAMESPACE {
        app.push('.');
        app.push_str(&name.namespace().to_ascii_uppercase());
    }
    app
}

/// An instance's id here: what no id may hold is escaped.
///
/// # Errors
/// It is empty or too long.
pub(crate) fn instance(id: &str) -> Result<InstanceId, BadName> {
    let mut text = String::with_capacity(id.len());
    for c in id.chars() {
        if c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '%' | '~') {
            text.push(c);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            let _ = write!(text, "~{byte:02x}");
        }
    }
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for (eureka, here) in [("WEB", "default/web"), ("Web", "default/web"), ("RECOS.PROD", "prod/recos")] {
            let name = service(eureka).unwrap();
            assert_eq!(name.as_str(), here);
            assert_eq!(app(&name), eureka.to_ascii_uppercase());
        }
        assert!(service("A.B.C").is_err() && service("").is_err() && service("A B").is_err());
    }

    #[test]
    fn ids_are_spelled_so_that_they_may_be_ids() {
        assert_eq!(instance("host:web:8080").unwrap().as_str(), "host:web:8080");
        assert_eq!(instance("a/b c~").unwrap().as_str(), "a~2fb~20c~7e");
        assert!(instance("").is_err());
    }
}
