//! Every path, and what it leads to.

use crate::names;
use crate::register;
use crate::reply::{self, Form, Refused, Reply};
use crate::said::Said;
use crate::serve::App;
use crate::show::{self, Application, Instance};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use std::sync::Arc;
use whither_directory::{Client, Listed};
use whither_model::{Ack, Command, Health, Registration};

/// Largest body.
const BODY_BYTES_MAX: usize = 128 * 1024;

type Outcome = Result<Reply, Refused>;

/// A request, read.
struct Asked<'a> {
    app: &'a App,
    client: Client,
    form: Form,
    query: Vec<(String, String)>,
    body: Bytes,
}

pub(crate) async fn answer(app: &App, client: Client, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = percent_encoding::percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
    // Ids may hold slashes that were encoded; apps may not. So what is decoded is only looked at part by part.
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let Some(rest) = head.uri.path().strip_prefix("/eureka") else {
        return Refused::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}; Eureka is below /eureka"))
            .reply();
    };
    let rest = rest.strip_prefix("/v2").unwrap_or(rest);
    let parts: Vec<String> = rest.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let xml =
        head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.contains("xml"));
    let form = Form::of(&head.headers);
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let outcome = match whither_doors::read_body(body, BODY_BYTES_MAX, app.config.body_read).await {
        Err(fault) => Err(Refused::new(fault.status(), fault.to_string())),
        Ok(body) if xml && !body.is_empty() => {
            Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "XML is answered and not read; register with JSON"))
        }
        Ok(body) => Asked { app, client, form, query, body }.answer(&head.method, &parts).await,
    };
    outcome.unwrap_or_else(Refused::reply)
}

impl Asked<'_> {
    async fn answer(&self, method: &Method, parts: &[&str]) -> Outcome {
        match (method.as_str(), parts) {
            ("GET", ["apps"]) => Ok(self.app.whole.reply(&self.app.directory, self.form)),
            ("GET", ["apps", "delta"]) => {
                let all = self.app.whole.hash(&self.app.directory, self.form);
                Ok(self.form.applications(&self.app.recent.applications(), &all))
            }
            ("GET", ["apps", app]) => self.application(app),
            ("GET", ["apps", app, id]) => {
                self.instance(|instance| instance.app.eq_ignore_ascii_case(app) && instance.id == **id)
            }
            ("GET", ["instances", id]) => self.instance(|instance| instance.id == **id),
            ("GET", ["vips", vip]) => Ok(self.called(|instance| has(&instance.said.vip, vip))),
            ("GET", ["svips", vip]) => Ok(self.called(|instance| has(&instance.said.secure_vip, vip))),
            ("POST", ["apps", app]) => self.register(app).await,
            ("PUT", ["apps", app, id]) => self.renew(app, id).await,
            ("DELETE", ["apps", app, id]) => self.cancel(app, id).await,
            ("PUT", ["apps", app, id, "status"]) => self.set_status(app, id).await,
            ("DELETE", ["apps", app, id, "status"]) => self.free_status(app, id).await,
            ("PUT", ["apps", app, id, "metadata"]) => self.set_metadata(app, id).await,
            (_, ["apps" | "instances" | "vips" | "svips", ..]) => {
                Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for this path")))
            }
            _ => Err(Refused::new(
                StatusCode::NOT_FOUND,
                "there is nothing at this path; /eureka/apps lists what there is",
            )),
        }
    }

    fn all(&self) -> Vec<Application> {
        show::applications(&self.app.directory.view())
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn application(&self, app: &str) -> Outcome {
        let name = names::service(app).map_err(|_| Refused::unknown())?;
        let view = self.app.directory.view();
        let found = view.service(&name).and_then(|service| show::application(service));
        found.map(|found| self.form.application(&found)).ok_or_else(Refused::unknown)
    }

    fn instance(&self, wanted: impl Fn(&Instance) -> bool) -> Outcome {
        let all = self.all();
        let found = all.iter().flat_map(|application| &application.instances).find(|instance| wanted(instance));
        found.map(|instance| self.form.instance(instance)).ok_or_else(Refused::unknown)
    }

    /// Services with those of their instances that are wanted.
    fn called(&self, wanted: impl Fn(&Instance) -> bool) -> Reply {
        let mut all = self.all();
        all.iter_mut().for_each(|application| application.instances.retain(&wanted));
        all.retain(|application| !application.instances.is_empty());
        self.form.everything(&all)
    }

    /// The instance, if it is this agent's own.
    ///
    /// # Errors
    /// It is not known, or another agent's: its client is to register here.
    fn own(&self, app: &str, id: &str) -> Result<Arc<Listed>, Refused> {
        let (service, id) = (names::service(app).ok(), names::instance(id).ok());
        let view = self.app.directory.view();
        let listed = service.zip(id).and_then(|(service, id)| view.service(&service)?.instance(&id).cloned());
        listed.filter(|listed| listed.owner() == self.app.directory.identity().node).ok_or_else(Refused::unknown)
    }

    async fn submit(&self, mut registration: Registration) -> Result<(), Refused> {
        if matches!(registration.health, Health::Silent | Health::Overdue) {
            // Whoever speaks of it says that it lives.
            registration.health = Health::Passing;
        }
        self.app.directory.admit_checks(std::slice::from_ref(&registration), self.client).map_err(|(_, bad)| bad)?;
        self.app.directory.submit(Command::Register { registrations: vec![registration], ack: Ack::Memory }).await?;
        Ok(())
    }

    async fn register(&self, app: &str) -> Outcome {
        let mut registration = register::read(&self.body, app)?;
        // What an operator has set stays, whatever the instance says of itself.
        let known = self
            .own(app, Said::of(&registration).and_then(|said| said.id).as_deref().unwrap_or(registration.id.as_str()));
        if let Ok(known) = known {
            let present = &known.instance.registration;
            let before = Said::of(present).unwrap_or_default();
            if let Some(status) = before.overridden.clone() {
                let mut said = Said::of(&registration).unwrap_or_default();
                register::set(&mut registration, &status)?;
                said.overridden = Some(status);
                said.put(&mut registration)?;
            } else if !register::is_as_said(present, &before) {
                registration.state = present.state;
            }
        }
        self.submit(registration).await?;
        Ok(reply::done(StatusCode::NO_CONTENT))
    }

    async fn renew(&self, app: &str, id: &str) -> Outcome {
        let listed = self.own(app, id)?;
        let mut registration = listed.instance.registration.clone();
        let said = Said::of(&registration).unwrap_or_default();
        let state = registration.state;
        // A renewal says how it is, which counts unless somebody else has said otherwise.
        let status = self.query("status").filter(|_| said.overridden.is_none());
        match status.filter(|_| register::is_as_said(&registration, &said)) {
            Some(status) => register::set(&mut registration, status)?,
            None if matches!(registration.health, Health::Silent | Health::Overdue) => {
                registration.health = Health::Passing;
            }
            None => {}
        }
        if registration.state == state {
            let (service, id) = (registration.service.clone(), registration.id.clone());
            let health = status.map(|_| registration.health);
            self.app.directory.submit(Command::Renew { service, id, health }).await?;
        } else {
            let said = Said { status: status.unwrap_or_default().into(), ..said };
            said.put(&mut registration)?;
            self.submit(registration).await?;
        }
        Ok(reply::done(StatusCode::OK))
    }

    async fn cancel(&self, app: &str, id: &str) -> Outcome {
        let listed = self.own(app, id)?;
        let registration = &listed.instance.registration;
        let (service, id) = (registration.service.clone(), registration.id.clone());
        self.app.directory.submit(Command::Deregister { service, id, force: false, ack: Ack::Memory }).await?;
        Ok(reply::done(StatusCode::OK))
    }

    async fn set_status(&self, app: &str, id: &str) -> Outcome {
        let listed = self.own(app, id)?;
        let status =
            self.query("value").ok_or_else(|| Refused::bad("value is missing; for example ?value=OUT_OF_SERVICE"))?;
        let mut registration = listed.instance.registration.clone();
        register::set(&mut registration, status)?;
        let mut said = Said::of(&registration).unwrap_or_default();
        said.overridden = Some(status.to_ascii_uppercase().into());
        said.put(&mut registration)?;
        self.submit(registration).await?;
        Ok(reply::done(StatusCode::OK))
    }

    async fn free_status(&self, app: &str, id: &str) -> Outcome {
        let listed = self.own(app, id)?;
        let mut registration = listed.instance.registration.clone();
        register::set(&mut registration, self.query("value").unwrap_or("UP"))?;
        let mut said = Said::of(&registration).unwrap_or_default();
        said.overridden = None;
        said.put(&mut registration)?;
        self.submit(registration).await?;
        Ok(reply::done(StatusCode::OK))
    }

    async fn set_metadata(&self, app: &str, id: &str) -> Outcome {
        let listed = self.own(app, id)?;
        let mut registration = listed.instance.registration.clone();
        let kept =
            registration.meta.iter().filter(|(key, _)| !self.query.iter().any(|(new, _)| **key == **new)).cloned();
        let new = self.query.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
        let mut meta: Vec<(Box<str>, Box<str>)> = kept.chain(new).collect();
        meta.sort_unstable();
        registration.meta = meta.into();
        registration.check()?;
        self.submit(registration).await?;
        Ok(reply::done(StatusCode::OK))
    }
}

/// Whether a list of virtual addresses, between commas, has this one.
fn has(list: &str, vip: &str) -> bool {
    list.split(',').any(|one| one.trim().eq_ignore_ascii_case(vip))
}
