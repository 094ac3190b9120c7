//! What is answered: JSON to whoever accepts it, XML to everybody else.

use crate::show::{Application, Instance, LEASE_SECS, RENEWAL_SECS, hash_code};
use crate::xml::Xml;
use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

/// An answer.
pub(crate) type Reply = hyper::Response<Full<Bytes>>;

const DATA_CENTER: &str = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";

/// An error as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    text: String,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// Nobody is registered so: clients then register again.
    pub(crate) fn unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "")
    }

    pub(crate) fn reply(self) -> Reply {
        let mut reply = Reply::new(Full::new(self.text.into()));
        *reply.status_mut() = self.status;
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        reply
    }
}

impl From<whither_model::Refusal> for Refused {
    fn from(refusal: whither_model::Refusal) -> Self {
        use whither_model::Refusal;
        let status = match &refusal {
            Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<whither_model::Invalid> for Refused {
    fn from(invalid: whither_model::Invalid) -> Self {
        Self::bad(invalid.to_string())
    }
}

impl From<whither_model::name::BadName> for Refused {
    fn from(bad: whither_model::name::BadName) -> Self {
        Self::bad(bad.to_string())
    }
}

/// An answer without a body.
pub(crate) fn done(status: StatusCode) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = status;
    reply
}

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Json,
    Xml,
}

impl Form {
    /// As the client accepts it; JSON only if it says so.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepts.into_iter().any(|value| value.contains("json")) { Self::Json } else { Self::Xml }
    }

    fn reply(self, body: Vec<u8>) -> Reply {
        self.marked(Full::new(body.into()))
    }

    /// An answer in this form that is encoded already.
    pub(crate) fn marked(self, body: Full<Bytes>) -> Reply {
        let mut reply = Reply::new(body);
        let kind = match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        };
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        reply
    }

    /// Services, with the hash code of all there are.
    pub(crate) fn applications(self, applications: &[Application], all: &str) -> Reply {
        self.reply(self.encoded(applications, all))
    }

    /// The same, without what makes it an answer.
    pub(crate) fn encoded(self, applications: &[Application], all: &str) -> Vec<u8> {
        match self {
            Self::Json => to_json(&json!({
                "applications": {
                    "versions__delta": "1",
                    "apps__hashcode": all,
                    "application": applications.iter().map(application_json).collect::<Vec<_>>(),
                }
            })),
            Self::Xml => {
                let mut xml = Xml::default();
                xml.open("applications");
                xml.text("versions__delta", "1");
                xml.text("apps__hashcode", all);
                applications.iter().for_each(|application| application_xml(&mut xml, application));
                xml.close("applications");
                xml.done()
            }
        }
    }

    /// Services that are all there are.
    pub(crate) fn everything(self, applications: &[Application]) -> Reply {
        self.applications(applications, &hash_code(applications))
    }

    pub(crate) fn application(self, application: &Application) -> Reply {
        match self {
            Self::Json => self.json(&json!({ "application": application_json(application) })),
            Self::Xml => {
                let mut xml = Xml::default();
                application_xml(&mut xml, application);
                self.reply(xml.done())
            }
        }
    }

    pub(crate) fn instance(self, instance: &Instance) -> Reply {
        match self {
            Self::Json => self.json(&json!({ "instance": instance_json(instance) })),
            Self::Xml => {
                let mut xml = Xml::default();
                instance_xml(&mut xml, instance);
                self.reply(xml.done())
            }
        }
    }

    fn json(self, value: &Value) -> Reply {
        self.reply(to_json(value))
    }
}

fn to_json(value: &Value) -> Vec<u8> {
    // What is serialized here has no keys but texts, and cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

fn application_json(application: &Application) -> Value {
    let instances: Vec<Value> = application.instances.iter().map(instance_json).collect();
    json!({ "name": application.name, "instance": instances })
}

fn instance_json(instance: &Instance) -> Value {
    let said = &instance.said;
    let port = |(number, on): (u16, bool)| json!({ "$": number, "@enabled": on.to_string() });
    let metadata: Map<String, Value> =
        instance.metadata.iter().map(|(key, value)| (key.to_string(), (&**value).into())).collect();
    let mut value = json!({
        "instanceId": instance.id,
        "hostName": said.host,
        "app": instance.app,
        "ipAddr": instance.ip,
        "status": instance.status,
        "overriddenStatus": overridden(instance),
        "port": port(instance.port),
        "securePort": port(instance.secure_port),
        "countryId": 1,
        "dataCenterInfo": { "@class": DATA_CENTER, "name": "MyOwn" },
        "leaseInfo": {
            "renewalIntervalInSecs": said.renewal.unwrap_or(RENEWAL_SECS),
            "durationInSecs": instance.lease_secs,
            "registrationTimestamp": instance.registered,
            "lastRenewalTimestamp": instance.updated,
            "evictionTimestamp": 0,
            "serviceUpTimestamp": instance.registered,
        },
        "metadata": metadata,
        "vipAddress": said.vip,
        "isCoordinatingDiscoveryServer": "false",
        "lastUpdatedTimestamp": instance.updated.to_string(),
        "lastDirtyTimestamp": said.dirty.unwrap_or(instance.updated).to_string(),
        "actionType": instance.action.as_str(),
    });
    for (name, text) in optional(instance) {
        value[name] = text.into();
    }
    value
}

fn overridden(instance: &Instance) -> &str {
    instance.said.overridden.as_deref().unwrap_or("UNKNOWN")
}

/// What is there if somebody said it.
fn optional(instance: &Instance) -> impl Iterator<Item = (&'static str, &str)> {
    let said = &instance.said;
    [
        ("appGroupName", &*said.group),
        ("homePageUrl", &said.home),
        ("statusPageUrl", &said.status_page),
        ("healthCheckUrl", &said.health_check),
        ("secureHealthCheckUrl", &said.secure_health_check),
        ("secureVipAddress", &said.secure_vip),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
}

fn application_xml(xml: &mut Xml, application: &Application) {
    xml.open("application");
    xml.text("name", &application.name);
    application.instances.iter().for_each(|instance| instance_xml(xml, instance));
    xml.close("application");
}

fn instance_xml(xml: &mut Xml, instance: &Instance) {
    let said = &instance.said;
    xml.open("instance");
    xml.text("instanceId", &instance.id);
    xml.text("hostName", &said.host);
    xml.text("app", &instance.app);
    xml.text("ipAddr", &instance.ip);
    xml.text("status", instance.status);
    xml.text("overriddenstatus", overridden(instance));
    for (name, (number, on)) in [("port", instance.port), ("securePort", instance.secure_port)] {
        xml.with(name, ("enabled", if on { "true" } else { "false" }), &number.to_string());
    }
    xml.text("countryId", "1");
    xml.open_with("dataCenterInfo", ("class", DATA_CENTER));
    xml.text("name", "MyOwn");
    xml.close("dataCenterInfo");
    xml.open("leaseInfo");
    xml.text("renewalIntervalInSecs", &said.renewal.unwrap_or(RENEWAL_SECS).to_string());
    xml.text("durationInSecs", &instance.lease_secs.to_string());
    xml.text("registrationTimestamp", &instance.registered.to_string());
    xml.text("lastRenewalTimestamp", &instance.updated.to_string());
    xml.text("evictionTimestamp", "0");
    xml.text("serviceUpTimestamp", &instance.registered.to_string());
    xml.close("leaseInfo");
    xml.open("metadata");
    instance.metadata.iter().for_each(|(key, value)| xml.text(key, value));
    xml.close("metadata");
    optional(instance).for_each(|(name, text)| xml.text(name, text));
    xml.text("vipAddress", &said.vip);
    xml.text("isCoordinatingDiscoveryServer", "false");
    xml.text("lastUpdatedTimestamp", &instance.updated.to_string());
    xml.text("lastDirtyTimestamp", &said.dirty.unwrap_or(instance.updated).to_string());
    xml.text("actionType", instance.action.as_str());
    xml.close("instance");
}

const _: () = assert!(LEASE_SECS > RENEWAL_SECS as u64, "a lease must survive a missed renewal");
