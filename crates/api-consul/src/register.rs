//! From what clients of Consul register to registrations that keep every bound.

use crate::checks;
use crate::definition::{self, Defined};
use crate::extras::{Extras, ForeignNode};
use crate::fields::Fields;
use crate::names;
use crate::own::Found;
use crate::reply::Refused;
use crate::serve::App;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;
use whither_directory::Client;
use whither_model::upkeep::{REMOVAL_MILLIS_MAX, REMOVAL_MILLIS_MIN};
use whither_model::{Ack, Command, Health, Port, PortName, Registration, ServiceName, Upkeep};

/// How long the name service may take to find an address that is given as a name.
const LOOKUP: Duration = Duration::from_secs(2);

/// What is free to say, by its key.
type Meta = Arc<[(Box<str>, Box<str>)]>;

/// Who registers, and where.
#[derive(Debug)]
pub(crate) struct Whose {
    pub(crate) client: Client,
    /// The node that the service is on, if it is no agent.
    pub(crate) node: Option<ForeignNode>,
}

/// Registers the service that `fields` describe, with `more` checks that were given beside it.
///
/// # Errors
/// A field cannot be accepted, or the node cannot take it now. Nothing was done.
pub(crate) async fn service(app: &App, whose: Whose, fields: Fields<'_>, more: &[Fields<'_>]) -> Result<(), Refused> {
    let name = fields.text(&["Name", "Service"])?;
    if name.is_empty() {
        return Err(Refused::bad("Missing service name"));
    }
    if !fields.text(&["Kind"])?.is_empty() {
        return Err(Refused::bad(
            "Invalid service: Kind is set, and there is no mesh here; register the service itself",
        ));
    }
    let id = match fields.text(&["ID"])? {
        "" => name,
        id => id,
    };
    let known = app.own.service(app, &place_id(id, whose.node.as_ref()));
    let plan = Plan::read(app, fields, name, id, &whose, more).await?;
    let (registration, kept) = plan.registration(app, &whose, known.as_ref())?;
    app.directory.admit_checks(std::slice::from_ref(&registration), whose.client).map_err(|(_, bad)| bad)?;
    let (service, instance) = (registration.service.clone(), registration.id.clone());
    app.directory.submit(Command::Register { registrations: vec![registration], ack: Ack::Memory }).await?;
    if let Some(known) = known {
        let old = &known.listed.instance.registration;
        let was_consuls = known.extras.as_ref().is_some_and(|extras| extras.id.is_some());
        if was_consuls && (&old.service, &old.id) != (&service, &instance) {
            // The id went over to another service; on a node of Consul it is there once.
            remove(app, &known).await?;
        }
        let gone = known.extras.iter().flat_map(|extras| &extras.checks).filter(|check| !kept.contains(&check.id));
        app.reports.forget(gone);
    }
    Ok(())
}

/// What an instance is called among those of this agent: ids of other nodes are theirs.
pub(crate) fn place_id(id: &str, node: Option<&ForeignNode>) -> String {
    node.map_or_else(|| id.to_owned(), |node| format!("{id}@{}", node.name))
}

/// Removes an own instance.
///
/// # Errors
/// The node cannot take it now.
pub(crate) async fn remove(app: &App, found: &Found) -> Result<(), Refused> {
    let registration = &found.listed.instance.registration;
    let (service, id) = (registration.service.clone(), registration.id.clone());
    app.reports.forget(found.extras.iter().flat_map(|extras| &extras.checks));
    app.directory.submit(Command::Deregister { service, id, force: false, ack: Ack::Memory }).await?;
    Ok(())
}

/// Registers an own instance again, changed.
///
/// # Errors
/// A bound is not kept, or the node cannot take it now.
pub(crate) async fn again(
    app: &App,
    found: &Found,
    client: Client,
    change: impl FnOnce(&mut Registration, &mut Extras) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut registration = found.listed.instance.registration.clone();
    let mut extras = found.extras.clone().unwrap_or_default();
    // What the agent's own checks found is not what was reported, and is added by whoever runs them.
    registration.health = Health::Passing;
    change(&mut registration, &mut extras)?;
    registration.lease = definition::lease(&extras.checks);
    extras.put(&mut registration)?;
    registration.health = registration.health.max(checks::reported(app, found, &extras));
    registration.check()?;
    app.directory.admit_checks(std::slice::from_ref(&registration), client).map_err(|(_, bad)| bad)?;
    app.directory.submit(Command::Register { registrations: vec![registration], ack: Ack::Memory }).await?;
    Ok(())
}

/// Whoever registers again lives: silence is over.
fn spoken(health: Health) -> Health {
    match health {
        Health::Silent | Health::Overdue => Health::Passing,
        said => said,
    }
}

/// What was read, before it meets what is there.
struct Plan {
    service: ServiceName,
    id: Box<str>,
    address: IpAddr,
    ports: Vec<Port>,
    tags: Arc<[Box<str>]>,
    meta: Meta,
    weight: u16,
    extras: Extras,
    checks: Vec<Defined>,
}

impl Plan {
    async fn read(
        app: &App,
        fields: Fields<'_>,
        name: &str,
        id: &str,
        whose: &Whose,
        more: &[Fields<'_>],
    ) -> Result<Self, Refused> {
        let service = names::service(name)?;
        let mut extras = Extras { id: Some(id.into()), node: whose.node.clone(), ..Extras::default() };
        if names::shown(&service) != name {
            extras.name = Some(name.into());
        }
        let given = fields.text(&["Address"])?;
        let address = address(app, given, whose.node.as_ref()).await?;
        if given != address.to_string() {
            extras.address = Some(given.into());
        }
        let number = fields.number(&["Port"])?.unwrap_or(0);
        let port = u16::try_from(number)
            .map_err(|_| Refused::bad(format!("Invalid service: Port is {number}; expected 0 to 65535")))?;
        let mut ports: Vec<Port> = NonZeroU16::new(port).map(|port| main_port(port, "main")).into_iter().collect();
        for (key, value) in
            fields.object(&["TaggedAddresses"])?.iter().flat_map(|tagged| tagged.iter().collect::<Vec<_>>())
        {
            let tagged = Fields::of(value, "TaggedAddresses")?;
            let port = u16::try_from(tagged.number(&["Port"])?.unwrap_or(0)).unwrap_or(0);
            extras.tagged.insert(key.into(), (tagged.text(&["Address"])?.into(), port));
        }
        let (passing, warning) = weights(fields)?;
        if (passing, warning) != (1, 1) {
            extras.weights = Some((passing, warning));
        }
        extras.override_tags = fields.truth(&["EnableTagOverride"])?;
        let own = [address.to_string(), given.to_owned()];
        let checks = definitions(fields, more, name, id, &own)?;
        for port in checks.iter().filter_map(|check| check.port) {
            if !ports.iter().any(|known| known.number == port.get()) {
                ports.push(main_port(port, &format!("check-{port}")));
            }
        }
        if port == 0 && !ports.is_empty() {
            extras.port = Some(0);
        }
        extras.checks = checks.iter().map(|check| check.extras.clone()).collect();
        Ok(Self {
            service,
            id: place_id(id, whose.node.as_ref()).into(),
            address,
            ports,
            tags: fields.texts(&["Tags"])?.into_iter().map(Into::into).collect(),
            meta: fields.pairs(&["Meta"])?.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            weight: u16::try_from(passing.saturating_mul(100)).unwrap_or(u16::MAX).max(1),
            extras,
            checks,
        })
    }

    /// The registration, and the ids of its checks.
    fn registration(
        self,
        app: &App,
        whose: &Whose,
        known: Option<&Found>,
    ) -> Result<(Registration, Vec<Box<str>>), Refused> {
        let present = known.map(|known| &known.listed.instance.registration);
        let same = present.filter(|present| present.service == self.service);
        let id = match same {
            Some(present) => present.id.clone(),
            None => names::instance(&self.id, app.directory.identity().name.as_str())?,
        };
        let mut registration = Registration::new(self.service, id, self.address);
        registration.meta = self.meta;
        self.extras.put(&mut registration)?;
        registration.ports = self.ports.into();
        registration.tags = self.tags;
        registration.weight = self.weight;
        registration.state = same.map(|present| present.state).unwrap_or_default();
        // On Consul, services may share an address and a port.
        registration.shares_address = true;
        registration.lease = definition::lease(&self.extras.checks);
        let had = |id: &str| {
            known
                .iter()
                .filter_map(|known| known.extras.as_ref())
                .any(|extras| extras.checks.iter().any(|check| &*check.id == id))
        };
        let begins = |check: &Defined| match same.filter(|_| whose.node.is_none() && had(&check.extras.id)) {
            // A check that was there goes on as it is, whatever the definition says.
            Some(present) => app.reports.get(&check.extras.id).map_or(spoken(present.health), |report| report.health),
            None => check.status.unwrap_or(Health::Critical),
        };
        registration.health =
            self.checks.iter().filter(|check| check.run.is_none()).map(begins).max().unwrap_or_default();
        let upkeep = Upkeep {
            checks: self.checks.iter().filter_map(|check| check.run.clone()).collect(),
            remove_after_critical: self.checks.iter().filter_map(|check| check.remove_after).min().map(|after| {
                after.clamp(Duration::from_millis(REMOVAL_MILLIS_MIN), Duration::from_millis(REMOVAL_MILLIS_MAX))
            }),
            ramp: None,
        };
        registration.upkeep = (!upkeep.is_empty()).then(|| Arc::new(upkeep));
        registration.check()?;
        let ids = self.checks.into_iter().map(|check| check.extras.id).collect();
        Ok((registration, ids))
    }
}

/// A port of a number that is none of the others'.
pub(crate) fn main_port(number: NonZeroU16, name: &str) -> Port {
    let fallback = || PortName::default();
    Port { name: name.parse().unwrap_or_else(|_| fallback()), number: number.get() }
}

/// What `Check`, `Checks` and what stands beside the service define.
fn definitions(
    fields: Fields<'_>,
    more: &[Fields<'_>],
    name: &str,
    id: &str,
    own: &[String],
) -> Result<Vec<Defined>, Refused> {
    let mut given = fields.objects(&["Checks"])?;
    given.extend(fields.object(&["Check"])?);
    let several = given.len() > 1;
    let one = |(at, check): (usize, Fields<'_>)| {
        let id = if several { format!("service:{id}:{}", at + 1) } else { format!("service:{id}") };
        definition::define(check, id, format!("Service '{name}' check"), own)
    };
    // Those that were given beside the service are called as they say.
    let beside =
        more.iter().map(|check| definition::define(*check, check.text(&["Name"])?.to_owned(), String::new(), own));
    given.into_iter().enumerate().map(one).chain(beside).collect()
}

fn weights(fields: Fields<'_>) -> Result<(u32, u32), Refused> {
    let Some(weights) = fields.object(&["Weights"])? else { return Ok((1, 1)) };
    let weight = |name: &str| -> Result<u32, Refused> {
        let number = weights.number(&[name])?.unwrap_or(1);
        match u32::try_from(number) {
            Ok(number) if number <= 65_535 => Ok(number.max(1)),
            _ => Err(Refused::bad(format!("Invalid service: weight {number} is not between 1 and 65535"))),
        }
    };
    Ok((weight("Passing")?, weight("Warning")?))
}

/// The address that is meant: of the agent, if none is given; of a host, by its name.
async fn address(app: &App, given: &str, node: Option<&ForeignNode>) -> Result<IpAddr, Refused> {
    let text = match (given, node) {
        ("", None) => return Ok(app.directory.identity().advertise.ip()),
        ("", Some(node)) => &node.address,
        (given, _) => given,
    };
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok(address);
    }
    let unknown = |why: String| Refused::bad(format!("Invalid service: Address {text:?} cannot be found ({why})"));
    match tokio::time::timeout(LOOKUP, tokio::net::lookup_host((text, 0))).await {
        Err(_) => Err(unknown(format!("no answer within {LOOKUP:?}"))),
        Ok(Err(error)) => Err(unknown(error.to_string())),
        Ok(Ok(mut found)) => found.next().map(|found| found.ip()).ok_or_else(|| unknown("no address".into())),
    }
}
