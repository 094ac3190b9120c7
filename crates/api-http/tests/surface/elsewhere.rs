//! Questions that another node answers: two surfaces, and between them a line that keeps what travels as it is.

use crate::node_double::{NodeDouble, node};
use crate::wire::{Reply, ask, routes, send, soon};
use axum::Router;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use whither_api_http::{Config, answer_questions};
use whither_directory::{AskError, Asked, Question};
use whither_model::{MemberState, Refusal};

const INSTANCE: &str = "/v1/services/prod/recos/instances/r1";
const A: u64 = 0xa;
const B: u64 = 0xb;

/// What the questions of a node meet.
type Fate = Arc<Mutex<Option<AskError>>>;

struct Two {
    a: NodeDouble,
    b: NodeDouble,
    routes: Router,
    fate: Fate,
}

impl Two {
    /// Two nodes that know each other; what `a` asks, `b` answers, unless `fate` says otherwise.
    fn start() -> Self {
        let (a, b) = (NodeDouble::start(), NodeDouble::start_as(B, "node-b"));
        a.member(B, "node-b", MemberState::Alive);
        b.member(A, "a", MemberState::Alive);
        let fate = Fate::default();
        tokio::spawn(answer_questions(Arc::clone(&b.directory), Config::default(), std::future::pending()));
        let (answering, met) = (Arc::clone(&b.directory), Arc::clone(&fate));
        a.directory.carry_questions(move |to, question, patience| {
            assert_eq!((to, patience), ("127.0.0.11:7600".parse().unwrap(), Duration::from_secs(5)));
            let (answering, met) = (Arc::clone(&answering), met.lock().unwrap().clone());
            Box::pin(async move {
                if let Some(error) = met {
                    return Err(error);
                }
                let question = Question::decode(question).expect("what was encoded");
                let (reply, answer) = oneshot::channel::<Bytes>();
                let from = "127.0.0.10:7600".parse().unwrap();
                let asked = Asked::new(question, from, |said| drop(reply.send(said.expect("an answer").encode())));
                answering.pose(asked);
                answer.await.map_err(|_| AskError::BrokenOff("there is none".into()))
            })
        });
        let routes = routes(&a);
        Self { a, b, routes, fate }
    }

    async fn ask(&self, line: &str) -> Reply {
        soon(line, ask(&self.routes, line)).await
    }

    /// The problem that a question ends in.
    async fn problem(&self, line: &str) -> (u16, Value, String) {
        let reply = self.ask(line).await;
        assert_eq!(reply.header("content-type"), "application/problem+json", "{line}: {}", reply.text);
        let json = reply.json();
        let detail = json["detail"].as_str().unwrap().to_owned();
        (reply.status.as_u16(), json["type"].clone(), detail)
    }
}

fn kind(slug: &str) -> Value {
    json!(format!("urn:whither:problem:{slug}"))
}

#[tokio::test]
async fn a_read_from_another_node_is_that_nodes_own_answer() {
    let two = Two::start();
    two.b.instance(B, "prod/recos", "only-b-knows", |_| ());
    let of_b = routes(&two.b);
    for path in [
        "/v1/services",
        "/v1/services?namespace=prod",
        "/v1/services/prod/recos",
        "/v1/services/prod/recos?all=true&explain=true",
        "/v1/services/prod/recos/instances/only-b-knows",
        "/v1/nodes",
        "/v1/health",
        "/v1/services/prod/nobody",
        "/v1/services/prod/recos?al=true",
    ] {
        let here = ask(&of_b, &format!("GET {path}")).await;
        for name in ["node-b", "000000000000000b"] {
            let from = if path.contains('?') { format!("{path}&from={name}") } else { format!("{path}?from={name}") };
            let there = two.ask(&format!("GET {from}")).await;
            assert_eq!((there.status, &there.text), (here.status, &here.text), "{from}");
            assert_eq!(there.header("content-type"), here.header("content-type"), "{from}");
            assert_eq!(there.header("x-whither-answered-by"), "000000000000000b", "{from}");
        }
    }
    assert_eq!(two.ask("GET /v1/services/prod/recos").await.status, 404, "a itself knows nothing of it");
}

#[tokio::test]
async fn a_read_from_this_very_node_is_answered_here() {
    let two = Two::start();
    two.a.instance(A, "prod/recos", "r1", |_| ());
    let plain = two.ask("GET /v1/services/prod/recos?all=true").await;
    for from in ["all=true&from=a", "from=000000000000000a&all=true"] {
        let reply = two.ask(&format!("GET /v1/services/prod/recos?{from}")).await;
        assert_eq!((reply.status, &reply.text), (plain.status, &plain.text));
        assert_eq!(reply.header("x-whither-answered-by"), "", "nobody else did");
    }
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_a_problem_that_says_what_to_do() {
    let two = Two::start();
    two.a.member(0xc, "node-c", MemberState::Down);
    two.a.member(0xd, "twin", MemberState::Alive);
    two.a.member(0xe, "twin", MemberState::Suspect);
    two.a.member(0xf, "node-b", MemberState::Down); // A past life of node-b: the present one is meant.
    assert_eq!(two.ask("GET /v1/nodes?from=node-b").await.status, 200);
    let cases = [
        ("node-x", 422, "unknown-node", "no node \"node-x\" is known here; did you mean \"node-"),
        ("somebody", 422, "unknown-node", "expected the name or the id of a node; GET /v1/nodes lists them"),
        ("", 422, "unknown-node", "expected the name or the id"),
        ("00000000000000ff", 422, "unknown-node", "is known here"),
        ("twin", 409, "ambiguous-node", "2 nodes; name one by its id: 000000000000000d, 000000000000000e"),
        (
            "node-c",
            502,
            "node-unreachable",
            "node node-c (000000000000000c) gave no answer: it is down, as far as is known",
        ),
        ("a&from=b", 400, "malformed-request", "from is given twice"),
    ];
    for (name, status, slug, says) in cases {
        let (found, kind_found, detail) = two.problem(&format!("GET /v1/nodes?from={name}")).await;
        assert_eq!((found, kind_found), (status, kind(slug)), "{name}: {detail}");
        assert!(detail.contains(says), "{name}: {detail}");
    }
    let fates = [
        (AskError::TimedOut(Duration::from_secs(5)), 504, "node-silent", "it did not answer within 5s; leave out from"),
        (
            AskError::Refused("it does not answer questions".into()),
            502,
            "node-unreachable",
            "does not answer questions",
        ),
        (AskError::NotNow("too many".into()), 503, "unavailable", "too many; leave out from"),
        (AskError::Garbled, 502, "node-unreachable", "cannot be read (another version?)"),
    ];
    for (fate, status, slug, says) in fates {
        *two.fate.lock().unwrap() = Some(fate);
        let (found, kind_found, detail) = two.problem("GET /v1/nodes?from=node-b").await;
        assert_eq!((found, kind_found), (status, kind(slug)), "{detail}");
        assert!(
            detail.starts_with("node node-b (000000000000000b) gave no answer: ") && detail.contains(says),
            "{detail}"
        );
    }
    let long = format!("GET /v1/services/prod/recos?tag={}&from=node-b", "x".repeat(Question::TARGET_BYTES_MAX));
    assert_eq!(two.problem(&long).await.0, 400);
}

#[tokio::test]
async fn what_is_no_read_of_the_catalog_is_not_asked_elsewhere() {
    let two = Two::start();
    // A watch takes `from` as the place to resume at.
    let (status, _, detail) = two.problem("GET /v1/watch?from=node-b").await;
    assert!(status == 400 && detail.contains("not a cursor"), "{detail}");
    let (status, _, detail) = two.problem(&format!("DELETE {INSTANCE}?from=node-b")).await;
    assert!(status == 400 && detail.contains("\"from\" is not a parameter here"), "{detail}");
    assert!(two.b.asked().is_empty());
}

#[tokio::test]
async fn a_write_is_carried_to_the_owner_and_its_answer_comes_back() {
    let two = Two::start();
    let created = send(&routes(&two.b), &format!("PUT {INSTANCE}"), r#"{"port":8080}"#).await;
    assert_eq!(created.status, 201);
    for (line, version) in
        [(format!("PUT {INSTANCE}/state?state=draining"), "3.2"), (format!("DELETE {INSTANCE}?ack=durable"), "3.3")]
    {
        two.a.refuse(not_owner(B));
        let reply = two.ask(&line).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["version"]), (200, &json!(version)), "{line}");
        assert_eq!(reply.header("x-whither-answered-by"), "000000000000000b");
        assert!(reply.json()["index"].as_str().unwrap().starts_with("000000000000000b-"), "the owner's own words");
    }
    two.a.refuse(not_owner(B));
    let (status, slug, _) = two.problem(&format!("DELETE {INSTANCE}")).await;
    assert_eq!((status, slug), (404, kind("unknown-instance")), "what the owner refuses is refused");
}

#[tokio::test]
async fn a_write_whose_owner_is_gone_or_silent_is_refused_and_a_renewal_is_not_carried() {
    let two = Two::start();
    two.a.member(0xc, "node-c", MemberState::Down);
    for (line, owner) in
        [(format!("DELETE {INSTANCE}"), 0xc), (format!("DELETE {INSTANCE}"), 0xd), (format!("PUT {INSTANCE}/renew"), B)]
    {
        two.a.refuse(not_owner(owner));
        let (status, slug, detail) = two.problem(&line).await;
        assert_eq!((status, slug), (409, kind("not-owner")), "{line}: {detail}");
    }
    assert!(two.b.asked().is_empty());
    for (fate, status, says) in [
        (AskError::TimedOut(Duration::from_secs(5)), 504, "it may have done what was asked: look, and ask again"),
        (AskError::Refused("it cannot be reached".into()), 502, "it cannot be reached; nothing was done; ask again"),
    ] {
        *two.fate.lock().unwrap() = Some(fate);
        two.a.refuse(not_owner(B));
        let (found, _, detail) = two.problem(&format!("DELETE {INSTANCE}")).await;
        assert!(found == status && detail.contains(says), "{found}: {detail}");
    }
}

#[tokio::test]
async fn what_came_from_another_node_goes_no_further() {
    let two = Two::start();
    // Were b to ask on, this would be the line that it asks on.
    two.b.directory.carry_questions(|_, _, _| panic!("asked on"));
    two.a.refuse(not_owner(B));
    two.b.refuse(not_owner(A));
    let (status, slug, _) = two.problem(&format!("DELETE {INSTANCE}")).await;
    assert_eq!((status, slug), (409, kind("not-owner")), "two nodes that each hold the other for the owner");
    // The parameter is taken out before a question leaves, so only another program can do this.
    let (reply, answer) = oneshot::channel();
    let question = Question::new(whither_directory::Method::Get, "/v1/nodes?from=a").unwrap();
    let asked =
        Asked::new(question, "127.0.0.10:7600".parse().unwrap(), |said| drop(reply.send(said.expect("an answer"))));
    two.b.directory.pose(asked);
    let answer = soon("an answer", answer).await.unwrap();
    let detail = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(answer.status == 400 && detail.contains("is not passed on again"), "{detail}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_to_travel_is_said_to_be() {
    let two = Two::start();
    let long: Box<str> = "x".repeat(2000).into();
    two.b.apply_all((0..2_500).map(|n| {
        NodeDouble::delta(B, "prod/recos", &format!("r{n}"), |r| r.meta = [("k".into(), long.clone())].into())
    }));
    let (status, slug, detail) = two.problem("GET /v1/services/prod/recos?from=node-b").await;
    assert_eq!((status, slug), (502, kind("answer-too-large")), "{detail}");
    assert_eq!(two.ask("GET /v1/services/prod/recos?tag=none&from=node-b").await.status, 200, "less can be had");
}

fn not_owner(owner: u64) -> Refusal {
    Refusal::NotOwner { service: "prod/recos".parse().unwrap(), id: "r1".parse().unwrap(), owner: node(owner) }
}
